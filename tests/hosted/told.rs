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

#[test]
fn messages_about_the_stream_and_for_the_application_come_from_the_outer_element() {
    use gst::MessageType as T;
    let items = video();
    let (portable, others) = (
        [T::Tag, T::Application],
        [
            T::Toc,
            T::Progress,
            T::Buffering,
            T::StreamCollection,
            T::Redirect,
        ],
    );
    let rig = Rig::hosted("wedge at=chain number=3 how=others");
    rig.play(&items);
    let mut came = Vec::new();
    let wanted = [&portable[..], &others].concat();
    while let Some(message) = rig.bus.pop_filtered(&wanted) {
        assert_eq!(message.src(), Some(rig.element.upcast_ref()), "{message:?}");
        match message.view() {
            gst::MessageView::Tag(tag) => {
                let title = tag.tags().get::<gst::tags::Title>();
                assert_eq!(title.unwrap().get(), "a title");
            }
            gst::MessageView::Application(said) => {
                assert_eq!(said.structure().unwrap().get("n"), Ok(1));
            }
            gst::MessageView::Buffering(buffering) => assert_eq!(buffering.percent(), 50),
            gst::MessageView::StreamCollection(streams) => {
                let upstream = streams.stream_collection().upstream_id();
                assert_eq!(upstream.as_deref(), Some("upstream"));
            }
            _ => {}
        }
        came.push(message.type_());
    }
    assert_eq!(came, wanted);
}

/// What the source pad says: whether it is live, and how late it is.
fn latency(rig: &Rig) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
    let mut query = gst::query::Latency::new();
    assert!(rig.element.static_pad("src").unwrap().query(&mut query));
    query.result()
}

/// Encoders of sound limit what they hold back.
#[test]
fn the_latency_is_that_of_the_bare_codec() {
    let items = sound();
    for codec in [
        "opusenc",
        "queue max-size-time=200000000 ! opusenc",
        "identity",
    ] {
        let (bare, hosted) = (Rig::bare(codec), Rig::hosted(codec));
        for rig in [&bare, &hosted] {
            rig.play(&items[..items.len() - 2]);
            rig.settle();
        }
        let expected = latency(&bare);
        assert!(expected.2.is_some(), "{codec}: {expected:?}");
        eventually(&format!("{codec}: {expected:?}"), || {
            latency(&hosted) == expected
        });
    }
}

#[test]
fn a_latency_that_changes_is_measured_again_and_posted() {
    let items = video();
    let ms = gst::ClockTime::from_mseconds;
    for rig in [
        Rig::hosted("wedge at=chain number=10 how=latency"),
        Rig::bare("wedge at=chain number=10 how=latency"),
    ] {
        rig.play_on(&items[..items.len() - 1]);
        eventually("it is measured", || {
            latency(&rig) == (true, ms(7 + 33), Some(ms(900 + 33)))
        });
        let posted = rig.bus.pop_filtered(&[gst::MessageType::Latency]);
        assert!(posted.is_some(), "{}", rig.name());
    }
}

#[test]
fn an_event_out_of_band_goes_through_the_chain_and_before_what_waits() {
    let items = video();
    let structure = gst::Structure::new_empty("out-of-band");
    let event = gst::event::CustomDownstreamOob::new(structure);
    let came = |rig: &Rig| {
        let records = rig.out.lock().unwrap().clone();
        let is_it = |record: &&crate::record::Record| format!("{record:?}").contains("out-of-band");
        records.iter().filter(is_it).count()
    };
    let rig = Rig::hosted("wedge at=event kind=custom-downstream-oob how=element-message");
    rig.downstream.block(true);
    std::thread::scope(|scope| {
        let _opens = rig.downstream.opens_at_last();
        scope.spawn(|| rig.play_on(&items));
        eventually("it is full", || rig.is_full());
        assert!(rig.feed.push_event(event));
        eventually("it comes", || came(&rig) == 1);
        eventually("the element has seen it", || {
            rig.bus.pop_filtered(&[gst::MessageType::Element]).is_some()
        });
    });
    assert_eq!(came(&rig), 1);
}

#[test]
fn upstream_gets_the_caps_of_the_chain_while_downstream_takes_nothing() {
    let items = video();
    let rig = Rig::hosted("wedge");
    *rig.downstream.caps.lock().unwrap() =
        Some("video/x-raw,format=I420,width=64".parse().unwrap());
    rig.downstream.block(true);
    std::thread::scope(|scope| {
        let _opens = rig.downstream.opens_at_last();
        scope.spawn(|| rig.play_on(&items));
        eventually("it is full", || rig.is_full());
        let caps = rig.feed.peer_query_caps(None);
        assert_eq!(
            caps.to_string(),
            "video/x-raw, format=(string)I420, width=(int)64"
        );
    });
}

#[test]
fn a_drain_without_a_session_goes_on_to_downstream() {
    support::init();
    let rig = Rig::around(
        gst::ElementFactory::make("codecwatch")
            .property("codec", "identity")
            .build()
            .unwrap(),
        "hosted identity".to_owned(),
    );
    rig.play(&sound());
    // EOS has ended the session; a pad answers this one by default.
    let _ = rig.element.property::<gst::Structure>("stats");
    assert!(rig.feed.peer_query(&mut gst::query::Drain::new()));
}
