// SPDX-License-Identifier: MPL-2.0
use gst::prelude::*;

use crate::util::{
    CAPS, bus, element, encoder, error, frame, harness, is_key, pull, pull_all, push,
};

#[test]
fn every_frame_comes_out_with_its_time_and_the_first_is_a_sync_point() {
    let mut harness = encoder("");
    push(&mut harness, 0, 60);
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    let times: Vec<_> = buffers
        .iter()
        .map(|buffer| buffer.pts().unwrap().mseconds())
        .collect();
    assert_eq!(times, (0..60).map(|number| 40 * number).collect::<Vec<_>>());
    assert!(is_key(&buffers[0]));
    assert!(buffers[1..].iter().all(|buffer| !is_key(buffer)));
}

#[test]
fn a_key_frame_every_so_often_is_a_sync_point_each() {
    let mut harness = encoder("intra-period-length=9");
    push(&mut harness, 0, 40);
    assert!(harness.push_event(gst::event::Eos::new()));
    let keys: Vec<_> = pull_all(&mut harness)
        .iter()
        .enumerate()
        .filter_map(|(at, buffer)| is_key(buffer).then_some(at))
        .collect();
    assert_eq!(keys, [0, 10, 20, 30]);
}

#[test]
fn eos_without_a_frame_is_passed_on() {
    let mut harness = encoder("");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(pull_eos(&mut harness));
}

fn pull_eos(harness: &mut gst_check::Harness) -> bool {
    std::iter::from_fn(|| harness.try_pull_event())
        .any(|event| event.type_() == gst::EventType::Eos)
}

#[test]
fn in_low_delay_a_frame_leaves_before_the_next_one_comes() {
    let mut harness = encoder("low-latency=true");
    let lag = harness_latency_frames(&harness);
    for number in 0..20 {
        push(&mut harness, number, number + 1);
        if number >= lag {
            let buffer = pull(&mut harness);
            assert_eq!(buffer.pts().unwrap().mseconds(), 40 * (number - lag));
        }
    }
}

/// What the element answers to a latency query, in frames of 40 ms.
fn harness_latency_frames(harness: &gst_check::Harness) -> u64 {
    let latency = harness.query_latency().unwrap_or(gst::ClockTime::ZERO);
    latency.mseconds() / 40
}

#[test]
fn a_flushing_seek_drops_what_is_inside_and_goes_on() {
    for properties in ["low-latency=true", ""] {
        let mut harness = encoder(properties);
        push(&mut harness, 0, 30);
        assert!(harness.push_event(gst::event::FlushStart::new()));
        assert!(harness.push_event(gst::event::FlushStop::new(true)));
        pull_all(&mut harness);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
        push(&mut harness, 100, 110);
        assert!(harness.push_event(gst::event::Eos::new()));
        let buffers = pull_all(&mut harness);
        let times: Vec<_> = buffers
            .iter()
            .map(|buffer| buffer.pts().unwrap().mseconds())
            .collect();
        assert_eq!(
            times,
            (100..110).map(|number| 40 * number).collect::<Vec<_>>()
        );
        assert!(is_key(&buffers[0]), "a new session begins with a key frame");
    }
}

#[test]
fn new_caps_in_mid_stream_lose_nothing() {
    let mut harness = encoder("");
    push(&mut harness, 0, 25);
    let larger = CAPS.replace("width=128,height=96", "width=192,height=128");
    harness.set_src_caps_str(&larger);
    for number in 25..40 {
        harness.push(frame(&larger, number)).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    let times: Vec<_> = buffers
        .iter()
        .map(|buffer| buffer.pts().unwrap().mseconds())
        .collect();
    assert_eq!(times, (0..40).map(|number| 40 * number).collect::<Vec<_>>());
    assert!(is_key(&buffers[25]));
    let widths: Vec<i32> = std::iter::from_fn(|| harness.try_pull_event())
        .filter_map(|event| match event.view() {
            gst::EventView::Caps(caps) => caps.caps().structure(0)?.get("width").ok(),
            _ => None,
        })
        .collect();
    assert_eq!(widths, [128, 192]);
}

#[test]
fn a_change_of_hdr_metadata_alone_is_not_swallowed() {
    let light = |level: u32| format!("{CAPS},content-light-level=(string){level}:200");
    let mut harness = harness("");
    harness.set_src_caps_str(&light(1000));
    push(&mut harness, 0, 10);
    harness.set_src_caps_str(&light(600));
    push(&mut harness, 10, 20);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 20);
    let levels: Vec<String> = std::iter::from_fn(|| harness.try_pull_event())
        .filter_map(|event| match event.view() {
            gst::EventView::Caps(caps) => caps.caps().structure(0)?.get("content-light-level").ok(),
            _ => None,
        })
        .collect();
    assert_eq!(levels, ["1000:200", "600:200"]);
}

#[test]
fn a_key_frame_can_be_forced_in_every_mode() {
    for properties in [
        "",
        "low-latency=true",
        "target-bitrate=300",
        "target-bitrate=300 max-bitrate=300",
        "target-bitrate=300 low-latency=true",
        "intra-period-length=-1",
        "intra-refresh-type=CRA",
    ] {
        if properties == "target-bitrate=300 low-latency=true"
            && support::svtav1_version() >= (1, 8)
        {
            // Refused when the caps come, in words.
            continue;
        }
        if properties.starts_with("intra") && support::svtav1_version() >= (1, 8) {
            // Whether the library does it there is not known.
            continue;
        }
        let mut harness = encoder(properties);
        push(&mut harness, 0, 20);
        let event = gst_video::DownstreamForceKeyUnitEvent::builder()
            .running_time(gst::ClockTime::from_mseconds(20 * 40))
            .build();
        assert!(harness.push_event(event));
        push(&mut harness, 20, 40);
        assert!(harness.push_event(gst::event::Eos::new()));
        let buffers = pull_all(&mut harness);
        assert_eq!(buffers.len(), 40, "{properties}");
        let keys: Vec<_> = (0..40).filter(|&at| is_key(&buffers[at])).collect();
        assert_eq!(keys, [0, 20], "{properties}");
    }
}

#[test]
fn a_frame_without_a_time_follows_the_one_before_it() {
    let mut harness = encoder("low-latency=true");
    for number in 0..6 {
        let mut buffer = frame(CAPS, number);
        if number % 2 == 1 {
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::NONE);
        }
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let times: Vec<_> = pull_all(&mut harness)
        .iter()
        .map(|buffer| buffer.pts().unwrap().mseconds())
        .collect();
    assert_eq!(times, [0, 40, 80, 120, 160, 200]);
}

#[test]
fn more_frames_than_max_frames_are_an_error_in_words() {
    let mut harness = encoder("max-frames=3");
    let bus = bus(&harness);
    push(&mut harness, 0, 3);
    assert_eq!(harness.push(frame(CAPS, 3)), Err(gst::FlowError::Error));
    let error = error(&bus).unwrap();
    assert!(error.text.contains("max-frames"), "{}", error.text);
    assert!(error.error.matches(gst::StreamError::Format));
}

#[test]
fn the_bitrate_changes_while_playing_or_the_element_says_why_not() {
    let mut harness = encoder("low-latency=true target-bitrate=200 max-bitrate=200");
    let bus = bus(&harness);
    push(&mut harness, 0, 10);
    let element = element(&harness);
    // One after the other: no mode is meant by what they are in between.
    element.set_property("max-bitrate", 800_u32);
    element.set_property("target-bitrate", 800_u32);
    push(&mut harness, 10, 20);
    let warning = bus.pop_filtered(&[gst::MessageType::Warning]);
    // From 4.2 on it takes rtc=1, too.
    let can = ((1, 8)..(4, 2)).contains(&support::svtav1_version());
    assert_eq!(warning.is_none(), can, "{warning:?}");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 20);
}

#[test]
fn a_bitrate_that_cannot_change_in_mid_stream_holds_from_the_next_session_on() {
    /// Bytes of 40 frames up to the end of the stream.
    fn rest(harness: &mut gst_check::Harness) -> usize {
        push(harness, 0, 40);
        assert!(harness.push_event(gst::event::Eos::new()));
        pull_all(harness).iter().map(|buffer| buffer.size()).sum()
    }
    let before = rest(&mut encoder("target-bitrate=20"));
    let mut harness = encoder("target-bitrate=20");
    let bus = bus(&harness);
    push(&mut harness, 0, 2);
    element(&harness).set_property("target-bitrate", 3000_u32);
    push(&mut harness, 2, 3);
    let warning = bus.pop_filtered(&[gst::MessageType::Warning]).unwrap();
    let gst::MessageView::Warning(warning) = warning.view() else {
        unreachable!("only a warning was asked for");
    };
    assert!(warning.error().to_string().contains("next session"));
    // A flush before the open would leave the session as it is.
    while element(&harness)
        .property::<gst::Structure>("stats")
        .get("phase")
        != Ok("running")
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(harness.push_event(gst::event::FlushStart::new()));
    assert!(harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    pull_all(&mut harness);
    let after = rest(&mut harness);
    assert!(after > before * 3 / 2, "{after} bytes after {before}");
}

#[test]
fn stats_count_frames_while_the_element_plays() {
    let mut harness = encoder("low-latency=true");
    push(&mut harness, 0, 5);
    for _ in 0..4 {
        pull(&mut harness);
    }
    let stats = element(&harness).property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("frames-in"), Ok(5));
    assert!(stats.get::<u64>("frames-out").unwrap() >= 4);
    assert_eq!(stats.get::<&str>("phase"), Ok("running"));
}

#[test]
fn a_flush_begins_the_counts_of_max_frames_and_max_duration_anew() {
    let mut harness = encoder("low-latency=true max-frames=10 max-duration=400000000");
    for round in 0..3 {
        push(&mut harness, 100 * round, 100 * round + 10);
        assert!(harness.push_event(gst::event::FlushStart::new()));
        assert!(harness.push_event(gst::event::FlushStop::new(true)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
    }
    push(&mut harness, 0, 10);
    assert!(harness.push(frame(CAPS, 10)).is_err());
}
