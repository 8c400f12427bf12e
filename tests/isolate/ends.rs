// SPDX-License-Identifier: MPL-2.0
//! What comes of a codec that crashes, hangs, spins or fails in its child: one error
//! that says where, no EOS, and nothing is left.

use std::time::Duration;

use gst::prelude::*;
use support::{Launch, is_child};

use crate::rig::{Element, Ended, Rig, exists};

const ENCODER: Calls = Calls {
    open: "svt_av1_enc_init",
    send: "svt_av1_enc_send_picture",
    get: "svt_av1_enc_get_packet",
    close: "svt_av1_enc_deinit",
};
const DECODER: Calls = Calls {
    open: "dav1d_open",
    send: "dav1d_send_data",
    get: "dav1d_get_picture",
    close: "dav1d_close",
};

struct Calls {
    open: &'static str,
    send: &'static str,
    get: &'static str,
    close: &'static str,
}

/// Where in a stream a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Open,
    Send,
    Get,
    Drain,
    Close,
}

impl At {
    const RUNNING: [Self; 3] = [Self::Send, Self::Get, Self::Drain];
}

#[derive(Debug, Clone, Copy)]
struct Case {
    element: Element,
    at: At,
    fault: &'static str,
}

impl Case {
    fn all(ats: &[At], faults: &[&'static str]) -> Vec<Self> {
        let mut all = Vec::new();
        for element in Element::ALL {
            for &at in ats {
                for &fault in faults {
                    all.push(Self { element, at, fault });
                }
            }
        }
        all
    }

    fn call(&self) -> &'static str {
        let calls = match self.element {
            Element::Encoder => ENCODER,
            Element::Decoder => DECODER,
        };
        match self.at {
            At::Open => calls.open,
            At::Send => calls.send,
            At::Get | At::Drain => calls.get,
            At::Close => calls.close,
        }
    }

    /// The stream does not end by itself: all of a short one may be inside when the codec
    /// is given up.
    fn goes_on(&self) -> bool {
        matches!(self.at, At::Send | At::Get)
    }

    fn script(&self) -> String {
        let occurrence = match self.at {
            At::Open | At::Close => "",
            At::Send | At::Get => "@5",
            At::Drain => "@flush",
        };
        format!("{}:{}{occurrence}", self.call(), self.fault)
    }
}

/// Budgets that end soon.
const SOON: &str = "watchdog-timeout=1000000000 drain-timeout=1000000000 \
                    open-timeout=2000000000 close-timeout=1000000000";
/// What NULL may take.
const NULL: Duration = Duration::from_millis(1200);
/// What a loaded machine may add.
const SLACK: Duration = Duration::from_secs(3);

/// Shows each case in a process of its own, under the fault shim.
fn show(test: &str, cases: &[Case], properties: &str, check: fn(&Case, &Rig, &Ended)) {
    const NUMBER: &str = "CODECWATCH_TEST_CASE";
    if is_child() {
        let number: usize = std::env::var(NUMBER).unwrap().parse().unwrap();
        let case = &cases[number];
        let rig = Rig::new(case.element, &format!("{SOON} {properties}"));
        if let (Some(source), true) = (rig.pipeline.by_name("source"), case.goes_on()) {
            source.set_property("num-buffers", -1);
            // SVT-AV1 1.4 crashes when it has taken 800 frames and given none.
            source.set_property("is-live", true);
        }
        rig.play();
        let ended = rig.end();
        let took = rig.stop();
        assert!(took < NULL + SLACK, "NULL took {took:?}");
        check(case, &rig, &ended);
        rig.leaves_nothing();
        return;
    }
    for (number, case) in cases.iter().enumerate() {
        let run = Launch::this_test(&format!("ends::{test}"))
            .env(NUMBER, number.to_string())
            .rehearse(&case.script())
            .bound(Duration::from_secs(90))
            .run();
        assert_eq!(run.code(), 0, "{case:?}: {}", run.text());
    }
}

/// A fault of this outcome, in the domain of its phase.
#[track_caller]
fn is_fault(case: &Case, ended: &Ended, outcome: &str) {
    let error = ended.error();
    assert_eq!(error.outcome(), outcome, "{error:?}");
    if case.at == At::Open {
        assert!(error.error.matches(gst::LibraryError::Init), "{error:?}");
    } else {
        assert!(case.element.is_running_fault(&error.error), "{error:?}");
    }
}

/// What the process ended by, and what it wrote last.
#[track_caller]
fn is_crash(case: &Case, rig: &Rig, ended: &Ended, how: &str, verb: &str) {
    is_fault(case, ended, "CodecCrashed");
    let text = ended.error().text();
    let process = rig.process();
    for words in [
        format!("process {process} {how}"),
        format!("rehearse: {} {verb}", case.call()),
    ] {
        assert!(text.contains(&words), "no {words:?}: {text}");
    }
    let details = ended.error().details.as_ref().unwrap();
    // The other lane may be in a call, too.
    let calls: String = details.get("calls").unwrap();
    let call = format!("{} for ", case.call());
    assert!(calls.contains(&call), "in {calls:?}: {text}");
    assert_eq!(rig.ledger("crashed"), 1);
}

const ANYWHERE: [At; 4] = [At::Open, At::Send, At::Get, At::Drain];

#[test]
fn a_crash_is_one_error_that_names_the_signal_and_the_last_lines() {
    let test = "a_crash_is_one_error_that_names_the_signal_and_the_last_lines";
    show(
        test,
        &Case::all(&ANYWHERE, &["segv"]),
        "",
        |case, rig, ended| {
            is_crash(
                case,
                rig,
                ended,
                "was killed by signal 11 (SIGSEGV)",
                "crashes",
            );
        },
    );
}

#[test]
fn an_abort_is_one_error_that_names_the_signal_and_the_last_lines() {
    let test = "an_abort_is_one_error_that_names_the_signal_and_the_last_lines";
    show(
        test,
        &Case::all(&ANYWHERE, &["abort"]),
        "",
        |case, rig, ended| {
            is_crash(
                case,
                rig,
                ended,
                "was killed by signal 6 (SIGABRT)",
                "aborts",
            );
        },
    );
}

#[test]
fn a_stack_overflow_is_one_error_that_names_the_signal() {
    let test = "a_stack_overflow_is_one_error_that_names_the_signal";
    let cases = Case::all(&[At::Open, At::Send, At::Get], &["overflow"]);
    show(test, &cases, "", |case, rig, ended| {
        is_fault(case, ended, "CodecCrashed");
        let text = ended.error().text();
        // A thread of Rust catches SIGSEGV, says so, and aborts.
        let named = text.contains("(SIGSEGV)") || text.contains("(SIGABRT)");
        assert!(named && text.contains("overflow"), "{text}");
        assert_eq!(rig.ledger("crashed"), 1);
    });
}

#[test]
fn a_library_that_exits_ends_no_more_than_the_child() {
    let test = "a_library_that_exits_ends_no_more_than_the_child";
    show(
        test,
        &Case::all(&ANYWHERE, &["exit"]),
        "",
        |case, rig, ended| {
            is_crash(case, rig, ended, "exited with code 3", "exits");
        },
    );
}

#[test]
fn a_library_that_takes_all_memory_gets_what_the_property_allows() {
    let test = "a_library_that_takes_all_memory_gets_what_the_property_allows";
    let cases = Case::all(&[At::Open], &["exhaust"]);
    let limit = "isolate-max-memory=600000000";
    show(test, &cases, limit, |_case, _rig, ended| {
        // As the library takes it.
        let outcome = ended.error().outcome();
        let known = ["CodecFailed", "CodecCrashed", "CodecPanicked"];
        assert!(known.contains(&&*outcome), "{ended:?}");
    });
}

#[test]
fn a_hang_is_named_and_the_child_is_killed() {
    let test = "a_hang_is_named_and_the_child_is_killed";
    show(
        test,
        &Case::all(&ANYWHERE, &["hang"]),
        "",
        |case, rig, ended| {
            is_fault(case, ended, "WatchdogAbandoned");
            let error = ended.error();
            assert!(error.text().contains(case.call()), "{error:?}");
            let details = error.details.as_ref().unwrap();
            let call: String = details.get("call").unwrap();
            assert_eq!(call, case.call());
            assert_eq!(rig.ledger("abandoned"), 1);
        },
    );
}

#[test]
fn a_spin_is_given_up_at_the_slow_limit_and_burns_nothing_afterwards() {
    let test = "a_spin_is_given_up_at_the_slow_limit_and_burns_nothing_afterwards";
    let cases = Case::all(&[At::Send, At::Get], &["spin"]);
    show(test, &cases, "slow-limit=1500000000", |case, rig, ended| {
        is_fault(case, ended, "WatchdogAbandoned");
        assert!(ended.error().text().contains(case.call()), "{ended:?}");
        assert_eq!(rig.ledger("abandoned"), 1);
    });
}

#[test]
fn an_error_of_the_library_is_its_error_as_in_this_process() {
    let test = "an_error_of_the_library_is_its_error_as_in_this_process";
    let of = |element, at| Case {
        element,
        at,
        fault: "fail",
    };
    let cases = [
        of(Element::Encoder, At::Open),
        of(Element::Encoder, At::Send),
        of(Element::Encoder, At::Get),
        of(Element::Encoder, At::Drain),
    ];
    show(test, &cases, "", |case, rig, ended| {
        is_fault(case, ended, "CodecFailed");
        assert!(ended.error().text().contains(case.call()), "{ended:?}");
        assert_eq!(rig.ledger("abandoned"), 0);
    });
}

#[test]
fn a_panic_in_the_child_is_a_panic_here() {
    let test = "a_panic_in_the_child_is_a_panic_here";
    let cases = Case::all(&[At::Send, At::Get], &["panic"]);
    show(test, &cases, "", |case, rig, ended| {
        is_fault(case, ended, "CodecPanicked");
        assert!(ended.error().text().contains(case.call()), "{ended:?}");
        assert_eq!(rig.ledger("abandoned"), 0);
    });
}

#[test]
fn a_close_that_hangs_after_a_whole_stream_is_a_warning() {
    let test = "a_close_that_hangs_after_a_whole_stream_is_a_warning";
    let cases = Case::all(&[At::Close], &["hang"]);
    show(test, &cases, "", |case, rig, ended| {
        assert!(ended.eos && ended.errors.is_empty(), "{ended:?}");
        let [warning] = &ended.warnings[..] else {
            panic!("{ended:?}");
        };
        assert!(warning.error.matches(gst::LibraryError::Shutdown));
        assert!(warning.text().contains(case.call()), "{warning:?}");
        assert!(!warning.debug.is_empty());
        assert_eq!(rig.ledger("abandoned"), 1);
    });
}

#[test]
fn a_crash_while_closing_a_whole_stream_takes_nothing_from_it() {
    let test = "a_crash_while_closing_a_whole_stream_takes_nothing_from_it";
    let cases = Case::all(&[At::Close], &["segv", "exit"]);
    show(test, &cases, "", |_case, _rig, ended| {
        assert!(ended.eos && ended.errors.is_empty(), "{ended:?}");
    });
}

#[test]
fn with_a_restart_limit_another_child_goes_on() {
    let test = "with_a_restart_limit_another_child_goes_on";
    let cases = Case::all(&At::RUNNING[..2], &["segv", "hang", "exit"]);
    // Each child counts its own calls: the second strikes there, too.
    show(test, &cases, "restart-limit=1", |case, rig, ended| {
        let error = ended.error();
        assert_eq!(ended.restarts, 1, "{ended:?}");
        let outcome = if case.fault == "hang" {
            "WatchdogAbandoned"
        } else {
            "CodecCrashed"
        };
        assert_eq!(error.outcome(), outcome);
        assert_eq!(rig.ledger("restarts"), 1);
        assert_eq!(rig.ledger("opened"), 2);
    });
}

/// While the parent's streaming thread waits in it, a session is stopped.
#[test]
fn a_stop_while_the_child_hangs_is_bounded() {
    const THIS: &str = "ends::a_stop_while_the_child_hangs_is_bounded";
    if !is_child() {
        for script in [
            "svt_av1_enc_init:hang",
            "svt_av1_enc_send_picture:hang@10",
            "svt_av1_enc_get_packet:hang@10",
        ] {
            let run = Launch::this_test(THIS).rehearse(script).run();
            assert_eq!(run.code(), 0, "{script}: {}", run.text());
        }
        return;
    }
    let far = "watchdog-timeout=600000000000 drain-timeout=600000000000 \
               open-timeout=600000000000 close-timeout=1000000000";
    let rig = Rig::new(Element::Encoder, far);
    rig.play();
    let hung = || {
        let stats = rig.stats();
        let age = stats.get::<u64>("call-age").unwrap_or(0);
        age > 500_000_000
    };
    crate::rig::eventually("a call that hangs", hung);
    let process = rig.process();
    assert!(exists(process));
    let took = rig.stop();
    assert!(took < NULL + SLACK, "{took:?}");
    rig.leaves_nothing();
}

#[test]
fn after_a_call_has_failed_the_codec_is_only_closed() {
    const SEND: &str = "svt_av1_enc_send_picture";
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // The next picture is at hand when the call returns.
    let script = format!("{SEND}:delay=200ms@5,{SEND}:fail@5,{SEND}:trace@6+");
    let run = Launch::pipeline(
        "videotestsrc ! video/x-raw,format=I420,width=128,height=128 \
         ! svtav1watchenc preset=12 isolate=true isolate-policy=open ! fakesink",
    )
    .rehearse(&script)
    .env("CODECWATCH_REHEARSE_LOG", &log)
    .bound(Duration::from_secs(60))
    .run();
    assert_ne!(run.code(), 0, "{}", run.text());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("fails (call 5"), "{log}");
    // The close ends the stream, which is one call more.
    assert!(!log.contains("(call 7"), "{log}");
}
