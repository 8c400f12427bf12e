// SPDX-License-Identifier: MPL-2.0
//! Writes the evidence of a fault: on a thread that nobody waits for, because the disk
//! may be slow, full or gone.
//!
//! GStreamer may have been deinitialised meanwhile, unless the element still exists. So
//! without it, an error goes to stderr and not to the log.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use codecwatch_evidence::{
    Cut, FAULT_FILE, FaultFile, Folder, FolderName, IVF_FILE, LastLook, STACKS_FILE, Sample,
    THREADS_FILE, WriteError, threads, write_ivf,
};
use codecwatch_supervisor::Witness;
use gst::glib;
use gst::prelude::*;

use super::gdp::{GDP_FILE, write_gdp};
use super::{Counts, RecordedInput, SampleForm};
use crate::CAT;

/// How long the look at a child before its kill is waited for. The kill itself waits
/// for less.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Everything that is written.
pub(super) struct Job {
    pub(super) place: PathBuf,
    pub(super) name: FolderName,
    pub(super) file: FaultFile,
    pub(super) inputs: Vec<RecordedInput>,
    pub(super) cut: Cut,
    pub(super) form: Option<SampleForm>,
    pub(super) last_look: Option<Arc<LastLook>>,
    pub(super) killed: bool,
    pub(super) witness: Option<Arc<dyn Witness>>,
    /// Not kept alive by a disk that hangs.
    pub(super) element: glib::WeakRef<gst::Element>,
    pub(super) session: u64,
    pub(super) counts: Arc<Counts>,
}

/// Evidence that could not be written.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) path: PathBuf,
    pub(super) why: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        let why = &self.why;
        write!(
            f,
            "The evidence of a fault could not be written: {path}: {why}"
        )
    }
}

impl Job {
    pub(super) fn run(mut self) {
        // First: the threads go on.
        let threads = self.threads();
        let written = self.write(&threads);
        let count = match written {
            Ok(_) => &self.counts.written,
            Err(_) => &self.counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.counts.pending.fetch_sub(1, Ordering::Relaxed);
        let failed = |error: WriteError| Failed {
            path: error.path,
            why: error.source.to_string(),
        };
        match (written.map_err(failed), self.element.upgrade()) {
            (Ok(path), Some(element)) => self.post_written(&element, path),
            (Ok(_), None) => {}
            (Err(failed), Some(element)) => post_failed(&element, &failed),
            (Err(failed), None) => {
                let _ = writeln!(io::stderr(), "codecwatch: {failed}");
            }
        }
    }

    /// The threads of the codec, and the stacks of a child.
    fn threads(&mut self) -> Seen {
        let Some(last_look) = &self.last_look else {
            let sample = self.witness.as_ref().map(|witness| witness.sample());
            let ids = sample.map(|sample| sample.threads.iter().map(|thread| thread.tid).collect());
            let ids: Vec<u32> = ids.unwrap_or_default();
            return Seen {
                threads: threads::describe(None, Some(&ids)),
                stacks: None,
            };
        };
        let limit = if self.killed {
            LAST_LOOK
        } else {
            Duration::ZERO
        };
        let Some(looked) = last_look.wait(limit) else {
            let note = "the codec's process was not killed, so its threads were not examined";
            self.file.notes.push(note.to_owned());
            return Seen::default();
        };
        let stacks = match looked.stacks {
            Some(Err(why)) => {
                self.file.notes.push(format!("{STACKS_FILE}: {why}"));
                None
            }
            Some(Ok(stacks)) => Some(stacks),
            None => None,
        };
        Seen {
            threads: looked.threads,
            stacks,
        }
    }

    fn write(&mut self, seen: &Seen) -> Result<PathBuf, WriteError> {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        let kernel = kernel.unwrap_or_default().trim().to_owned();
        self.file.versions.insert("kernel".to_owned(), kernel);
        let mut folder = Folder::create(&self.place, &self.name)?;
        if !seen.threads.is_empty() {
            folder.write(THREADS_FILE, |file| file.write_all(seen.threads.as_bytes()))?;
        }
        if let Some(stacks) = &seen.stacks {
            folder.write(STACKS_FILE, |file| file.write_all(stacks))?;
        }
        let inputs = std::mem::take(&mut self.inputs);
        if let Some(form) = self.form.take()
            && !inputs.is_empty()
        {
            self.file.sample = Some(write_sample(&mut folder, form, &inputs, self.cut)?);
        }
        drop(inputs);
        folder.write(FAULT_FILE, |file| {
            serde_json::to_writer_pretty(&mut *file, &self.file)?;
            file.write_all(b"\n")
        })?;
        folder.finish()
    }

    fn post_written(&self, element: &gst::Element, path: PathBuf) {
        let path = path.display().to_string();
        gst::info!(CAT, obj = element, "evidence: {path}");
        let structure = gst::Structure::builder("codecwatch-evidence")
            .field("evidence-path", path)
            .field("session", self.session)
            .build();
        let message = gst::message::Element::builder(structure)
            .src(element)
            .build();
        // Fails only without a bus, which needs no message.
        let _ = element.post_message(message);
    }
}

/// What was seen of the codec's threads.
#[derive(Default)]
struct Seen {
    threads: String,
    stacks: Option<Vec<u8>>,
}

fn write_sample(
    folder: &mut Folder,
    form: SampleForm,
    inputs: &[RecordedInput],
    cut: Cut,
) -> Result<Sample, WriteError> {
    let mut sample = Sample {
        inputs: inputs.len() as u64,
        bytes: inputs.iter().map(|input| input.buffer.size() as u64).sum(),
        cut_inputs: cut.inputs,
        cut_bytes: cut.bytes,
        begins_at_key_frame: inputs.first().is_some_and(RecordedInput::is_key_frame),
        ..Sample::default()
    };
    match form {
        SampleForm::Gdp => {
            sample.file = GDP_FILE.to_owned();
            folder.write(GDP_FILE, |file| write_gdp(file, inputs))?;
        }
        SampleForm::Ivf { headers } => {
            sample.file = IVF_FILE.to_owned();
            folder.write(IVF_FILE, |file| {
                sample.headers_added = write_obus(file, &headers, inputs)?;
                Ok(())
            })?;
        }
    }
    Ok(sample)
}

/// Returns whether the container's headers had to be added.
fn write_obus(file: &mut dyn Write, headers: &[u8], inputs: &[RecordedInput]) -> io::Result<bool> {
    let mut frames = Vec::with_capacity(inputs.len());
    for input in inputs {
        let time = input.buffer.pts().map_or(0, gst::ClockTime::nseconds);
        let map = input.buffer.map_readable().map_err(io::Error::other)?;
        frames.push((time, map));
    }
    let adds = !headers.is_empty() && inputs.first().is_some_and(|input| input.needs_headers);
    if !adds {
        write_ivf(file, (0, 0), &frames)?;
        return Ok(false);
    }
    let mut frames: Vec<(u64, &[u8])> =
        frames.iter().map(|(time, map)| (*time, &map[..])).collect();
    let first = [headers, frames.first().map_or(&[], |frame| frame.1)].concat();
    if let Some(frame) = frames.first_mut() {
        frame.1 = &first;
    }
    write_ivf(file, (0, 0), &frames)?;
    Ok(true)
}

/// Posts that evidence could not be written. The fault's own error is unaffected.
pub(super) fn post_failed(element: &gst::Element, failed: &Failed) {
    let text = failed.to_string();
    gst::warning!(CAT, obj = element, "{text}");
    let message = gst::message::Warning::builder(gst::ResourceError::Write, &text)
        .src(element)
        .debug("evidence-dir")
        .build();
    let _ = element.post_message(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecwatch_evidence::read_ivf;

    fn input(bytes: &'static [u8], needs_headers: bool) -> RecordedInput {
        gst::init().unwrap();
        let buffer = gst::Buffer::from_slice(bytes);
        RecordedInput::new(buffer, None, true).with_needs_headers(needs_headers)
    }

    #[test]
    fn the_containers_headers_go_before_a_first_input_that_has_none() {
        let written = |headers: &[u8], inputs: &[RecordedInput]| {
            let mut file = Vec::new();
            let added = write_obus(&mut file, headers, inputs).unwrap();
            let frames: Vec<Vec<u8>> = read_ivf(&file)
                .unwrap()
                .into_iter()
                .map(Into::into)
                .collect();
            (added, frames)
        };
        let bare = [input(b"key", true), input(b"next", true)];
        let (added, frames) = written(b"head", &bare);
        assert!(added);
        assert_eq!(frames, [b"headkey".to_vec(), b"next".to_vec()]);
        let (added, frames) = written(b"", &bare);
        assert!(!added);
        assert_eq!(frames, [b"key".to_vec(), b"next".to_vec()]);
        let (added, frames) = written(b"head", &[input(b"key", false)]);
        assert!(!added);
        assert_eq!(frames, [b"key".to_vec()]);
    }
}
