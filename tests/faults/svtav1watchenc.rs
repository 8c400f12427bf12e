// SPDX-License-Identifier: MPL-2.0
//! `svtav1watchenc` while SVT-AV1 hangs, fails, or its worker panics: the real
//! library's calls, intercepted in a child process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use support::Launch;
use support::faults::Subject;

/// Runs for long enough that the 30th packet is not the last.
const ENCODER: Subject = Subject {
    source: "videotestsrc num-buffers=90 pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1",
    element: "svtav1watchenc name=codec preset=12",
    sink: "fakesink",
};

/// The same with frames that come at their time. `gst-launch-1.0` itself may
/// miss an error that comes in the first milliseconds of its life (it does with
/// `identity error-after=1` too, on a loaded machine), so what fails at once is
/// given a moment.
const LIVE: Subject = Subject {
    source: "videotestsrc num-buffers=45 is-live=true pattern=ball \
             ! video/x-raw,width=320,height=240,framerate=30/1",
    ..ENCODER
};

/// The same with a first frame that takes its time.
const LATE: Subject = Subject {
    source: "videotestsrc num-buffers=3 ! video/x-raw,width=320,height=240,framerate=30/1 \
             ! identity sleep-time=500000",
    ..ENCODER
};

#[test]
fn a_hang_while_sending_ends_in_an_error_that_names_the_call() {
    ENCODER.survives_a_hang("svt_av1_enc_send_picture:hang@20");
}

#[test]
fn a_hang_while_getting_a_packet_ends_in_an_error_that_names_the_call() {
    ENCODER.survives_a_hang("svt_av1_enc_get_packet:hang@30");
}

#[test]
fn a_hang_at_the_end_of_the_stream_ends_in_an_error_and_not_in_eos() {
    ENCODER.survives_a_hang("svt_av1_enc_get_packet:hang@flush");
}

#[test]
fn a_hang_while_opening_is_an_error_of_initialisation() {
    let run = ENCODER.survives_a_hang("svt_av1_enc_init:hang");
    assert!(run.says("(while opening"), "{}", run.text());
}

#[test]
fn a_hang_while_closing_a_complete_stream_is_a_warning() {
    ENCODER.warns_of_a_stuck_close("svt_av1_enc_deinit:hang");
}

#[test]
fn a_failing_call_ends_in_an_error_and_no_finalized_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mkv");
    let sink = format!("matroskamux ! filesink location={}", path.display());
    // Not in low delay: there the call that fetches the last packets may have
    // begun before the stream was ended.
    let subject = Subject {
        sink: sink.leak(),
        ..ENCODER
    };
    subject.survives_a_failure("svt_av1_enc_get_packet:fail@flush");
    assert!(
        !is_finalized(&path),
        "the muxer closed a file that is cut short"
    );
}

/// Whether matroskamux has closed the file: at its end it replaces the unknown
/// size of the segment.
fn is_finalized(path: &std::path::Path) -> bool {
    const SEGMENT_OF_UNKNOWN_SIZE: [u8; 12] = [
        0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    let file = std::fs::read(path).unwrap();
    assert!(file.len() > 1000, "nothing was written");
    !file
        .windows(12)
        .any(|bytes| bytes == SEGMENT_OF_UNKNOWN_SIZE)
}

#[test]
fn a_failing_send_ends_in_an_error() {
    LIVE.survives_a_failure("svt_av1_enc_send_picture:fail@20");
}

#[test]
fn a_failing_open_ends_in_an_error() {
    let run = LATE.survives_a_failure("svt_av1_enc_init:fail");
    assert!(run.says("(while opening"), "{}", run.text());
}

#[test]
fn a_panic_while_sending_ends_in_an_error_and_not_in_a_crash() {
    LIVE.survives_a_panic("svt_av1_enc_send_picture:panic@20");
}

#[test]
fn a_panic_of_the_receiving_lane_is_not_swallowed() {
    LIVE.survives_a_panic("svt_av1_enc_get_packet:panic@20");
}

#[test]
fn ctrl_c_works_whatever_hangs() {
    for script in [
        "svt_av1_enc_init:hang",
        "svt_av1_enc_send_picture:hang@20",
        "svt_av1_enc_get_packet:hang@30",
        "svt_av1_enc_get_packet:hang@flush",
    ] {
        ENCODER.can_be_interrupted(script);
    }
}

#[test]
fn a_late_return_before_the_budget_is_no_fault() {
    let run = ENCODER
        .launch("")
        .rehearse("svt_av1_enc_send_picture:hang=1s@20")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("(eos)"), "{}", run.text());
}

#[test]
fn with_eos_after_failure_the_file_is_closed_and_the_exit_code_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mkv");
    let sink = format!("matroskamux ! filesink location={}", path.display());
    let subject = Subject {
        sink: sink.leak(),
        ..ENCODER
    };
    let run = subject
        .launch("eos-after-failure=true")
        .rehearse("svt_av1_enc_get_packet:hang@50")
        .run();
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("WatchdogAbandoned: "), "{}", run.text());
    assert!(
        !run.says("(eos)"),
        "the pipeline ended like a complete one: {}",
        run.text()
    );
    assert!(is_finalized(&path), "{}", run.text());
}

#[test]
fn a_restart_that_is_refused_closes_the_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.mkv");
    let sink = format!("matroskamux ! filesink location={}", path.display());
    let subject = Subject {
        sink: sink.leak(),
        ..LOW_LATENCY
    };
    let run = subject
        .launch("eos-after-failure=true restart-limit=1 max-abandoned=1")
        .rehearse("svt_av1_enc_send_picture:hang@40")
        .run();
    let text = run.text();
    assert_eq!(run.code(), 1, "{text}");
    assert!(run.says("codecwatch-restarted"), "{text}");
    assert!(run.says("max-abandoned allows 1"), "{text}");
    assert!(
        !run.says("(eos)"),
        "the pipeline ended like a complete one: {text}"
    );
    assert!(is_finalized(&path), "{text}");
}

#[test]
fn a_sink_that_does_not_take_the_output_trips_nothing() {
    // The queue is full at once; the sink takes one buffer in two seconds.
    let run = Launch::pipeline(
        "videotestsrc num-buffers=70 ! video/x-raw,width=128,height=128,framerate=30/1 \
         ! svtav1watchenc preset=12 low-latency=true watchdog-timeout=1000000000 \
         drain-timeout=1000000000 ! queue max-size-buffers=1 \
         ! identity sleep-time=2000000 ! identity eos-after=4 ! fakesink",
    )
    .bound(Duration::from_secs(60))
    .run();
    assert!(!run.says("codecwatch-fault"), "{}", run.text());
}

#[test]
fn an_input_that_stops_trips_nothing() {
    // One frame in two seconds, with a watchdog of half a second.
    let run = Launch::pipeline(
        "videotestsrc num-buffers=4 is-live=true ! video/x-raw,width=128,height=128,framerate=1/2 \
         ! svtav1watchenc preset=12 watchdog-timeout=500000000 ! fakesink",
    )
    .bound(Duration::from_secs(60))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("(eos)"), "{}", run.text());
}

/// Frames that come at their time, one out for each one in.
const LOW_LATENCY: Subject = Subject {
    source: "videotestsrc num-buffers=150 is-live=true pattern=ball \
             ! video/x-raw,width=320,height=240,framerate=30/1",
    element: "svtav1watchenc name=codec preset=12 low-latency=true",
    ..ENCODER
};

#[test]
fn within_the_restart_limit_three_wedges_cost_frames_and_not_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restarted.mkv");
    let sink = format!("matroskamux ! filesink location={}", path.display());
    let subject = Subject {
        sink: sink.leak(),
        ..LOW_LATENCY
    };
    let run = subject
        .launch("watchdog-timeout=500000000 restart-limit=3")
        .rehearse(
            "svt_av1_enc_get_packet:hang@20,svt_av1_enc_get_packet:hang@40,\
             svt_av1_enc_get_packet:hang@60",
        )
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("(eos)"), "{}", run.text());
    let restarts = run
        .lines
        .iter()
        .filter(|line| line.text.contains("codecwatch-restarted"))
        .count();
    assert_eq!(restarts, 3, "{}", run.text());
    assert!(run.says("frames-lost=(guint64)"), "{}", run.text());
    assert!(is_finalized(&path));
    // It plays: every frame in the file can be decoded.
    let run = support::Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! av1parse ! av1dec ! fakesink",
        path.display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn a_restart_while_eos_waits_completes_the_drain_and_the_log_says_so() {
    // Not in low delay: there the call that hangs may have begun before the end.
    let run = LIVE
        .launch("drain-timeout=500000000 restart-limit=1")
        .rehearse("svt_av1_enc_get_packet:hang@flush")
        .env("GST_DEBUG", "codecwatch:7")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("codecwatch-restarted"), "{}", run.text());
    assert!(run.says("(eos)"), "{}", run.text());
    let drained = |line: &str| line.ends_with("drained after a restart");
    let drains = run.lines.iter().filter(|line| drained(&line.text)).count();
    assert_eq!(drains, 1, "{}", run.text());
}

#[test]
fn over_the_restart_limit_a_wedge_is_an_error() {
    let run = LOW_LATENCY
        .launch("watchdog-timeout=500000000 restart-limit=1")
        .rehearse("svt_av1_enc_get_packet:hang@20,svt_av1_enc_get_packet:hang@40")
        .run();
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("codecwatch-restarted"), "{}", run.text());
    assert!(run.says("WatchdogAbandoned: "), "{}", run.text());
    assert!(!run.says("(eos)"), "{}", run.text());
}

#[test]
fn a_call_that_spins_is_slow_and_ends_at_the_slow_limit() {
    let run = LOW_LATENCY
        .launch("watchdog-timeout=500000000 slow-limit=3000000000")
        .rehearse("svt_av1_enc_send_picture:spin@20")
        .run();
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("codecwatch-slow"), "{}", run.text());
    let struck = run.when("rehearse: ");
    let ended = run.when("WatchdogAbandoned: ");
    assert!(
        ended - struck >= std::time::Duration::from_millis(2500),
        "{}",
        run.text()
    );
}
