// SPDX-License-Identifier: MPL-2.0
//! Which lengths of stream the elements refuse, and that where a stream lies is
//! no length.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gst::prelude::*;
use support::pictures::{Downstream, Played, pipeline, play_pipeline};

const SECOND: u64 = 1_000_000_000;
/// A moment in 2025, in nanoseconds.
const EPOCH: u64 = 1_764_000_000 * SECOND;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;

/// A pipeline of each element, 25 frames per second, the first at `start`; what
/// comes before the element is called `upstream`.
fn pipelines(frames: u64, start: u64, properties: &str) -> [gst::Pipeline; 4] {
    let source = format!(
        "videotestsrc num-buffers={frames} timestamp-offset={start} \
         ! video/x-raw,width=128,height=96,framerate=25/1"
    );
    let encoder = "svtav1watchenc preset=12";
    [
        format!("{source} ! identity name=upstream ! {encoder} {properties}"),
        format!("{source} ! identity name=upstream ! memorywatchenc {properties}"),
        format!("{source} ! {encoder} ! identity name=upstream ! dav1dwatchdec {properties}"),
        format!("{source} ! identity name=upstream ! codecwatch codec=videoconvert {properties}"),
    ]
    .map(|description| pipeline(&description))
}

fn play(pipeline: &gst::Pipeline) -> Played {
    play_pipeline(pipeline, Downstream::TakesVideoMeta)
}

/// What comes before the element announces this as its duration.
fn announce(pipeline: &gst::Pipeline, nanoseconds: u64) {
    let upstream = pipeline.by_name("upstream").unwrap();
    let pad = upstream.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
        let Some(query) = info.query_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        match query.view_mut() {
            gst::QueryViewMut::Duration(duration) => {
                // As C code does, for which it is a signed number.
                duration.set(gst::ClockTime::from_nseconds(nanoseconds));
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

fn assert_complete(played: &Played, frames: u64) {
    assert!(played.complete, "{:?}", played.complaints);
    assert_eq!(played.samples.len() as u64, frames);
}

/// The text of the error that the guard's refusal is.
fn refusal(played: &Played) -> String {
    assert!(!played.complete);
    let message = played.complaints.last().unwrap();
    let gst::MessageView::Error(error) = message.view() else {
        panic!("{message:?}");
    };
    assert!(error.error().matches(gst::StreamError::Format), "{error:?}");
    let details = error.details().unwrap();
    assert_eq!(details.get::<&str>("outcome"), Ok("Refused"));
    error.error().to_string()
}

#[test]
fn a_stream_on_the_epochs_clock_passes() {
    for pipeline in pipelines(60, EPOCH, "") {
        assert_complete(&play(&pipeline), 60);
    }
}

#[test]
fn a_duration_that_is_announced_from_the_epoch_on_is_no_56_years() {
    for limit in ["", "max-duration=3600000000000"] {
        for pipeline in pipelines(5, EPOCH, limit) {
            announce(&pipeline, EPOCH + SECOND / 5);
            assert_complete(&play(&pipeline), 5);
        }
    }
}

#[test]
fn max_duration_counts_from_the_first_frame() {
    for start in [0, EPOCH] {
        // The last of 26 frames is at one second.
        for pipeline in pipelines(26, start, "max-duration=1000000000") {
            announce(&pipeline, start + SECOND);
            assert_complete(&play(&pipeline), 26);
        }
        for pipeline in pipelines(27, start, "max-duration=1000000000") {
            announce(&pipeline, start + SECOND);
            let text = refusal(&play(&pipeline));
            assert!(text.contains("1.04s"), "{text}");
        }
    }
}

#[test]
fn max_frames_is_how_many_frames_pass() {
    for pipeline in pipelines(5, 0, "max-frames=5") {
        assert_complete(&play(&pipeline), 5);
    }
    for pipeline in pipelines(6, 0, "max-frames=5") {
        let text = refusal(&play(&pipeline));
        assert!(text.contains("max-frames"), "{text}");
    }
}

#[test]
fn an_announced_length_above_max_duration_is_refused_with_the_first_frame() {
    for start in [0, EPOCH] {
        for pipeline in pipelines(5, start, "max-duration=3600000000000") {
            announce(&pipeline, start + 3601 * SECOND);
            let played = play(&pipeline);
            assert!(refusal(&played).contains("3601s"));
            assert!(played.samples.is_empty());
        }
    }
}

#[test]
fn what_is_announced_and_no_duration_is_refused_without_a_limit() {
    for nanoseconds in [101 * YEAR, u64::MAX - 1] {
        for pipeline in pipelines(5, 0, "") {
            announce(&pipeline, nanoseconds);
            assert!(refusal(&play(&pipeline)).contains("announces"));
        }
    }
}
