// SPDX-License-Identifier: MPL-2.0
//! Whether the process is ready for work, and if it is not, why.

use serde::Serialize;

use crate::report::{Element, Report};

/// Why the process is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// `wedged`, `failed`, `ledger`, `shutdown`, or `unreadable`.
    pub kind: &'static str,
    /// The path of the element, or the name of the codec; empty for the whole process.
    pub about: String,
    /// The same in a sentence.
    pub text: String,
}

/// Why this process is not ready for work; empty if it is. `draining`: it shuts down.
pub fn reasons(report: &Report, draining: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if draining {
        reasons.push(Reason {
            kind: "shutdown",
            about: String::new(),
            text: "the process drains for shutdown".to_owned(),
        });
    }
    for element in &report.elements {
        reasons.extend(reason_of(element, report));
    }
    for codec in &report.codecs {
        if codec.limit > 0 && codec.outstanding >= u64::from(codec.limit) {
            reasons.push(Reason {
                kind: "ledger",
                about: codec.name.clone(),
                text: format!(
                    "{} workers of {} that were abandoned or are closing hold resources, and \
                     max-abandoned allows {}: no session is opened",
                    codec.outstanding, codec.name, codec.limit
                ),
            });
        }
    }
    reasons
}

/// The reason of a process whose source does not answer.
pub(crate) fn unreadable() -> Reason {
    Reason {
        kind: "unreadable",
        about: String::new(),
        text: "what the elements publish could not be read in time".to_owned(),
    }
}

fn reason_of(element: &Element, report: &Report) -> Option<Reason> {
    let wedged = element.verdict == "wedged";
    if !wedged && !element.failed {
        return None;
    }
    let mut text = element.path.clone();
    text += if wedged { " is wedged" } else { " has failed" };
    if !wedged && !["none", "Completed"].contains(&&*element.outcome) {
        text += &format!(": {}", element.outcome);
    }
    if let Some(call) = element.call.as_ref().filter(|_| wedged) {
        let age = call.age.as_secs_f64();
        text += &format!(", in {} for {age:.1} s", call.name);
    }
    // What was posted on the bus says more.
    let mut faults = report.faults.iter().rev();
    if let Some(fault) = faults.find(|fault| fault.path == element.path) {
        text += &format!(" ({})", fault.text);
    }
    Some(Reason {
        kind: if wedged { "wedged" } else { "failed" },
        about: element.path.clone(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{Call, Codec, Fault};

    fn element(verdict: &str, failed: bool) -> Element {
        Element {
            path: "/pipeline0/enc".to_owned(),
            phase: "draining".to_owned(),
            verdict: verdict.to_owned(),
            outcome: "none".to_owned(),
            failed,
            call: Some(Call {
                name: "svt_av1_enc_get_packet".to_owned(),
                age: Duration::from_millis(2_040),
            }),
            ..Element::default()
        }
    }

    fn of(element: Element) -> Vec<Reason> {
        let report = Report {
            elements: vec![element],
            ..Report::default()
        };
        reasons(&report, false)
    }

    #[test]
    fn a_process_whose_codecs_work_is_ready() {
        assert!(reasons(&Report::default(), false).is_empty());
        for verdict in ["idle", "working", "backpressured", "slow"] {
            assert!(of(element(verdict, false)).is_empty(), "{verdict}");
        }
    }

    #[test]
    fn a_wedged_codec_is_named_with_its_call() {
        for failed in [false, true] {
            let [reason] = &of(element("wedged", failed))[..] else {
                panic!("not one reason");
            };
            assert_eq!((reason.kind, &*reason.about), ("wedged", "/pipeline0/enc"));
            assert_eq!(
                reason.text,
                "/pipeline0/enc is wedged, in svt_av1_enc_get_packet for 2.0 s"
            );
        }
    }

    #[test]
    fn a_failed_element_is_named_with_its_last_message() {
        let fault = |path: &str, text: &str| Fault {
            path: path.to_owned(),
            text: text.to_owned(),
            ..Fault::default()
        };
        let mut failed = element("idle", true);
        failed.outcome = "CodecFailed".to_owned();
        let report = Report {
            elements: vec![failed],
            faults: vec![
                fault("/pipeline0/enc", "an older one"),
                fault("/pipeline0/enc", "no memory"),
                fault("/pipeline0/dec", "another's"),
            ],
            ..Report::default()
        };
        let [reason] = &reasons(&report, false)[..] else {
            panic!("not one reason");
        };
        assert_eq!(reason.kind, "failed");
        assert_eq!(
            reason.text,
            "/pipeline0/enc has failed: CodecFailed (no memory)"
        );
    }

    #[test]
    fn a_ledger_at_its_limit_is_a_reason_and_one_below_is_none() {
        let with = |outstanding, limit| {
            let codec = Codec {
                name: "SVT-AV1".to_owned(),
                outstanding,
                limit,
                ..Codec::default()
            };
            let report = Report {
                codecs: vec![codec],
                ..Report::default()
            };
            reasons(&report, false)
        };
        assert!(with(3, 4).is_empty());
        assert!(with(9, 0).is_empty(), "without a limit");
        let [reason] = &with(4, 4)[..] else {
            panic!("not one reason");
        };
        assert_eq!((reason.kind, &*reason.about), ("ledger", "SVT-AV1"));
    }

    #[test]
    fn a_process_that_shuts_down_is_not_ready() {
        let reasons = reasons(&Report::default(), true);
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].kind, "shutdown");
    }
}
