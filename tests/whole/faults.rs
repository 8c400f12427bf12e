// SPDX-License-Identifier: MPL-2.0
//! Every call of the codecs goes wrong, in every way and at several moments: the target is
//! absent, as it was, or whole.

use std::time::Duration;

use support::Launch;

use crate::rig::{Folder, frames};

const FRAMES: usize = 60;

/// A supervised codec, its calls, and the muxers that take what it gives.
struct Case {
    codec: &'static str,
    calls: &'static [&'static str],
    muxers: &'static [(&'static str, &'static str)],
}

const BUDGETS: &str = "watchdog-timeout=1000000000 drain-timeout=1000000000 \
     open-timeout=1000000000 close-timeout=1000000000";

const SOURCE: &str =
    "videotestsrc num-buffers=60 ! video/x-raw,format=I420,width=160,height=120,framerate=30/1";

const CASES: [Case; 4] = [
    Case {
        codec: "svtav1watchenc preset=12 logical-processors=1 BUDGETS",
        calls: &[
            "svt_av1_enc_init_handle",
            "svt_av1_enc_init",
            "svt_av1_enc_send_picture",
            "svt_av1_enc_get_packet",
            "svt_av1_enc_deinit",
            "svt_av1_enc_deinit_handle",
        ],
        muxers: &[("mkv", "matroskamux"), ("mp4", "mp4mux")],
    },
    Case {
        codec: "svtav1watchenc preset=12 low-latency=true \
                ! dav1dwatchdec n-threads=2 max-errors=0 BUDGETS ! vp8enc deadline=1",
        calls: &[
            "dav1d_open",
            "dav1d_send_data",
            "dav1d_get_picture",
            "dav1d_close",
        ],
        muxers: &[("mkv", "matroskamux"), ("webm", "webmmux")],
    },
    Case {
        codec: "codecwatch codec=vp8enc codec::deadline=1 BUDGETS",
        calls: &["vpx_codec_encode"],
        muxers: &[("webm", "webmmux")],
    },
    Case {
        codec: "codecwatch codec=x264enc codec::speed-preset=ultrafast BUDGETS ! h264parse",
        calls: &["x264_encoder_encode"],
        muxers: &[("ts", "mpegtsmux"), ("mp4", "mp4mux")],
    },
];

const FAULTS: [&str; 6] = ["hang", "fail", "abort", "panic", "hang=2s", "delay=100ms"];
/// The first call, one in the middle, the end of the stream where there is one.
const MOMENTS: [&str; 3] = ["@1", "@20", "@flush"];

fn show(case: &Case, muxer: (&str, &str), script: &str, before: bool) {
    let folder = Folder::new();
    let target = folder.path(&format!("a.{}", muxer.0));
    if before {
        std::fs::write(&target, "before").unwrap();
    }
    let description = format!(
        "{SOURCE} ! {} ! {} ! wholefilesink location={}",
        case.codec.replace("BUDGETS", BUDGETS),
        muxer.1,
        target.display()
    );
    let run = Launch::pipeline(&description)
        .rehearse(script)
        .bound(Duration::from_secs(60))
        .run();
    let ended_well = run.code() == 0;
    match std::fs::read(&target) {
        Err(_) => assert!(!before && !ended_well, "{script}: {}", run.text()),
        Ok(bytes) if bytes == b"before" => {
            assert!(before && !ended_well, "{script}: {}", run.text());
        }
        // A codec may crash when it is closed, after the end.
        Ok(_) => assert_eq!(frames(&target), Ok(FRAMES), "{script} into {}", muxer.0),
    }
    let is_target = |name: &String| target.ends_with(name);
    let others: Vec<String> = folder
        .names()
        .into_iter()
        .filter(|name| !is_target(name))
        .collect();
    let crashed = run.code() > 128;
    assert!(others.is_empty() || crashed, "{script}: {others:?} is left");
}

#[test]
fn a_fault_at_the_end_of_the_stream_leaves_no_short_file() {
    for fault in ["hang", "fail", "abort"] {
        let script = format!("svt_av1_enc_get_packet:{fault}@flush");
        show(&CASES[0], CASES[0].muxers[1], &script, true);
    }
    show(
        &CASES[1],
        CASES[1].muxers[0],
        "dav1d_get_picture:hang@20",
        false,
    );
    show(
        &CASES[3],
        CASES[3].muxers[0],
        "x264_encoder_encode:fail@20",
        false,
    );
}

#[test]
#[ignore = "takes minutes"]
fn no_fault_of_any_call_leaves_a_short_file() {
    let mut number = 0;
    for case in &CASES {
        for call in case.calls {
            for (fault, moment) in FAULTS
                .iter()
                .flat_map(|fault| MOMENTS.map(|moment| (fault, moment)))
            {
                // Nobody looks where a stream of the others ends.
                let has_end = call.starts_with("svt_") || call.starts_with("dav1d_");
                if moment == "@flush" && !has_end {
                    continue;
                }
                number += 1;
                let muxer = case.muxers[number % case.muxers.len()];
                show(
                    case,
                    muxer,
                    &format!("{call}:{fault}{moment}"),
                    number % 3 == 0,
                );
            }
        }
    }
    println!("{number} shown");
}
