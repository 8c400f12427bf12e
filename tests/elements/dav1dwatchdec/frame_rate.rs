// SPDX-License-Identifier: MPL-2.0
//! A decoder uses the frame rate for its latency alone: what cannot be a rate is
//! as good as none. (A negative one never gets there: the base class does not
//! negotiate it.)

use support::Launch;

use crate::util::{CAPS, THREADED, bus, clip_start, error, harness, pull_all, push};

/// The latency of the element where upstream claims this rate. All pictures come
/// out.
fn latency(properties: &str, rate: (i32, i32)) -> gst::ClockTime {
    let mut harness = harness(properties);
    let bus = bus(&harness);
    let mut caps: gst::Caps = CAPS.parse().unwrap();
    caps.make_mut()
        .set("framerate", gst::Fraction::new(rate.0, rate.1));
    harness.set_src_caps(caps);
    push(&mut harness, &clip_start(8), 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 8, "{rate:?}");
    assert!(error(&bus).is_none(), "{rate:?}");
    harness.query_latency().unwrap_or_default()
}

#[test]
fn a_rate_that_cannot_be_is_decoded_with_the_latency_of_an_unknown_one() {
    let latency = |rate| latency(THREADED, rate);
    let unknown = latency((0, 1));
    assert!(unknown > gst::ClockTime::ZERO);
    for rate in [(90_001, 1), (i32::MAX, 1), (1, i32::MAX), (1001, 1)] {
        assert_eq!(latency(rate), unknown, "{rate:?}");
    }
    assert_eq!(latency((30, 1)), unknown);
    assert!(latency((15, 1)) > unknown);
}

#[test]
fn no_rate_makes_a_latency_that_cannot_be_counted_in_nanoseconds() {
    let many = "n-threads=16 max-frame-delay=16";
    assert_eq!(latency(many, (1, i32::MAX)), latency(many, (0, 1)));
}

/// As `mkvpropedit --set default-duration=11110` makes it of a file.
#[test]
fn a_file_whose_container_claims_90000_frames_per_second_plays_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fast.mkv");
    let written = Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! av1parse \
         ! capssetter caps=video/x-av1,framerate=90001/1 ! matroskamux ! filesink location={}",
        support::media::clip().display(),
        file.display()
    ))
    .run();
    assert_eq!(written.code(), 0, "{}", written.text());
    let played = Launch::pipeline(&format!(
        "-v filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec ! fakesink",
        file.display()
    ))
    .run();
    assert_eq!(played.code(), 0, "{}", played.text());
    // A demuxer makes this of the 11110 nanoseconds that the file says.
    assert!(played.says("(fraction)90009/1"), "{}", played.text());
}
