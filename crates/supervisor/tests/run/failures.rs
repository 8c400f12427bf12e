// SPDX-License-Identifier: MPL-2.0
//! Errors and panics of a codec: one outcome, never `Completed`, and the
//! session is closed all the same.

use codecwatch_supervisor::{CloseResult, DrainResult, FaultCause, WaitResult};

use crate::fake::{Call, Fake, Fault};
use crate::support::{
    AMPLE, Sink, account, close, drain, eventually, feed, outcome, start, threads_named,
};

/// A run of 20 frames that a fault ends.
fn ends(fake: Fake, library: &'static str, expected: &str, closes: bool) {
    let run = start(&fake, AMPLE);
    let sink = Sink::of(&run);
    feed(&run, 0..20);
    assert_eq!(drain(&run, true), DrainResult::Failed);
    sink.returns();
    assert_eq!(outcome(&run), Some(expected));
    assert_eq!(feed(&run, 0..1), WaitResult::Failed);
    let frames = sink.frames();
    assert_eq!(
        frames,
        (0..frames.len() as u32).collect::<Vec<_>>(),
        "no gap"
    );
    eventually("it closes by itself", || run.is_closed());
    let (closed, _) = close(&run);
    assert!(matches!(closed, CloseResult::Closed));
    assert_eq!(fake.count(Call::Close), usize::from(closes));
    assert_eq!(account(library), (0, 0));
    eventually("no thread is left", || {
        threads_named(&format!("{library}#")) == 0
    });
}

#[test]
fn an_error_of_any_call_is_codec_failed() {
    ends(
        Fake::new("f-open").with(Call::Open, 1, Fault::Fail),
        "f-open",
        "CodecFailed",
        false,
    );
    ends(
        Fake::new("f-send").with(Call::Send, 9, Fault::Fail),
        "f-send",
        "CodecFailed",
        true,
    );
    ends(
        Fake::new("f-get").with(Call::Get, 9, Fault::Fail),
        "f-get",
        "CodecFailed",
        true,
    );
    ends(
        Fake::new("f-drain").with(Call::Drain, 1, Fault::Fail),
        "f-drain",
        "CodecFailed",
        true,
    );
}

#[test]
fn an_error_in_the_receive_lane_is_codec_failed() {
    let fake = Fake::new("f-recv").with_receive_lane();
    ends(
        fake.with(Call::Get, 9, Fault::Fail),
        "f-recv",
        "CodecFailed",
        true,
    );
}

#[test]
fn an_error_in_the_receive_lane_at_the_drain_is_never_completed() {
    // The last frame but one and the last come out at the drain only.
    let fake = Fake::new("f-end").with_receive_lane();
    ends(
        fake.with(Call::Get, 20, Fault::Fail),
        "f-end",
        "CodecFailed",
        true,
    );
    let fake = Fake::new("p-end").with_receive_lane();
    ends(
        fake.with(Call::Get, 20, Fault::Panic),
        "p-end",
        "CodecPanicked",
        true,
    );
}

#[test]
fn a_panic_in_any_call_is_codec_panicked() {
    ends(
        Fake::new("p-open").with(Call::Open, 1, Fault::Panic),
        "p-open",
        "CodecPanicked",
        false,
    );
    ends(
        Fake::new("p-send").with(Call::Send, 9, Fault::Panic),
        "p-send",
        "CodecPanicked",
        true,
    );
    ends(
        Fake::new("p-drain").with(Call::Drain, 1, Fault::Panic),
        "p-drain",
        "CodecPanicked",
        true,
    );
    let fake = Fake::new("p-recv").with_receive_lane();
    ends(
        fake.with(Call::Get, 9, Fault::Panic),
        "p-recv",
        "CodecPanicked",
        true,
    );
}

#[test]
fn a_panic_in_the_question_for_the_delay_is_codec_panicked() {
    ends(
        Fake::new("p-delay").with(Call::Delay, 1, Fault::Panic),
        "p-delay",
        "CodecPanicked",
        false,
    );
}

#[test]
fn a_panic_is_told_with_its_message() {
    let run = start(
        &Fake::new("p-text").with(Call::Send, 1, Fault::Panic),
        AMPLE,
    );
    feed(&run, 0..1);
    eventually("it ends", || run.outcome().is_some());
    let outcome = run.outcome().unwrap();
    let fault = outcome.fault().unwrap();
    assert!(matches!(&fault.cause, FaultCause::Panicked(message) if message == "scripted"));
    assert_eq!(fault.at.frames_in, 1);
}

#[test]
fn an_error_or_a_panic_in_close_leaves_the_stream_completed() {
    for fault in [Fault::Fail, Fault::Panic] {
        let run = start(&Fake::new("f-close").with(Call::Close, 1, fault), AMPLE);
        let sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..20), WaitResult::Ready);
        assert_eq!(drain(&run, true), DrainResult::Complete);
        assert_eq!(sink.frames().len(), 20);
        let (closed, _) = close(&run);
        assert!(matches!(closed, CloseResult::Closed));
        assert_eq!(outcome(&run), Some("Completed"));
        assert_eq!(account("f-close"), (0, 0));
    }
}

#[test]
fn a_drain_of_a_run_that_failed_has_failed_also_when_it_is_told_to_close_first() {
    let run = start(
        &Fake::new("f-told").with(Call::Drain, 1, Fault::Fail),
        AMPLE,
    );
    let sink = Sink::of(&run);
    feed(&run, 0..5);
    let ticket = run.request_drain(true);
    eventually("it has failed", || run.outcome().is_some());
    run.request_close();
    assert_eq!(run.wait_drained(ticket), DrainResult::Failed);
    sink.returns();
    let _ = close(&run);
}

#[test]
fn what_waited_for_a_codec_that_failed_can_be_taken_once_in_order() {
    let fake = Fake::new("f-untaken").with(Call::Open, 1, Fault::Fail);
    let run = start(&fake, AMPLE);
    // They wait for the open, or find it failed.
    let taken = (0..3)
        .take_while(|frame| run.submit(*frame).is_ok())
        .count() as u32;
    eventually("it failed", || outcome(&run).is_some());
    assert_eq!(run.take_untaken(), (0..taken).collect::<Vec<_>>());
    assert_eq!(run.take_untaken(), []);
}
