// SPDX-License-Identifier: MPL-2.0
//! How much went in, came out, and was lost.

use std::time::Duration;

use codecwatch_supervisor::{CloseResult, DrainResult, Snapshot, WaitResult};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{
    AMPLE, BOUND, MS, SHORT, Sink, close, drain, eventually, feed, outcome, start,
};

/// Frames that are neither delivered nor discarded.
fn on_the_way(session: &Snapshot) -> u64 {
    session.frames_in - session.frames_out - session.frames_discarded
}

#[test]
fn what_a_close_discards_did_not_come_out() {
    for fake in [
        Fake::new("a-close"),
        Fake::new("a-close").with_receive_lane(),
    ] {
        let run = start(&fake.with_delay(Some(5)), AMPLE);
        let gate = Gate::default();
        let sink = Sink::blocked_after(3, &gate, &run);
        assert_eq!(feed(&run, 0..15), WaitResult::Ready);
        eventually("the fourth is pushed", || sink.frames().len() == 4);
        let before = run.stats().session;
        assert_eq!((before.frames_in, before.frames_out), (15, 4));
        let (closed, _) = close(&run);
        assert!(matches!(closed, CloseResult::Closed));
        let after = run.stats().session;
        assert_eq!((after.frames_in, after.frames_out), (15, 4));
        assert_eq!((after.frames_discarded, after.inside), (11, 0));
        gate.open();
        sink.returns();
        assert_eq!(sink.frames().len(), 4);
    }
}

#[test]
fn what_a_flush_discards_did_not_come_out() {
    let run = start(&Fake::new("a-flush").with_delay(Some(5)), AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..9), WaitResult::Ready);
    eventually("four come out", || sink.frames().len() == 4);
    run.flush();
    assert_eq!(feed(&run, 10..12), WaitResult::Ready);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    let session = run.stats().session;
    assert_eq!((session.frames_in, session.frames_out), (11, 6));
    assert_eq!(session.frames_discarded, 5);
    assert_eq!(sink.frames().len(), 6);
    let _ = close(&run);
}

#[test]
fn the_fault_of_a_wedge_says_what_downstream_got() {
    let fake = Fake::new("a-wedge")
        .with_delay(Some(0))
        .with(Call::Send, 4, Fault::Hang);
    let run = start(&fake, SHORT);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 0..4), WaitResult::Ready);
    sink.returns();
    let outcome = run.outcome().unwrap();
    let at = &outcome.fault().unwrap().at;
    assert_eq!((at.frames_in, at.frames_out, at.inside), (4, 3, 1));
    fake.gate.open();
    eventually("it comes back", || run.is_closed());
    let session = run.stats().session;
    assert_eq!((session.frames_out, session.frames_discarded), (3, 1));
}

#[test]
fn an_input_may_weigh_several_frames_or_none() {
    let run = start(&Fake::new("a-weight").with_delay(Some(3)), AMPLE);
    let sink = Sink::of(&run);
    assert_eq!(feed(&run, 1000..1005), WaitResult::Ready);
    assert_eq!(feed(&run, 2000..2002), WaitResult::Ready);
    assert_eq!(feed(&run, 7..8), WaitResult::Ready);
    eventually("five come out", || sink.frames().len() == 5);
    let session = run.stats().session;
    assert_eq!((session.frames_in, session.frames_out), (16, 15));
    assert_eq!((session.inside, session.queued), (1, 0));
    assert_eq!(session.time_in, 16 * 40 * MS);
    assert_eq!((session.time_out, session.time_inside), (600 * MS, 40 * MS));
    assert_eq!(drain(&run, true), DrainResult::Complete);
    let session = run.stats().session;
    assert_eq!(on_the_way(&session), 0);
    assert_eq!((session.frames_out, session.time_out), (16, 640 * MS));
    assert_eq!(session.time_discarded, Duration::ZERO);
    let _ = close(&run);
}

#[test]
fn a_session_may_keep_what_it_declares_later() {
    let kept = |fake: Fake| {
        let run = start(&fake.with_delay(Some(4)), SHORT);
        let _sink = Sink::of(&run);
        assert_eq!(feed(&run, 0..4), WaitResult::Ready);
        std::thread::sleep(4 * SHORT.watchdog);
        let outcome = outcome(&run);
        let (_closed, took) = close(&run);
        assert!(took < BOUND);
        outcome
    };
    assert_eq!(kept(Fake::new("a-later").that_declares_at_first(1)), None);
}
