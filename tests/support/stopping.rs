// SPDX-License-Identifier: MPL-2.0
//! A stop that meets the start of a stream.

use std::sync::mpsc::channel;
use std::time::Duration;

use gst::prelude::*;

/// What a state change may take, on a machine that is busy with other tests.
const BOUND: Duration = Duration::from_secs(30);

/// Brings an element its first buffer when it is already on its way to READY:
/// the session that the buffer asks for must not outlive the stop, nor hold it up.
pub fn first_buffer_while_stopping(codec: &gst::Element, caps: &str, buffer: gst::Buffer) {
    let source = gst::Pad::builder(gst::PadDirection::Src).build();
    let (sink, src) = (
        codec.static_pad("sink").unwrap(),
        codec.static_pad("src").unwrap(),
    );
    source.set_active(true).unwrap();
    source.link(&sink).unwrap();
    codec.set_state(gst::State::Playing).unwrap();
    let caps = caps.parse::<gst::Caps>().unwrap();
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(source.push_event(gst::event::StreamStart::new("stream")));
    assert!(source.push_event(gst::event::Caps::new(&caps)));
    assert!(source.push_event(gst::event::Segment::new(&segment)));

    // Held from here on: the stop has woken every wait and closed the source pad,
    // and cannot get any further.
    let held = src.stream_lock();
    let (arrived, arrival) = channel();
    let closed = src.clone();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrived.send(()).unwrap();
        while !closed.pad_flags().contains(gst::PadFlags::FLUSHING) {
            std::thread::sleep(Duration::from_millis(1));
        }
        gst::PadProbeReturn::Ok
    });
    let (pushed, push) = channel();
    std::thread::spawn(move || pushed.send(source.push(buffer)));
    arrival.recv_timeout(BOUND).expect("the buffer arrives");
    let (stopped, stop) = channel();
    let element = codec.clone();
    std::thread::spawn(move || stopped.send(element.set_state(gst::State::Null)));
    let flow = push.recv_timeout(BOUND).expect("the push returns");
    assert_eq!(flow, Err(gst::FlowError::Flushing));
    drop(held);
    let state = stop.recv_timeout(BOUND).expect("the state change hangs");
    state.unwrap();
}
