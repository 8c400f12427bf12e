// SPDX-License-Identifier: MPL-2.0
//! What an application sees of each outcome: domain and code of the message.

use std::time::Duration;

use codecwatch_supervisor::{Reason, Snapshot, Verdict};

use super::*;

/// An element with a bus of its own.
fn element() -> (gst::Element, gst::Bus) {
    gst::init().unwrap();
    let element = gst::Bin::new().upcast::<gst::Element>();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (element, bus)
}

fn fault(phase: Phase, cause: FaultCause) -> Fault {
    Fault {
        library: "codec".into(),
        id: 1,
        cause,
        at: Snapshot {
            phase,
            verdict: Verdict::Idle,
            frames_in: 0,
            frames_out: 0,
            frames_discarded: 0,
            queued: 0,
            inside: 0,
            time_in: Duration::ZERO,
            time_out: Duration::ZERO,
            time_discarded: Duration::ZERO,
            time_inside: Duration::ZERO,
            outbox: 0,
            calls: Vec::new(),
            evidence: None,
            late: 0,
            worst_calls: Vec::new(),
        },
        abandoned: 0,
        process: None,
    }
}

/// The error that is posted for an outcome.
fn error(role: Role, outcome: &Outcome) -> gst::glib::Error {
    let (element, bus) = element();
    post_outcome(&element, role, outcome, None);
    posted(&bus)
}

fn posted(bus: &gst::Bus) -> gst::glib::Error {
    let message = bus.pop().expect("a message");
    match message.view() {
        gst::MessageView::Error(error) => error.error(),
        gst::MessageView::Warning(warning) => warning.error(),
        other => panic!("{other:?}"),
    }
}

fn failed(phase: Phase, error: CodecError) -> Outcome {
    Outcome::CodecFailed(Box::new(fault(phase, FaultCause::Failed(error))))
}

fn wedged(phase: Phase) -> Outcome {
    let cause = FaultCause::Wedged {
        reason: Reason::Call,
        budget: Duration::from_secs(1),
    };
    Outcome::WatchdogAbandoned(Box::new(fault(phase, cause)))
}

#[test]
fn a_fault_while_running_is_an_error_of_encoding_or_decoding() {
    for phase in [Phase::Running, Phase::Draining] {
        let native = CodecError::Native {
            call: "send".into(),
            code: -1,
            reason: "no".to_owned(),
        };
        for outcome in [wedged(phase), failed(phase, native)] {
            assert!(error(Role::Encoder, &outcome).matches(gst::StreamError::Encode));
            assert!(error(Role::Decoder, &outcome).matches(gst::StreamError::Decode));
        }
    }
}

#[test]
fn a_fault_before_that_is_one_of_initialisation() {
    for phase in [Phase::Waiting, Phase::Opening] {
        let error = error(Role::Encoder, &wedged(phase));
        assert!(error.matches(gst::LibraryError::Init));
    }
}

#[test]
fn settings_and_resources_that_lack_have_codes_of_their_own_whatever_the_phase() {
    for phase in [Phase::Opening, Phase::Running] {
        let settings = failed(phase, CodecError::Settings("no".to_owned()));
        let error_of = |outcome| error(Role::Encoder, outcome);
        assert!(error_of(&settings).matches(gst::LibraryError::Settings));
        let resource = failed(phase, CodecError::Resource("no".to_owned()));
        assert!(error_of(&resource).matches(gst::ResourceError::NoSpaceLeft));
    }
}

#[test]
fn what_completed_is_no_error() {
    let (element, bus) = element();
    post_outcome(&element, Role::Encoder, &Outcome::Completed, None);
    assert!(bus.pop().is_none());
}

#[test]
fn a_stuck_close_is_a_warning_of_the_shutdown() {
    let (element, bus) = element();
    let cause = FaultCause::Panicked("no".to_owned());
    post_stuck_close(&element, "Completed", &fault(Phase::Closing, cause), None);
    assert!(posted(&bus).matches(gst::LibraryError::Shutdown));
}

#[test]
fn a_child_that_does_not_die_is_a_warning_that_names_its_process() {
    let (element, bus) = element();
    let survivor = Survivor {
        process: 4711,
        refused: None,
    };
    post_survivor(&element, &survivor);
    let warning = posted(&bus);
    assert!(warning.matches(gst::LibraryError::Shutdown), "{warning}");
    assert!(
        warning.message().contains("process 4711 was killed"),
        "{warning}"
    );
}
