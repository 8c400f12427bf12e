// SPDX-License-Identifier: MPL-2.0
//! Frames in, pictures out: order, times, delays, events.

use gst::prelude::*;
use gst_video::prelude::*;
use support::pictures::{Downstream, md5, play};

use crate::streams::surgery;
use crate::util::{
    CAPS, FRAME, KEY_EVERY_8, THREADED, buffer, bus, clip, clip_start, decoder, element, encoded,
    error, harness, has_ended, numbers, pull_all, push, wait_until,
};

/// What dav1d's own tool makes of the bundled clip; see tests/media/README.md.
const CLIP_MD5: &str = "3e859ad64376b4acfd0c9305c2c594c1";

/// Frames that the base class keeps.
fn pending(harness: &gst_check::Harness) -> usize {
    let decoder = element(harness).downcast::<gst_video::VideoDecoder>();
    decoder.unwrap().frames().len()
}

fn events(harness: &mut gst_check::Harness) -> Vec<gst::Event> {
    std::iter::from_fn(|| harness.try_pull_event()).collect()
}

#[test]
fn the_clip_decodes_to_what_dav1ds_own_tool_makes_of_it() {
    for threads in [1, 2, 5] {
        let played = play(
            &format!(
                "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec n-threads={threads}",
                support::media::clip().display()
            ),
            Downstream::TakesVideoMeta,
        );
        assert!(played.complete);
        assert_eq!(md5(&played.samples, 3), CLIP_MD5, "{threads} threads");
        let expected: Vec<u64> = (0..132).map(|number| 40 * number).collect();
        assert_eq!(played.times(), expected, "{threads} threads");
    }
}

#[test]
fn a_demuxer_may_feed_it_without_a_parser() {
    let played = play(
        &format!(
            "filesrc location={} ! matroskademux ! dav1dwatchdec",
            support::media::clip().display()
        ),
        Downstream::TakesPlain,
    );
    assert_eq!(md5(&played.samples, 3), CLIP_MD5);
}

#[test]
fn other_framings_decode_to_the_same_pictures() {
    for framing in [
        "stream-format=obu-stream,alignment=frame",
        "stream-format=annexb,alignment=tu",
    ] {
        let played = play(
            &format!(
                "filesrc location={} ! matroskademux ! av1parse ! video/x-av1,{framing} \
                 ! dav1dwatchdec",
                support::media::clip().display()
            ),
            Downstream::TakesVideoMeta,
        );
        assert!(played.complete, "{framing}: {:?}", played.complaints);
        assert_eq!(md5(&played.samples, 3), CLIP_MD5, "{framing}");
    }
}

#[test]
fn headers_that_only_the_container_has_are_used() {
    let Some(units) = encoded(6, (160, 96), &[]) else {
        return;
    };
    let (header, without) = surgery::strip_headers(&units);
    let record = [&[0x81, 0x00, 0x0c, 0x00][..], &header].concat();
    let mut harness = harness("");
    let mut caps: gst::Caps = CAPS.parse().unwrap();
    caps.make_mut()
        .set("codec_data", gst::Buffer::from_slice(record));
    harness.set_src_caps(caps);
    push(&mut harness, &without, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(numbers(&pull_all(&mut harness)), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn inputs_without_a_picture_do_not_pile_up() {
    let Some(units) = encoded(40, (160, 96), &["--lag-in-frames=25", "--auto-alt-ref=1"]) else {
        return;
    };
    let mut harness = harness("n-threads=1");
    harness.set_src_caps_str("video/x-av1,stream-format=obu-stream,alignment=frame");
    let mut inputs = 0;
    for (unit, number) in units.iter().zip(0..) {
        // A frame at a time: those that are not shown are inputs of their own.
        let mut piece = Vec::new();
        for obu in surgery::split(unit) {
            piece.extend(obu.bytes);
            if obu.kind.is_frame() {
                harness.push(buffer(&piece, number)).unwrap();
                inputs += 1;
                piece.clear();
            }
        }
    }
    assert!(inputs > units.len(), "no frame is hidden in this stream");
    wait_until("nothing is pending", || pending(&harness) == 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 40);
}

#[test]
fn the_latency_is_the_measured_lag() {
    for (properties, held_back) in [
        ("n-threads=1 max-frame-delay=0", 0),
        ("n-threads=4 max-frame-delay=0", 2),
        ("n-threads=4 max-frame-delay=1", 0),
        ("n-threads=4 max-frame-delay=3", 3),
    ] {
        let mut harness = decoder(properties);
        let units = clip_start(12);
        for (unit, number) in units.iter().zip(0_u64..) {
            push(&mut harness, std::slice::from_ref(unit), number);
            let expected = (number + 1).saturating_sub(held_back);
            wait_until(properties, || harness.buffers_received() as u64 >= expected);
        }
        // Nothing more comes by itself.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(
            u64::from(harness.buffers_received()),
            12 - held_back,
            "{properties}"
        );
        let latency = harness.query_latency().unwrap_or_default();
        assert_eq!(latency, FRAME * held_back, "{properties}");
    }
}

#[test]
fn of_a_live_stream_nothing_is_held_back_unless_asked_for() {
    for (live, properties, held_back) in [
        (true, "n-threads=4", 0),
        (true, THREADED, 2),
        (false, "n-threads=4", 2),
    ] {
        let mut harness = harness(properties);
        let sink = element(&harness).static_pad("sink").unwrap();
        let source = sink.peer().unwrap();
        source.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
            if let Some(gst::PadProbeData::Query(query)) = &mut info.data
                && let gst::QueryViewMut::Latency(query) = query.view_mut()
            {
                query.set(live, gst::ClockTime::ZERO, gst::ClockTime::NONE);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
        harness.set_src_caps_str(CAPS);
        push(&mut harness, &clip_start(8), 0);
        wait_until(properties, || {
            u64::from(harness.buffers_received()) >= 8 - held_back
        });
        std::thread::sleep(std::time::Duration::from_millis(100));
        let out = u64::from(harness.buffers_received());
        assert_eq!(out, 8 - held_back, "live: {live}, {properties}");
    }
}

#[test]
fn nothing_overtakes_the_frames_that_are_inside() {
    support::init();
    let gap = gst::event::Gap::builder(FRAME * 10).duration(FRAME).build();
    let mut structure = gst::Structure::new_empty("GstEventStillFrame");
    structure.set("still-state", true);
    for (event, waits_for_threads) in [
        (gap, false),
        (gst::event::CustomDownstream::new(structure), true),
        (gst::event::SegmentDone::new(FRAME * 10), true),
        (gst::event::StreamStart::new("another"), true),
    ] {
        let kind = event.type_();
        for properties in ["n-threads=1", THREADED] {
            let mut harness = decoder(properties);
            push(&mut harness, &clip_start(10), 0);
            wait_until("the session is open", || harness.buffers_received() > 0);
            assert!(harness.push_event(event.copy()), "{kind:?}");
            if waits_for_threads || properties != THREADED {
                let seen = numbers(&pull_all(&mut harness));
                assert_eq!(seen, (0..10).collect::<Vec<_>>(), "{kind:?}, {properties}");
            }
        }
    }
}

#[test]
fn eos_and_segment_done_before_any_picture_are_errors() {
    support::init();
    for end in [
        gst::event::Eos::new(),
        gst::event::SegmentDone::new(FRAME * 10),
    ] {
        let kind = end.type_();
        let mut harness = decoder("n-threads=1");
        let bus = bus(&harness);
        let without_key_frame = &clip_start(10)[1..];
        push(&mut harness, without_key_frame, 1);
        let _ = harness.push_event(end);
        let error = error(&bus).expect("no error");
        let text = error.message();
        assert!(text.contains("No picture"), "{kind:?}: {text}");
        let passes = |event: &gst::Event| event.type_() == kind;
        assert!(!events(&mut harness).iter().any(passes), "{kind:?}");
    }
}

#[test]
fn a_gap_costs_no_picture() {
    for properties in ["n-threads=1", THREADED] {
        let mut harness = decoder(properties);
        let units = clip_start(20);
        push(&mut harness, &units[..10], 0);
        wait_until("the session is open", || harness.buffers_received() > 0);
        let gap = gst::event::Gap::builder(FRAME * 10).duration(FRAME).build();
        assert!(harness.push_event(gap));
        push(&mut harness, &units[10..], 10);
        assert!(harness.push_event(gst::event::Eos::new()));
        let seen = numbers(&pull_all(&mut harness));
        assert_eq!(seen, (0..20).collect::<Vec<_>>(), "{properties}");
    }
}

#[test]
fn eos_without_an_input_is_passed_on() {
    let mut harness = decoder("");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(has_ended(&mut harness));
}

#[test]
fn a_stream_without_a_picture_is_an_error_and_not_an_end() {
    let mut harness = decoder("");
    let bus = bus(&harness);
    // Frames that refer to what is not there.
    push(&mut harness, &clip()[1..4], 0);
    harness.push_event(gst::event::Eos::new());
    assert!(!has_ended(&mut harness));
    let error = error(&bus).expect("an error");
    assert!(error.matches(gst::StreamError::Decode), "{error}");
}

#[test]
fn a_change_of_caps_alone_keeps_the_references() {
    let mut harness = decoder(THREADED);
    let units = clip_start(20);
    push(&mut harness, &units[..10], 0);
    harness.set_src_caps_str(&CAPS.replace("4/3", "1/1"));
    push(&mut harness, &units[10..], 10);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(
        numbers(&pull_all(&mut harness)),
        (0..20).collect::<Vec<_>>()
    );
    let ratios: Vec<gst::Fraction> = events(&mut harness)
        .iter()
        .filter_map(|event| match event.view() {
            gst::EventView::Caps(caps) => caps.caps().structure(0)?.get("pixel-aspect-ratio").ok(),
            _ => None,
        })
        .collect();
    assert_eq!(ratios, [gst::Fraction::new(4, 3), gst::Fraction::new(1, 1)]);
}

#[test]
fn new_codec_data_begins_a_new_session_and_nothing_is_lost() {
    let (Some(first), Some(second)) = (encoded(6, (160, 96), &[]), encoded(6, (202, 118), &[]))
    else {
        return;
    };
    let caps = |units: &[Vec<u8>]| {
        let (header, _) = surgery::strip_headers(units);
        let record = [&[0x81, 0x00, 0x0c, 0x00][..], &header].concat();
        let mut caps: gst::Caps = CAPS.parse().unwrap();
        caps.make_mut()
            .set("codec_data", gst::Buffer::from_slice(record));
        caps
    };
    let mut harness = harness(THREADED);
    harness.set_src_caps(caps(&first));
    push(&mut harness, &surgery::strip_headers(&first).1, 0);
    harness.set_src_caps(caps(&second));
    push(&mut harness, &surgery::strip_headers(&second).1, 6);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(
        numbers(&pull_all(&mut harness)),
        (0..12).collect::<Vec<_>>()
    );
}

#[test]
fn every_picture_has_its_own_size() {
    let (Some(mut units), Some(larger)) = (encoded(7, (160, 96), &[]), encoded(5, (202, 118), &[]))
    else {
        return;
    };
    units.extend(larger);
    for threads in [1, 5] {
        let mut harness = decoder(&format!("n-threads={threads} max-frame-delay=0"));
        let pad = harness.sinkpad().unwrap();
        let sizes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = sizes.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let caps = pad.current_caps();
            let format = caps.and_then(|caps| gst_video::VideoInfo::from_caps(&caps).ok());
            let (Some(format), Some(buffer)) = (format, info.buffer()) else {
                return gst::PadProbeReturn::Ok;
            };
            let fits = buffer.size() == format.size();
            seen.lock().unwrap().push((format.width(), fits));
            gst::PadProbeReturn::Ok
        });
        push(&mut harness, &units, 0);
        assert!(harness.push_event(gst::event::Eos::new()));
        let expected = [[(160, true); 7].as_slice(), &[(202, true); 5]].concat();
        assert_eq!(*sizes.lock().unwrap(), expected, "{threads} threads");
    }
}

#[test]
fn the_end_of_a_segment_is_told_upstream_and_another_segment_goes_on_without_a_flush() {
    let Some(units) = encoded(32, (160, 96), KEY_EVERY_8) else {
        return;
    };
    let mut harness = decoder("n-threads=1");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_stop(FRAME * 4);
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    let mut told = None;
    for (unit, number) in units.iter().zip(0..16) {
        if let Err(flow) = harness.push(buffer(unit, number)) {
            told = Some(flow);
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(told, Some(gst::FlowError::Eos));
    assert_eq!(numbers(&pull_all(&mut harness)), [0, 1, 2, 3]);

    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    push(&mut harness, &units[16..24], 16);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(
        numbers(&pull_all(&mut harness)),
        (16..24).collect::<Vec<_>>()
    );
    assert!(has_ended(&mut harness));
}

#[test]
fn of_spatial_layers_the_highest_comes_out_once_in_a_unit() {
    let key_frames = |quality| {
        encoded(
            8,
            (160, 96),
            &[
                "--kf-max-dist=0",
                "--kf-min-dist=0",
                "--end-usage=q",
                quality,
            ],
        )
    };
    let (Some(lower), Some(upper)) = (key_frames("--cq-level=55"), key_frames("--cq-level=20"))
    else {
        return;
    };
    let units = surgery::layers(&lower, &upper);
    for (properties, like) in [("", &upper), ("operating-point=1", &lower)] {
        let sum = |units: &[Vec<u8>], properties: &str| {
            let mut harness = decoder(properties);
            push(&mut harness, units, 0);
            assert!(harness.push_event(gst::event::Eos::new()));
            let buffers = pull_all(&mut harness);
            assert_eq!(numbers(&buffers), (0..8).collect::<Vec<_>>());
            let caps = harness.sinkpad().unwrap().current_caps().unwrap();
            let samples: Vec<_> = buffers
                .iter()
                .map(|buffer| gst::Sample::builder().buffer(buffer).caps(&caps).build())
                .collect();
            md5(&samples, 3)
        };
        assert_eq!(sum(&units, properties), sum(like, ""), "{properties}");
    }
}

#[test]
fn late_frames_are_dropped_with_a_message_and_later_ones_are_right() {
    let mut harness = decoder("n-threads=1");
    let bus = bus(&harness);
    push(&mut harness, &clip_start(4), 0);
    wait_until("four pictures", || harness.buffers_received() == 4);
    // Downstream is at 10 frames and has no use for what is before.
    assert!(harness.push_upstream_event(gst::event::Qos::new(
        gst::QOSType::Underflow,
        1.5,
        0,
        FRAME * 10,
    )));
    push(&mut harness, &clip()[4..20], 4);
    assert!(harness.push_event(gst::event::Eos::new()));
    let seen = numbers(&pull_all(&mut harness));
    assert_eq!(
        seen,
        [0, 1, 2, 3].into_iter().chain(10..20).collect::<Vec<_>>()
    );
    let dropped = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Qos])).count();
    assert_eq!(dropped, 6);
}
