// SPDX-License-Identifier: MPL-2.0
//! What the log tells of frames and events (`GST_DEBUG=codecwatch:7`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use support::{Launch, is_child, media};

const FRAMES: usize = 5;

fn log_of(pipeline: &str) -> String {
    let run = Launch::pipeline(pipeline)
        .env("GST_DEBUG", "codecwatch:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    run.text()
}

/// What the log says of each frame, in its order.
fn ways(log: &str) -> Vec<Vec<&str>> {
    let of = |id: usize| {
        let mark = format!(" frame {id}: ");
        let said = log.lines().filter_map(|line| line.split_once(&mark));
        said.filter_map(|(_, what)| what.split([' ', ',']).next())
            .collect()
    };
    (0..FRAMES).map(of).collect()
}

fn assert_whole_way(log: &str) {
    for (id, way) in ways(log).iter().enumerate() {
        for step in ["submitted", "taken", "emitted", "pushed"] {
            let times = way.iter().filter(|said| **said == step).count();
            assert_eq!(times, 1, "frame {id}: {way:?} in\n{log}");
        }
        // The worker may take a frame before the log says that it was handed over.
        let at = |step| way.iter().position(|said| *said == step);
        assert!(at("taken") < at("emitted"), "frame {id}: {way:?}");
        assert!(at("emitted") < at("pushed"), "frame {id}: {way:?}");
    }
}

#[test]
fn the_log_tells_the_way_of_each_frame_and_event_through_the_encoder() {
    let log = log_of(&format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,width=64,height=64 \
         ! svtav1watchenc ! fakesink"
    ));
    assert_whole_way(&log);
    for event in ["StreamStart", "Caps", "Segment", "Eos"] {
        assert!(
            log.contains(&format!("{event}: Forward")),
            "{event} in\n{log}"
        );
    }
}

#[test]
fn the_log_tells_the_way_of_each_frame_and_event_through_the_decoder() {
    let log = log_of(&format!(
        "filesrc location={} ! matroskademux ! av1parse \
         ! identity eos-after={} ! dav1dwatchdec ! fakesink",
        media::clip().display(),
        FRAMES + 1
    ));
    assert_whole_way(&log);
    for event in ["StreamStart", "Caps", "Segment", "Eos"] {
        assert!(
            log.contains(&format!("{event}: Forward")),
            "{event} in\n{log}"
        );
    }
}

#[test]
fn the_log_tells_what_becomes_of_events_at_a_hosted_codec() {
    let log = log_of(&format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,width=64,height=64 \
         ! codecwatch codec=jpegenc ! fakesink"
    ));
    for event in ["StreamStart", "Caps", "Segment", "Eos"] {
        assert!(
            log.contains(&format!("{event}: Forward")),
            "{event} in\n{log}"
        );
    }
    assert!(log.contains("Latency from downstream: ToChain"), "{log}");
}

#[test]
fn the_log_tells_of_caps_that_are_swallowed_and_not_that_they_passed() {
    let this = "the_log_tells_of_caps_that_are_swallowed_and_not_that_they_passed";
    if is_child() {
        support::init();
        let mut harness = gst_check::Harness::new("memorywatchenc");
        harness.set_src_caps_str("video/x-raw,format=GRAY8,width=64,height=64,framerate=25/1");
        // Too little for a picture: the element fails.
        assert!(harness.push(gst::Buffer::from_slice([0_u8; 8])).is_err());
        harness.set_src_caps_str("video/x-raw,format=GRAY8,width=32,height=64,framerate=25/1");
        return;
    }
    let run = Launch::this_test(this)
        .env("GST_DEBUG", "codecwatch:7")
        .env("GST_DEBUG_NO_COLOR", "1")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let text = run.text();
    let caps = text
        .lines()
        .filter_map(|line| line.split_once(" Caps: ").map(|(_, said)| said));
    let said: Vec<_> = caps.collect();
    assert_eq!(
        said,
        ["Pass", "Forward", "DrainForFormat", "Swallow"],
        "{text}"
    );
}

#[test]
fn without_the_level_nothing_is_told() {
    let run = Launch::pipeline(&format!(
        "videotestsrc num-buffers={FRAMES} ! video/x-raw,width=64,height=64 \
         ! svtav1watchenc ! fakesink"
    ))
    .env("GST_DEBUG", "codecwatch:6")
    .run();
    assert!(!run.text().contains("frame 0:"), "{}", run.text());
}
