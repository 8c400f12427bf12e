// SPDX-License-Identifier: MPL-2.0
//! Pipelines in one process, for those who look at its health from outside.
//!
//!     codecwatch-stage PIPELINE...
//!
//! Plays each pipeline, in the syntax of `gst-launch-1.0`, says `playing`, and obeys the
//! lines of its standard input; it answers each with `done LINE`:
//!
//! - `ready N`, `play N`: changes the state of the N-th pipeline, from 0 on;
//! - `drop N`: frees it;
//! - `set ELEMENT PROPERTY VALUE`: sets a property, in any pipeline;
//! - `heal ELEMENT`: the `wedge` that it hosts does nothing more on purpose;
//! - `block SECONDS`: blocks the main thread, after `done`;
//! - `quit`, or the end of the input: stops everything and deinitialises GStreamer.
//!
//! SIGTERM does what `quit` does, unless the main thread is blocked. Errors of pipelines
//! are printed and change nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a program for tests that nobody embeds"
)]

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gst::prelude::*;

fn main() {
    block_sigterm();
    gst::init().unwrap();
    let pipelines: Vec<_> = std::env::args().skip(1).collect();
    let mut pipelines: Vec<_> = pipelines.iter().map(|text| Some(play(text))).collect();
    let main_loop = gst::glib::MainLoop::new(None, false);
    let (lines, told) = std::sync::mpsc::channel();
    let context = main_loop.context();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let _ = lines.send(line.unwrap());
            context.wakeup();
        }
        drop(lines);
        context.wakeup();
    });
    let terminated = when_terminated(main_loop.context());
    println!("playing");
    while !terminated.load(Ordering::SeqCst) {
        match told.try_recv() {
            Ok(line) if line == "quit" => break,
            Ok(line) => obey(&line, &mut pipelines),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => break,
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                main_loop.context().iteration(true);
            }
        }
    }
    for pipeline in pipelines.iter_mut().filter_map(Option::take) {
        let _ = pipeline.set_state(gst::State::Null);
    }
    // SAFETY: nothing of GStreamer is used after this.
    unsafe { gst::deinit() };
    println!("ended");
}

/// Only one of SIGTERM.
fn sigterm() -> libc::sigset_t {
    // SAFETY: an all-zero set is a valid value, and the next call initialises it.
    let mut set = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a variable of that type.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: as above, and initialised.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGTERM) };
    set
}

/// In this thread and all that it starts.
fn block_sigterm() {
    let set = sigterm();
    // SAFETY: the set is initialised; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Becomes true with SIGTERM, which wakes the context.
fn when_terminated(context: gst::glib::MainContext) -> Arc<AtomicBool> {
    let terminated = Arc::new(AtomicBool::new(false));
    let seen = terminated.clone();
    std::thread::spawn(move || {
        let (set, mut signal) = (sigterm(), 0);
        // SAFETY: the set is initialised, and the number is a variable of its type.
        unsafe { libc::sigwait(&raw const set, &raw mut signal) };
        seen.store(true, Ordering::SeqCst);
        context.wakeup();
    });
    terminated
}

fn play(text: &str) -> gst::Pipeline {
    let pipeline = gst::parse::launch(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.bus().unwrap().set_sync_handler(|_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            println!("error: {}", error.error());
        }
        gst::BusSyncReply::Drop
    });
    let _ = pipeline.set_state(gst::State::Playing);
    pipeline
}

fn obey(line: &str, pipelines: &mut [Option<gst::Pipeline>]) {
    let words: Vec<_> = line.split(' ').collect();
    let number = |text: &str| text.parse::<usize>().unwrap();
    match words[..] {
        ["ready", n] => state(pipelines[number(n)].as_ref(), gst::State::Ready),
        ["play", n] => state(pipelines[number(n)].as_ref(), gst::State::Playing),
        ["drop", n] => {
            let pipeline = pipelines[number(n)].take();
            state(pipeline.as_ref(), gst::State::Null);
        }
        ["set", element, property, value] => {
            named(pipelines, element).set_property_from_str(property, value);
        }
        ["heal", element] => {
            let healed = named(pipelines, element);
            let child = healed.dynamic_cast_ref::<gst::ChildProxy>().unwrap();
            child.set_child_property("wedge::at", "nowhere");
        }
        ["block", seconds] => {
            println!("done {line}");
            std::thread::sleep(Duration::from_secs(seconds.parse().unwrap()));
            return;
        }
        _ => panic!("what is {line:?}?"),
    }
    println!("done {line}");
}

fn state(pipeline: Option<&gst::Pipeline>, state: gst::State) {
    let _ = pipeline.unwrap().set_state(state);
}

fn named(pipelines: &[Option<gst::Pipeline>], name: &str) -> gst::Element {
    let pipelines = pipelines.iter().flatten();
    let mut found = pipelines.filter_map(|pipeline| pipeline.by_name(name));
    found.next().unwrap_or_else(|| panic!("no {name}"))
}
