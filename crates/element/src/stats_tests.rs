// SPDX-License-Identifier: MPL-2.0
//! Every figure has a distinct value, so that no two fields can be swapped unnoticed,
//! and every field is listed, so that none can be omitted.

use codecwatch_supervisor::{
    Account, Activity, CodecError, Evidence, FaultCause, Phase, Slow, Verdict,
};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn snapshot() -> Snapshot {
    Snapshot {
        phase: Phase::Draining,
        verdict: Verdict::Slow,
        frames_in: 1,
        frames_out: 2,
        frames_discarded: 3,
        queued: 4,
        inside: 5,
        time_in: 6 * MS,
        time_out: 7 * MS,
        time_discarded: 8 * MS,
        time_inside: 9 * MS,
        outbox: 10,
        calls: vec![("get".into(), 1100 * MS), ("send".into(), 1200 * MS)],
        evidence: Some(evidence()),
        late: 13,
        worst_calls: vec![("open".into(), 14 * MS), ("close".into(), 15 * MS)],
    }
}

fn evidence() -> Evidence {
    Evidence {
        activity: Activity::Starved,
        cpu: 16 * MS,
        run_delay: 17 * MS,
        observed: 18 * MS,
        runnable: false,
        threads: 19,
        source: Source::Stat,
    }
}

fn account() -> Account {
    Account {
        opened: 20,
        completed: 21,
        failed: 22,
        panicked: 23,
        crashed: 24,
        abandoned: 32,
        reclaimed: 7,
        restarts: 27,
        retiring: 28,
    }
}

fn stats() -> Stats {
    Stats {
        id: 29,
        session: snapshot(),
        account: account(),
        outcome: Some("Completed"),
    }
}

/// The fields of the snapshot in every structure.
fn of_the_session(name: &str) -> gst::structure::Builder {
    gst::Structure::builder(name)
        .field("phase", "draining")
        .field("call", "get")
        .field("call-age", 1_100_000_000_u64)
        .field("calls", "get for 1.1 s, send for 1.2 s")
        .field("frames-in", 1_u64)
        .field("frames-out", 2_u64)
        .field("frames-discarded", 3_u64)
        .field("queued", 4_u32)
        .field("inside", 5_u32)
        .field("waiting-for-downstream", 10_u32)
        .field("watchdog-late", 13_u64)
        .field("evidence", "starved")
        .field("evidence-source", "stat")
        .field("cpu-time", 16_000_000_u64)
        .field("run-delay", 17_000_000_u64)
        .field("observed", 18_000_000_u64)
}

fn ledger() -> gst::Structure {
    gst::Structure::builder("codecwatch-account")
        .field("opened", 20_u64)
        .field("completed", 21_u64)
        .field("failed", 22_u64)
        .field("panicked", 23_u64)
        .field("crashed", 24_u64)
        .field("abandoned", 32_u64)
        .field("reclaimed", 7_u64)
        .field("restarts", 27_u64)
        .field("retiring", 28_u64)
        .build()
}

#[test]
fn every_figure_of_stats_stands_under_its_own_name() {
    gst::init().unwrap();
    let worst = gst::Structure::builder("worst-calls")
        .field("open", 14_000_000_u64)
        .field("close", 15_000_000_u64)
        .build();
    let expected = of_the_session("codecwatch-stats")
        .field("restarts", 30_u32)
        .field("verdict", "slow")
        .field("outcome", "Completed")
        .field("session", 29_u64)
        .field("abandoned", 25_u32)
        .field("retiring", 28_u32)
        .field("reclaimed", 7_u32)
        .field("ledger", ledger())
        .field("worst-calls", worst)
        .build();
    assert_eq!(structure(Some(&stats()), 30), expected);
}

#[test]
fn without_a_session_stats_say_so() {
    gst::init().unwrap();
    let expected = gst::Structure::builder("codecwatch-stats")
        .field("restarts", 30_u32)
        .field("phase", "none")
        .field("verdict", "idle")
        .build();
    assert_eq!(structure(None, 30), expected);
}

#[test]
fn a_session_that_nobody_had_to_look_at_has_no_evidence_and_one_in_no_call_none_in_flight() {
    gst::init().unwrap();
    let idle = Snapshot {
        calls: Vec::new(),
        evidence: None,
        ..snapshot()
    };
    let expected = of_the_session("codecwatch-stats")
        .field("call", "")
        .field("call-age", 0_u64)
        .field("calls", "")
        .field("evidence", "none")
        .field("evidence-source", "none")
        .field("cpu-time", 0_u64)
        .field("run-delay", 0_u64)
        .field("observed", 0_u64)
        .build();
    let fields = session_fields(gst::Structure::builder("codecwatch-stats"), &idle);
    assert_eq!(fields.build(), expected);
}

#[test]
fn a_fault_says_where_the_session_was_and_whose_it_is() {
    gst::init().unwrap();
    let fault = Fault {
        library: "SVT-AV1".into(),
        id: 29,
        cause: FaultCause::Failed(CodecError::Settings("none".to_owned())),
        at: snapshot(),
        abandoned: 31,
        process: Some(37),
    };
    let expected = of_the_session("codecwatch-fault")
        .field("outcome", "CodecFailed")
        .field("library", "SVT-AV1")
        .field("session", 29_u64)
        .field("process", 37_u32)
        .field("abandoned", 31_u32)
        .build();
    assert_eq!(fault_structure("CodecFailed", &fault), expected);
}

#[test]
fn an_end_that_is_not_the_sessions_says_where_the_session_was_if_there_is_one() {
    gst::init().unwrap();
    let expected = of_the_session("codecwatch-fault")
        .field("outcome", "Refused")
        .field("session", 29_u64)
        .field("abandoned", 25_u32)
        .build();
    assert_eq!(end_structure("Refused", Some(&stats())), expected);
    let expected = gst::Structure::builder("codecwatch-fault")
        .field("outcome", "Refused")
        .field("phase", "none")
        .build();
    assert_eq!(end_structure("Refused", None), expected);
}

#[test]
fn a_slow_session_says_where_it_is() {
    gst::init().unwrap();
    let slow = Slow {
        id: 29,
        evidence: evidence(),
        at: snapshot(),
    };
    let expected = of_the_session("codecwatch-slow")
        .field("session", 29_u64)
        .build();
    assert_eq!(slow_structure(&slow), expected);
}

#[test]
fn a_fault_after_the_end_has_the_outcome_of_the_run_or_none() {
    assert_eq!(outcome_name(Some(&Outcome::Completed)), "Completed");
    assert_eq!(outcome_name(None), "none");
}

#[test]
fn the_latest_child_is_shown_and_how_many_have_not_ended() {
    gst::init().unwrap();
    let mut stats = structure(None, 0);
    let child = Seen {
        process: 41,
        sandbox: None,
        copies: 42,
    };
    add_child(&mut stats, &child);
    assert_eq!(stats.get("process"), Ok(41_u32));
    assert_eq!(stats.get("sandbox"), Ok(String::new()));
    assert_eq!(stats.get("copies"), Ok(42_u64));
    assert_eq!(stats.get("unreaped"), Ok(0_u32));
}
