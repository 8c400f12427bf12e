// SPDX-License-Identifier: MPL-2.0
//! A flush or a state change that comes while the first frame is on its way to
//! a session which is not there yet. Nobody told that session to stop waiting,
//! and the flush waited for its output task.

use std::sync::mpsc;
use std::time::Duration;

use gst::prelude::*;

use crate::util::{CAPS, frame};

/// Plenty of time for what takes none.
const BOUND: Duration = Duration::from_secs(20);

/// A pipeline whose first frame stops in front of the element until it is let
/// go, and has passed the check for a flush by then.
fn held() -> (gst::Pipeline, mpsc::Receiver<()>, mpsc::Sender<()>) {
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=in format=time caps={CAPS} ! svtav1watchenc name=codec preset=12 ! fakesink async=false"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let (arrived, arrival) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let pad = pipeline
        .by_name("codec")
        .unwrap()
        .static_pad("sink")
        .unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrived.send(()).unwrap();
        // From the second frame on nobody holds it.
        let _ = released.lock().unwrap().recv_timeout(BOUND);
        gst::PadProbeReturn::Remove
    });
    let source = pipeline.by_name("in").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for number in 0..3 {
        source.push_buffer(frame(CAPS, number)).unwrap();
    }
    (pipeline, arrival, release)
}

/// Does something that may block for ever, and fails where it does.
fn in_time(what: &str, work: impl FnOnce() + Send + 'static) {
    let (done, end) = mpsc::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    assert!(end.recv_timeout(BOUND).is_ok(), "{what} hangs");
}

#[test]
fn a_flush_that_overtakes_the_first_frame_has_an_end() {
    let (pipeline, arrival, release) = held();
    arrival.recv_timeout(BOUND).unwrap();
    let source = pipeline.by_name("in").unwrap();
    let pad = source.static_pad("src").unwrap();
    assert!(pad.push_event(gst::event::FlushStart::new()));
    release.send(()).unwrap();
    // For the frame to arrive where the session is started.
    std::thread::sleep(Duration::from_millis(200));
    in_time("the flush", move || {
        pad.push_event(gst::event::FlushStop::new(true));
    });
    in_time("the state change", move || {
        pipeline.set_state(gst::State::Null).unwrap();
    });
}

#[test]
fn a_state_change_that_overtakes_the_first_frame_has_an_end() {
    let (pipeline, arrival, release) = held();
    arrival.recv_timeout(BOUND).unwrap();
    std::thread::spawn(move || {
        // Once the state change has cancelled every wait there is.
        std::thread::sleep(Duration::from_millis(200));
        let _ = release.send(());
    });
    in_time("the state change", move || {
        pipeline.set_state(gst::State::Null).unwrap();
    });
}
