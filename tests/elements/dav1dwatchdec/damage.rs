// SPDX-License-Identifier: MPL-2.0
//! Streams that are damaged, absurd, or no streams at all.

use codecwatch_av1::{Obu, ObuKind};
use gst::prelude::*;
use gst_video::prelude::*;

use crate::streams::{Random, mutate, surgery};
use crate::util::{
    CAPS, KEY_EVERY_8, buffer, bus, clip, decoder, element, encoded, error, harness, has_ended,
    numbers, pull_all, push, wait_until,
};

/// 24 frames, a key frame every eight.
fn keyed() -> Option<Vec<Vec<u8>>> {
    encoded(24, (160, 96), KEY_EVERY_8)
}

/// Cuts a unit off in its middle, which dav1d notices.
fn cut(unit: &mut Vec<u8>) {
    unit.truncate(unit.len() / 2);
}

/// Leaves of a frame what says that it is a key frame, and no more.
fn behead(unit: &mut Vec<u8>) {
    let shortened = |obu: &Obu<'_>| match obu.kind {
        ObuKind::Frame => surgery::obu(6, None, &obu.payload[..2]),
        _ => obu.bytes.to_vec(),
    };
    *unit = surgery::split(unit).iter().flat_map(shortened).collect();
}

/// Pushes what it takes and EOS; what the last push was answered with.
fn push_until_refused(
    harness: &mut gst_check::Harness,
    units: &[Vec<u8>],
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let mut flow = Ok(gst::FlowSuccess::Ok);
    for (unit, number) in units.iter().zip(0..) {
        flow = harness.push(buffer(unit, number));
        if flow.is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    harness.push_event(gst::event::Eos::new());
    flow
}

fn stat(harness: &gst_check::Harness, name: &str) -> u64 {
    let stats = element(harness).property::<gst::Structure>("stats");
    stats.get(name).unwrap()
}

#[test]
fn after_a_damaged_frame_decoding_goes_on_at_the_next_key_frame() {
    let Some(mut units) = keyed() else { return };
    cut(&mut units[11]);
    for threads in [1, 2, 5] {
        let mut harness = decoder(&format!("n-threads={threads} max-frame-delay=0"));
        let bus = bus(&harness);
        push(&mut harness, &units, 0);
        assert!(harness.push_event(gst::event::Eos::new()));
        let buffers = pull_all(&mut harness);
        let expected: Vec<u64> = (0..11).chain(16..24).collect();
        assert_eq!(numbers(&buffers), expected, "{threads} threads");
        assert!(buffers[11].flags().contains(gst::BufferFlags::DISCONT));
        let warnings =
            std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Warning])).count();
        assert_eq!(warnings, 1, "{threads} threads");
        assert!(error(&bus).is_none());
        assert_eq!(stat(&harness, "damaged"), 1);
        assert_eq!(stat(&harness, "unreferenced"), 4);
        let asked = std::iter::from_fn(|| harness.try_pull_upstream_event())
            .filter(|event| gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok())
            .count();
        assert!(asked > 0, "upstream was not asked for a key frame");
        assert!(has_ended(&mut harness));
    }
}

#[test]
fn a_stream_that_begins_in_the_middle_shows_from_its_first_key_frame_on_without_an_error() {
    let Some(units) = keyed() else { return };
    let mut harness = decoder("");
    let bus = bus(&harness);
    push(&mut harness, &units[3..], 3);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(
        numbers(&pull_all(&mut harness)),
        (8..24).collect::<Vec<_>>()
    );
    assert!(bus.pop_filtered(&[gst::MessageType::Warning]).is_none());
}

#[test]
fn more_errors_in_a_row_than_max_errors_end_the_stream_with_an_error() {
    let Some(mut units) = encoded(12, (160, 96), &["--kf-max-dist=0", "--kf-min-dist=0"]) else {
        return;
    };
    units[4..].iter_mut().for_each(behead);
    for threads in [1, 4] {
        let mut harness = decoder(&format!(
            "n-threads={threads} max-frame-delay=0 max-errors=3"
        ));
        let bus = bus(&harness);
        for (unit, number) in units.iter().zip(0..) {
            // On a slow machine all of them are in before the first is refused.
            let _ = harness.push(buffer(unit, number));
        }
        let message = bus
            .timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Error])
            .expect("an error");
        // Error, or Flushing in the moment in which the error is being posted.
        assert!(harness.push(buffer(&units[0], 20)).is_err());
        harness.push_event(gst::event::Eos::new());
        assert!(!has_ended(&mut harness), "EOS after an error");
        let gst::MessageView::Error(message) = message.view() else {
            unreachable!()
        };
        assert!(message.error().matches(gst::StreamError::Decode));
        let details = message.details().unwrap();
        assert_eq!(details.name(), "codecwatch-fault");
        assert_eq!(details.get::<&str>("outcome"), Ok("CodecFailed"));
        assert!(error(&bus).is_none(), "a second error");
        assert_eq!(numbers(&pull_all(&mut harness)), [0, 1, 2, 3]);
        assert_eq!(stat(&harness, "damaged"), 4);
    }
}

#[test]
fn a_picture_in_between_starts_the_count_of_errors_anew() {
    let Some(mut units) = encoded(24, (160, 96), &["--kf-max-dist=0", "--kf-min-dist=0"]) else {
        return;
    };
    units.iter_mut().skip(1).step_by(2).for_each(behead);
    let mut harness = decoder("n-threads=1 max-errors=1");
    let bus = bus(&harness);
    push(&mut harness, &units, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 12);
    assert!(error(&bus).is_none());
}

#[test]
fn max_errors_of_minus_one_tolerates_any_number_but_no_stream_without_a_picture() {
    let Some(mut units) = encoded(24, (160, 96), &["--kf-max-dist=0", "--kf-min-dist=0"]) else {
        return;
    };
    units.iter_mut().for_each(behead);
    let mut harness = decoder("max-errors=-1");
    let bus = bus(&harness);
    push(&mut harness, &units, 0);
    assert!(bus.pop_filtered(&[gst::MessageType::Error]).is_none());
    harness.push_event(gst::event::Eos::new());
    assert!(!has_ended(&mut harness));
    assert!(error(&bus).unwrap().matches(gst::StreamError::Decode));
}

#[test]
fn pictures_above_the_size_limit_are_errors_of_the_stream() {
    let Some(units) = keyed() else { return };
    let mut harness = decoder(&format!("frame-size-limit={}", 160 * 96 - 1));
    let bus = bus(&harness);
    push_until_refused(&mut harness, &units[..8]).ok();
    assert_eq!(pull_all(&mut harness).len(), 0);
    assert!(error(&bus).is_some());
    let mut harness = decoder(&format!("frame-size-limit={}", 160 * 96));
    push(&mut harness, &units[..8], 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 8);
}

#[test]
fn noise_ends_in_an_error() {
    let mut random = Random(1);
    let noise: Vec<Vec<u8>> = (0..60)
        .map(|_| (0..200).map(|_| random.next() as u8).collect())
        .collect();
    let mut harness = decoder("");
    let bus = bus(&harness);
    push_until_refused(&mut harness, &noise).ok();
    assert!(error(&bus).is_some());
    assert!(!has_ended(&mut harness));
}

#[test]
fn an_empty_buffer_is_passed_over() {
    let mut harness = decoder("");
    let units = clip();
    push(&mut harness, &units[..2], 0);
    harness.push(buffer(&[], 2)).unwrap();
    push(&mut harness, &units[2..4], 2);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(numbers(&pull_all(&mut harness)), [0, 1, 2, 3]);
}

#[test]
fn malformed_annex_b_counts_as_damage() {
    let mut harness = harness("");
    harness.set_src_caps_str("video/x-av1,stream-format=annexb,alignment=tu");
    let bus = bus(&harness);
    harness.push(buffer(&[3, 9, 1, 0x10], 0)).unwrap();
    let bound = gst::ClockTime::from_seconds(10);
    let warning = bus.timed_pop_filtered(bound, &[gst::MessageType::Warning]);
    assert!(warning.is_some());
    assert_eq!(stat(&harness, "damaged"), 1);
}

#[test]
fn codec_data_that_is_none_is_done_without() {
    let mut harness = harness("");
    let mut caps: gst::Caps = CAPS.parse().unwrap();
    caps.make_mut()
        .set("codec_data", gst::Buffer::from_slice([1, 2, 3]));
    harness.set_src_caps(caps);
    push(&mut harness, &clip()[..4], 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 4);
}

#[test]
fn eos_follows_a_refusal_where_it_is_asked_for() {
    let mut harness = decoder("max-frames=3 eos-after-failure=true");
    let bus = bus(&harness);
    assert!(push_until_refused(&mut harness, &clip()[..8]).is_err());
    assert!(error(&bus).is_some());
    wait_until("EOS", || has_ended(&mut harness));
}

/// A smaller edition of what `examples/damage.rs` of `codecwatch-dav1d` does.
#[test]
fn streams_that_are_damaged_at_random_neither_hang_nor_leave_frames_behind() {
    let (Some(stream), Some(other)) = (keyed(), encoded(12, (202, 118), &[])) else {
        return;
    };
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut units = stream.clone();
        mutate::damage(&mut units, &other, &mut random);
        let threads = 1 + seed % 5;
        let mut harness = decoder(&format!(
            "n-threads={threads} max-frame-delay=0 max-errors=-1"
        ));
        for (unit, number) in units.iter().zip(0..) {
            harness.push(buffer(unit, number)).unwrap();
        }
        harness.push_event(gst::event::Eos::new());
        let decoder = element(&harness).downcast::<gst_video::VideoDecoder>();
        let pending = decoder.unwrap().frames().len();
        assert_eq!(pending, 0, "seed {seed}");
        assert!(pull_all(&mut harness).len() <= units.len());
    }
}
