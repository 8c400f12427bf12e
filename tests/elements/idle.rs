// SPDX-License-Identifier: MPL-2.0
//! Pipelines that stand wake nobody: nothing in the elements polls.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use support::idle::{Standing, woken};
use support::{Launch, media};

/// Set in the child process, which is alone with its threads.
const CHILD: &str = "CODECWATCH_TEST_IDLE";

/// Threads that are none of ours may run now and then; whoever polls, even once
/// in a second of these, is seen.
const STRAY: u64 = 2;
const TIME: Duration = Duration::from_secs(3);

fn nobody_wakes(this: &str, description: &str, standing: Standing) {
    if std::env::var_os(CHILD).is_some() {
        support::init();
        let threads = woken(description, standing, TIME);
        let count: u64 = threads.iter().map(|thread| thread.count).sum();
        assert!(count <= STRAY, "{threads:?}");
        return;
    }
    let run = Launch::program(std::env::current_exe().unwrap())
        .args([this, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

fn decoder() -> String {
    format!(
        "filesrc location={} ! matroskademux ! av1parse name=source \
         ! dav1dwatchdec n-threads=4 watchdog-timeout=1000000000 ! fakesink",
        media::clip().display()
    )
}

const ENCODER: &str = "videotestsrc name=source \
    ! video/x-raw,format=I420,width=128,height=128,framerate=30/1 \
    ! svtav1watchenc preset=12 watchdog-timeout=1000000000 ! fakesink";

#[test]
fn a_decoder_without_input_wakes_nobody() {
    let this = "a_decoder_without_input_wakes_nobody";
    nobody_wakes(this, &decoder(), Standing::WithoutInput);
}

#[test]
fn a_paused_decoder_wakes_nobody() {
    let this = "a_paused_decoder_wakes_nobody";
    nobody_wakes(this, &decoder(), Standing::Paused);
}

#[test]
fn an_encoder_without_input_wakes_nobody() {
    let this = "an_encoder_without_input_wakes_nobody";
    nobody_wakes(this, ENCODER, Standing::WithoutInput);
}

#[test]
fn an_encoder_in_memory_without_input_wakes_nobody() {
    let this = "an_encoder_in_memory_without_input_wakes_nobody";
    let encoder = ENCODER.replace("svtav1watchenc preset=12", "memorywatchenc");
    nobody_wakes(this, &encoder, Standing::WithoutInput);
}

#[test]
fn a_paused_encoder_wakes_nobody() {
    let this = "a_paused_encoder_wakes_nobody";
    nobody_wakes(this, ENCODER, Standing::Paused);
}
