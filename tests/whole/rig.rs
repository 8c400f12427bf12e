// SPDX-License-Identifier: MPL-2.0
//! Pipelines that end in a file, and what is in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;

/// Plenty of time for what takes little.
const BOUND: gst::ClockTime = gst::ClockTime::from_seconds(60);

pub(crate) const FRAMES: usize = 25;

/// A muxer with what can be put into it. Each file has [`FRAMES`] frames.
pub(crate) struct Container {
    pub(crate) extension: &'static str,
    pub(crate) stream: &'static str,
}

pub(crate) const CONTAINERS: [Container; 4] = [
    Container {
        extension: "mkv",
        stream: "vp8enc deadline=1 ! matroskamux",
    },
    Container {
        extension: "webm",
        stream: "vp8enc deadline=1 ! webmmux",
    },
    Container {
        extension: "mp4",
        stream: "x264enc tune=zerolatency speed-preset=ultrafast ! mp4mux",
    },
    Container {
        extension: "ts",
        stream: "x264enc tune=zerolatency speed-preset=ultrafast ! h264parse ! mpegtsmux",
    },
];

pub(crate) const SOURCE: &str =
    "videotestsrc num-buffers=25 ! video/x-raw,width=160,height=120,framerate=25/1";

/// A folder with a target in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn pipeline(description: &str) -> gst::Pipeline {
    support::init();
    gst::parse::launch(description)
        .unwrap_or_else(|error| panic!("{description}: {error}"))
        .downcast()
        .unwrap()
}

/// Plays a pipeline to its first EOS or error, and stops it. What the error says.
pub(crate) fn play(pipeline: &gst::Pipeline) -> Result<(), String> {
    // An element that cannot start says so on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let end = wait(&pipeline.bus().unwrap());
    pipeline.set_state(gst::State::Null).unwrap();
    end
}

pub(crate) fn wait(bus: &gst::Bus) -> Result<(), String> {
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(BOUND, &ends).expect("no end");
    match message.view() {
        gst::MessageView::Error(error) => Err(error.error().to_string()),
        _ => Ok(()),
    }
}

/// How many pictures a file has; an error where it cannot be decoded to its end.
pub(crate) fn frames(path: &Path) -> Result<usize, String> {
    let pipeline = pipeline(&format!(
        "filesrc location={} ! decodebin ! video/x-raw ! fakesink name=end sync=false",
        path.display()
    ));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let pad = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    play(&pipeline)?;
    Ok(count.load(Ordering::Relaxed))
}
