// SPDX-License-Identifier: MPL-2.0
//! Runs a program for each of several files, all at once, and collects what they print.
//! One that fails, crashes or takes too long has said nothing.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::CAT;

/// The longest that all of them may take.
const BOUND: Duration = Duration::from_secs(10);
/// How often a program that is ending is looked at.
const LOOK: Duration = Duration::from_millis(2);

pub(super) fn ask(program: &Path, files: impl Iterator<Item = PathBuf>) -> String {
    let (sender, answers) = mpsc::channel();
    let mut running: Vec<_> = files
        .filter_map(|file| Some((start(program, &file, sender.clone())?, file)))
        .collect();
    drop(sender);
    let end = Instant::now() + BOUND;
    let mut said = String::new();
    // Ends when all have answered.
    while let Ok((id, text)) = answers.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if let Some(place) = running.iter().position(|(child, _)| child.id() == id) {
            let (mut child, file) = running.swap_remove(place);
            match status_of(&mut child, end) {
                Some(status) if status.success() => said.push_str(&text),
                Some(status) => gst::warning!(CAT, "{}: {status}", file.display()),
                None => running.push((child, file)),
            }
        }
    }
    for (mut child, file) in running {
        gst::warning!(CAT, "{} does not answer", file.display());
        let _ = child.kill();
        // A driver may keep even a killed process: nobody waits for that.
        let wait = std::thread::Builder::new().name("cw-inquiry".into());
        let _ = wait.spawn(move || child.wait());
    }
    said
}

/// The status of a program that has closed its output, when it has ended; `None` if it has
/// not by `end`.
fn status_of(child: &mut Child, end: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => std::thread::park_timeout(LOOK),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Starts the program; what it prints comes with its number when it has closed its
/// output, which it does at its end.
fn start(program: &Path, file: &Path, answers: mpsc::Sender<(u32, String)>) -> Option<Child> {
    let mut child = Command::new(program)
        .arg(file)
        .env("GST_REGISTRY_DISABLE", "yes")
        // It must not take the port of this process.
        .env_remove("GST_TRACERS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .inspect_err(|error| gst::warning!(CAT, "{}: {error}", program.display()))
        .ok()?;
    let id = child.id();
    let mut output = child.stdout.take()?;
    let reader = std::thread::Builder::new().name("cw-inquiry".into());
    let reading = reader.spawn(move || {
        let mut text = String::new();
        let _ = output.read_to_string(&mut text);
        let _ = answers.send((id, text));
    });
    reading.is_ok().then_some(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_have_printed_is_collected_without_those_that_fail() {
        gst::init().unwrap();
        let files = ["/proc/self/comm", "/proc/nothing", "/proc/self/comm"];
        let said = ask(Path::new("cat"), files.map(PathBuf::from).into_iter());
        assert_eq!(said, "cat\ncat\n");
        let missing = Path::new("/nowhere/codecwatch-hardware");
        assert_eq!(ask(missing, [PathBuf::from("any")].into_iter()), "");
    }
}
