// SPDX-License-Identifier: MPL-2.0
//! `dav1dwatchdec` while dav1d hangs, fails, or its worker panics: the real
//! library's calls, intercepted in a child process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../crates/dav1d/tests/common/mod.rs"]
mod streams;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use gst::prelude::*;
use support::faults::Subject;
use support::{Finished, Launch, media};

/// The clip: 132 frames, a key frame every 50.
static CLIP: LazyLock<String> = LazyLock::new(|| {
    format!(
        "filesrc location={} ! matroskademux ! av1parse",
        media::clip().display()
    )
});

/// One frame at a time, so that a call stands for a frame.
fn decoder() -> Subject {
    Subject {
        source: &CLIP,
        element: "dav1dwatchdec name=codec n-threads=1",
        sink: "fakesink",
    }
}

/// The same with several frames in work.
fn threaded() -> Subject {
    Subject {
        element: "dav1dwatchdec name=codec n-threads=4",
        ..decoder()
    }
}

#[test]
fn a_hang_while_opening_is_an_error_of_initialisation() {
    let run = decoder().survives_a_hang("dav1d_open:hang");
    assert!(run.says("(while opening"), "{}", run.text());
}

#[test]
fn a_hang_while_sending_ends_in_an_error_that_names_the_call() {
    decoder().survives_a_hang("dav1d_send_data:hang@20");
    threaded().survives_a_hang("dav1d_send_data:hang@20");
}

#[test]
fn a_hang_while_getting_a_picture_ends_in_an_error_that_names_the_call() {
    decoder().survives_a_hang("dav1d_get_picture:hang@30");
    threaded().survives_a_hang("dav1d_get_picture:hang@30");
}

#[test]
fn a_hang_at_the_end_of_the_stream_ends_in_an_error_and_not_in_eos() {
    threaded().survives_a_hang("dav1d_get_picture:hang@eos");
}

#[test]
fn a_hang_while_closing_a_complete_stream_is_a_warning() {
    decoder().warns_of_a_stuck_close("dav1d_close:hang");
}

#[test]
fn a_failing_open_ends_in_an_error() {
    let run = decoder().survives_a_failure("dav1d_open:fail=-12");
    assert!(run.says("(while opening"), "{}", run.text());
}

#[test]
fn a_send_that_fails_for_want_of_memory_ends_in_an_error() {
    decoder().survives_a_failure("dav1d_send_data:fail=-12@20+");
    decoder().survives_a_failure("dav1d_get_picture:fail=-12@20+");
}

/// A single call that says that the stream is damaged, and the pictures that come
/// out before it strikes: two looks for a picture go with each input.
const DAMAGED_ONCE: [(&str, usize); 3] = [
    ("dav1d_send_data:fail@20", 19),
    // The input has given its picture: what is lost is all that refers to it.
    ("dav1d_get_picture:fail@20", 10),
    ("dav1d_get_picture:fail@21", 10),
];

/// The subject with a sink that tells of every picture.
fn counted(subject: Subject) -> Subject {
    Subject {
        source: format!("-v {}", subject.source).leak(),
        sink: "fakesink silent=false",
        ..subject
    }
}

fn pictures(run: &Finished) -> usize {
    let shown = run
        .lines
        .iter()
        .filter(|line| line.text.contains("last-message = chain"));
    shown.count()
}

#[test]
fn one_damaged_picture_costs_the_rest_of_its_group_and_no_more() {
    let Some((_file, subject)) = keyed(&[]) else {
        return;
    };
    // Key frames at 0, 8, 16: those from the damage up to the next one are lost.
    for ((script, before), lost) in DAMAGED_ONCE.into_iter().zip([5, 6, 6]) {
        let run = counted(subject).launch("").rehearse(script).run();
        assert_eq!(run.code(), 0, "{script}: {}", run.text());
        assert!(run.says("is dropped"), "{script}: {}", run.text());
        assert_eq!(pictures(&run), 48 - lost, "{script}, {before} before");
    }
}

/// With several threads dav1d says so of a frame that cannot be decoded, too.
#[test]
fn that_several_threads_got_no_memory_once_costs_the_rest_of_a_group_and_no_more() {
    let Some((_file, subject)) = keyed(&[]) else {
        return;
    };
    let subject = Subject {
        element: threaded().element,
        ..subject
    };
    let run = counted(subject)
        .launch("")
        .rehearse("dav1d_get_picture:fail=-12@20")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("is dropped"), "{}", run.text());
    assert!((40..48).contains(&pictures(&run)), "{}", run.text());
}

#[test]
fn one_damaged_picture_of_a_stream_with_one_key_frame_ends_in_an_error_and_not_in_eos() {
    let Some((_file, subject)) = encoded(9999, &[]) else {
        return;
    };
    for (script, before) in DAMAGED_ONCE {
        let run = counted(subject).launch("").rehearse(script).run();
        assert_eq!(run.code(), 1, "{script}: {}", run.text());
        assert!(!run.says("(eos)"), "{script}: {}", run.text());
        let cut = format!("its last {} frames could not be decoded", 48 - before);
        assert!(run.says(&cut), "{script}: {}", run.text());
        // gst-launch-1.0 quits at the error and may not tell of the last ones.
        assert!(pictures(&run) <= before, "{script}");

        // Whoever wants what there is gets it.
        let any = counted(subject).launch("max-errors=-1");
        let run = any.rehearse(script).run();
        assert_eq!(run.code(), 0, "{script}: {}", run.text());
        assert!(run.says("is dropped"), "{script}: {}", run.text());
        assert_eq!(pictures(&run), before, "{script}");
    }
}

#[test]
fn one_damaged_picture_is_an_error_at_once_where_none_is_allowed() {
    for (script, before) in DAMAGED_ONCE {
        let run = counted(decoder())
            .launch("max-errors=0")
            .rehearse(script)
            .run();
        assert_eq!(run.code(), 1, "{script}: {}", run.text());
        assert!(!run.says("(eos)"), "{script}: {}", run.text());
        assert!(run.says("max-errors allows 0"), "{script}: {}", run.text());
        assert!(run.says("errors in the stream"), "{script}: {}", run.text());
        // gst-launch-1.0 quits at the error and may not tell of the last ones.
        assert!(pictures(&run) <= before, "{script}");
    }
}

#[test]
fn a_panic_of_the_worker_ends_in_an_error_and_not_in_a_crash() {
    for script in [
        "dav1d_open:panic",
        "dav1d_send_data:panic@20",
        "dav1d_get_picture:panic@20",
    ] {
        decoder().survives_a_panic(script);
        threaded().survives_a_panic(script);
    }
}

#[test]
fn ctrl_c_works_whatever_hangs() {
    for script in [
        "dav1d_open:hang",
        "dav1d_send_data:hang@20",
        "dav1d_get_picture:hang@30",
        "dav1d_get_picture:hang@eos",
    ] {
        threaded().can_be_interrupted(script);
    }
}

/// A stream of 48 frames with a key frame every eight, some of them damaged.
fn keyed(damaged: &[usize]) -> Option<(tempfile::TempPath, Subject)> {
    encoded(8, damaged)
}

/// The same with a key frame every `distance` frames.
fn encoded(distance: u32, damaged: &[usize]) -> Option<(tempfile::TempPath, Subject)> {
    let source = streams::sources::Source::new(160, 96, 48);
    let [most, least] = ["max", "min"].map(|which| format!("--kf-{which}-dist={distance}"));
    let arguments = [&*most, &least, "--lag-in-frames=0"];
    let Some(mut units) = streams::Encoder::Aomenc.encode("key frames", &source, &arguments) else {
        support::skip("dav1dwatchdec_faults", "there is no aomenc");
        return None;
    };
    for &unit in damaged {
        let half = units[unit].len() / 2;
        units[unit].truncate(half);
    }
    let file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
    std::fs::write(file.path(), streams::ivf::write(&units)).unwrap();
    let path = file.into_temp_path();
    let source = format!(
        "filesrc location={} ! ivfparse ! video/x-av1,stream-format=obu-stream,alignment=tu",
        path.display()
    );
    let subject = Subject {
        source: source.leak(),
        ..decoder()
    };
    Some((path, subject))
}

#[test]
fn a_hang_of_the_flush_after_damage_ends_in_an_error() {
    let Some((_file, subject)) = keyed(&[11]) else {
        return;
    };
    subject.survives_a_hang("dav1d_flush:hang");
}

#[test]
fn within_its_limit_a_restart_begins_at_a_key_frame_and_says_what_was_lost() {
    let Some((_file, subject)) = keyed(&[]) else {
        return;
    };
    for script in ["dav1d_send_data:panic@20", "dav1d_send_data:fail=-12@20"] {
        let run = subject.launch("restart-limit=1").rehearse(script).run();
        assert_eq!(run.code(), 0, "{}", run.text());
        assert!(run.says("(eos)"), "{}", run.text());
        assert!(run.says("codecwatch-restarted"), "{}", run.text());
    }
    let run = subject
        .launch("restart-limit=1")
        .rehearse("dav1d_send_data:panic@20,dav1d_send_data:panic@30")
        .run();
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(!run.says("(eos)"), "{}", run.text());
}

#[test]
fn a_flush_that_hangs_does_not_hold_up_a_seek_or_the_state_change_after_it() {
    if support::is_child() {
        return seek();
    }
    let this = "a_flush_that_hangs_does_not_hold_up_a_seek_or_the_state_change_after_it";
    let run = Launch::this_test(this)
        .rehearse("dav1d_flush:hang")
        .bound(Duration::from_secs(60))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("dav1d_flush hangs"), "{}", run.text());
}

/// Seeks while it plays; what hangs then is told within its budget.
fn seek() {
    gst::init().unwrap();
    let description = format!(
        "{} ! dav1dwatchdec watchdog-timeout=2000000000 close-timeout=1000000000 ! fakesink sync=true",
        *CLIP
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let began = std::time::Instant::now();
    pipeline
        .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::from_seconds(1))
        .unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus
        .timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Error, gst::MessageType::Eos],
        )
        .expect("nobody noticed");
    assert_eq!(message.type_(), gst::MessageType::Error, "{message:?}");
    let message = message.structure().unwrap().to_string();
    assert!(message.contains("dav1d_flush"), "{message}");
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(began.elapsed() < Duration::from_secs(15));
}

/// Whether a Matroska file has an index, which the muxer writes at EOS.
fn has_index(path: &Path) -> bool {
    const CUES: [u8; 4] = [0x1c, 0x53, 0xbb, 0x6b];
    let file = std::fs::read(path).unwrap();
    // The first mention is in the list of contents, which has room for it.
    let found = file.windows(4).filter(|bytes| *bytes == CUES);
    found.count() > 1
}

#[test]
fn a_file_of_a_failed_decode_is_not_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raw.mkv");
    let sink = format!(
        "videoscale ! video/x-raw,width=64,height=36 ! matroskamux ! filesink location={}",
        path.display()
    );
    let subject = Subject {
        sink: sink.leak(),
        ..threaded()
    };
    let run = subject.launch("").run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(has_index(&path), "a complete file has no index");
    subject.survives_a_failure("dav1d_get_picture:fail=-12@60+");
    assert!(
        !has_index(&path),
        "the muxer closed a file that is cut short"
    );
}
