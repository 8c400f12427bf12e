// SPDX-License-Identifier: MPL-2.0
//! Time that steps back: no frame is lost, and none gets another time.
use std::sync::atomic::Ordering;

use gst::prelude::*;
use support::Launch;

use crate::util::{CAPS, comes_true, count_buffers, encoder, frame, pull_all};

/// Encodes frames with these times, in milliseconds.
fn encode(properties: &str, times: &[u64]) -> Vec<gst::Buffer> {
    let mut harness = encoder(properties);
    for (number, time) in (0..).zip(times) {
        let mut buffer = frame(CAPS, number);
        let times = buffer.get_mut().unwrap();
        times.set_pts(gst::ClockTime::from_mseconds(*time));
        // What upstream says of its own gaps is not about the coded stream.
        times.set_flags(gst::BufferFlags::DISCONT | gst::BufferFlags::RESYNC);
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    pull_all(&mut harness)
}

/// Time stamps in milliseconds, and which packets are marked RESYNC. No data is
/// missing, so that none but the first is marked DISCONT.
fn times(packets: &[gst::Buffer]) -> (Vec<u64>, Vec<usize>) {
    let times = packets.iter().map(|packet| {
        assert_eq!(packet.dts(), packet.pts());
        packet.pts().unwrap().mseconds()
    });
    let marked = |flag, at: usize| packets[at].flags().contains(flag);
    let discont = |&at: &usize| marked(gst::BufferFlags::DISCONT, at);
    assert!((1..packets.len()).find(discont).is_none());
    let resync = |&at: &usize| marked(gst::BufferFlags::RESYNC, at);
    (times.collect(), (0..packets.len()).filter(resync).collect())
}

#[test]
fn frames_whose_times_jump_back_by_a_minute_are_all_encoded() {
    for properties in ["low-latency=true", ""] {
        let first = (0..30).map(|number| 90_000 + 40 * number);
        let then = (0..30).map(|number| 30_000 + 40 * number);
        let given: Vec<_> = first.chain(then).collect();
        let packets = encode(properties, &given);
        assert_eq!(times(&packets), (given, vec![30]), "{properties}");
    }
}

#[test]
fn a_step_back_by_less_than_a_frame_changes_no_time_either() {
    let given = [0, 40, 80, 79, 120, 110, 160];
    let packets = encode("low-latency=true", &given);
    assert_eq!(times(&packets), (given.to_vec(), vec![3, 5]));
}

const RAW: &str = "video/x-raw,format=I420,width=128,height=96,framerate=25/1";

/// Packets that reached the sink called `out`.
fn packets(run: &support::Finished) -> usize {
    let packet = |line: &&support::Line| {
        line.text.starts_with('/') && line.text.contains("chain   ******* (out:sink)")
    };
    run.lines.iter().filter(packet).count()
}

/// Two sources of thirty frames, the second a minute before the first, one after
/// the other; what follows `through` gets them.
fn one_after_the_other(through: &str) -> Launch {
    let second = 1_000_000_000_u64;
    Launch::pipeline(&format!(
        "-v concat name=both adjust-base=false ! {through} \
         videotestsrc num-buffers=30 timestamp-offset={} ! {RAW} ! both. \
         videotestsrc num-buffers=30 timestamp-offset={} ! {RAW} ! both.",
        90 * second,
        30 * second
    ))
    .env("G_DEBUG", "fatal-criticals")
}

#[test]
fn an_earlier_segment_of_concat_is_encoded_to_its_end() {
    let run =
        one_after_the_other("svtav1watchenc preset=12 ! fakesink name=out silent=false sync=false")
            .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert_eq!(packets(&run), 60, "{}", run.text());
}

#[test]
fn muxers_take_time_that_steps_back_and_end_well() {
    let folder = tempfile::tempdir().unwrap();
    for (muxer, demuxer) in [
        ("mp4mux", "qtdemux"),
        ("mp4mux fragment-duration=500", "qtdemux"),
        ("matroskamux", "matroskademux"),
    ] {
        let path = folder.path().join("file");
        let run = one_after_the_other(&format!(
            "svtav1watchenc preset=12 ! {muxer} ! filesink location={}",
            path.display()
        ))
        .run();
        assert_eq!(run.code(), 0, "{muxer}: {}", run.text());
        let run = Launch::pipeline(&format!(
            "-v filesrc location={} ! {demuxer} ! fakesink name=out silent=false sync=false",
            path.display()
        ))
        .run();
        assert_eq!(run.code(), 0, "{muxer}: {}", run.text());
        assert_eq!(packets(&run), 60, "{muxer}: {}", run.text());
    }
}

/// In a process of its own, for `G_DEBUG`.
#[test]
fn switches_of_an_input_selector_lose_no_frame() {
    if support::is_child() {
        return switch_inputs();
    }
    let run = Launch::this_test("backwards::switches_of_an_input_selector_lose_no_frame")
        .env("G_DEBUG", "fatal-criticals")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

fn switch_inputs() {
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "input-selector name=inputs sync-streams=false ! svtav1watchenc name=codec preset=12 \
         ! fakesink name=out sync=false async=false \
         appsrc name=late format=time caps={RAW} ! inputs.sink_0 \
         appsrc name=early format=time caps={RAW} ! inputs.sink_1"
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let inputs = pipeline.by_name("inputs").unwrap();
    let count = |name, pad| {
        let element = pipeline.by_name(name).unwrap();
        count_buffers(&element.static_pad(pad).unwrap())
    };
    let (seen, out) = (count("codec", "sink"), count("out", "sink"));
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut given = 0;
    for round in 0..12_u64 {
        let (name, pad, start) = if round % 2 == 0 {
            ("late", "sink_0", 90_000)
        } else {
            ("early", "sink_1", 30_000)
        };
        inputs.set_property("active-pad", inputs.static_pad(pad).unwrap());
        let source = pipeline.by_name(name).unwrap();
        for number in round * 5..round * 5 + 5 {
            let mut buffer = frame(RAW, number);
            let time = gst::ClockTime::from_mseconds(start + 40 * number);
            buffer.get_mut().unwrap().set_pts(time);
            let _: gst::FlowReturn = source.emit_by_name("push-buffer", &[&buffer]);
            given += 1;
        }
        assert!(comes_true(|| seen.load(Ordering::Relaxed) == given));
    }
    for name in ["late", "early"] {
        let source = pipeline.by_name(name).unwrap();
        let _: gst::FlowReturn = source.emit_by_name("end-of-stream", &[]);
    }
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(30),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let end = message.map(|message| message.type_());
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end, Some(gst::MessageType::Eos));
    assert_eq!((given, out.load(Ordering::Relaxed)), (60, 60));
}
