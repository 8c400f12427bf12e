// SPDX-License-Identifier: MPL-2.0
//! What a hosted codec says besides its stream arrives: all of it, whatever downstream
//! does, and before the end.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::rig::{Item, Rig, produce};

const BOUND: Duration = Duration::from_secs(20);

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn video() -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(
        "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1",
    )
}

/// Three buffers of a second each.
fn sound() -> Vec<Item> {
    support::init();
    produce(
        "audiotestsrc num-buffers=3 samplesperbuffer=8000 \
         ! audio/x-raw,format=S16LE,rate=8000,channels=1",
    )
}

/// The times in the messages of a meter.
fn readings(rig: &Rig) -> Vec<Option<gst::ClockTime>> {
    let messages = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Element]));
    let time = |message: gst::Message| {
        let structure = message.structure()?;
        structure.get("timestamp").ok()
    };
    messages.map(time).collect()
}

#[test]
fn every_message_arrives_while_downstream_takes_nothing() {
    let codec = "spectrum bands=4 interval=10000000";
    let mut items = sound();
    let bare = Rig::bare(codec);
    bare.play(&items);
    let bare = readings(&bare);
    assert!(bare.len() >= 300, "{}", bare.len());
    let end = items.pop();
    for rig in [Rig::hosted(codec), Rig::isolated(codec)] {
        rig.downstream.block(true);
        rig.play_on(&items);
        let mut came = Vec::new();
        let begun = Instant::now();
        while came.len() < 300 {
            assert!(begun.elapsed() < BOUND, "{}: {}", rig.name(), came.len());
            came.extend(readings(&rig));
            std::thread::sleep(Duration::from_millis(5));
        }
        rig.downstream.block(false);
        rig.play(end.as_slice());
        came.extend(readings(&rig));
        assert!(came == bare, "{}: {came:?}", rig.name());
    }
}

#[test]
fn a_message_of_the_end_of_the_stream_comes_before_it() {
    // It posts with a buffer that is longer than this, or with EOS.
    let codec = "level interval=60000000000";
    let items = sound();
    let bare = Rig::bare(codec);
    bare.play(&items);
    let bare = readings(&bare);
    assert_eq!(bare.len(), 1);
    for _ in 0..20 {
        let rig = Rig::hosted(codec);
        rig.play(&items);
        assert_eq!(readings(&rig), bare);
    }
}

fn numbered(number: i32) -> gst::Event {
    let structure = gst::Structure::builder("numbered").field("n", number);
    gst::event::CustomUpstream::new(structure.build())
}

fn numbers(rig: &Rig) -> Vec<i32> {
    let events = rig.upstream.lock().unwrap();
    let number = |event: &gst::Event| event.structure()?.get("n").ok();
    events.iter().filter_map(number).collect()
}

#[test]
fn events_reach_upstream_while_downstream_takes_nothing() {
    let items = video();
    let rig = Rig::hosted("wedge");
    rig.downstream.block(true);
    std::thread::scope(|scope| {
        let _opens = rig.downstream.opens_at_last();
        scope.spawn(|| rig.play_on(&items));
        eventually("it is full", || rig.is_full());
        for number in 0..30 {
            assert!(rig.end.push_event(numbered(number)));
            eventually("it reaches upstream", || {
                numbers(&rig) == Vec::from_iter(0..=number)
            });
        }
    });
}

#[test]
fn an_event_that_waited_for_a_wedged_codec_reaches_upstream_at_its_fault() {
    let items = video();
    let rig = Rig::hosted("wedge at=chain how=sleep number=3");
    let ms = |ms: u64| ms * 1_000_000;
    rig.element.set_property("watchdog-timeout", ms(1000));
    std::thread::scope(|scope| {
        scope.spawn(|| rig.play_on(&items));
        eventually("two come out", || rig.out.lock().unwrap().len() > 4);
        std::thread::sleep(Duration::from_millis(200));
        assert!(rig.end.push_event(numbered(1)));
        eventually("it reaches upstream", || numbers(&rig) == [1]);
    });
}
