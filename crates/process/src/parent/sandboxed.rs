// SPDX-License-Identifier: MPL-2.0
//! What a child says of its sandbox: once, before it opens its session, and not less than
//! was asked for. Whether it is true, the parent cannot know; the child says it before it
//! has touched any input.

use super::LONGEST_TEXT;
use crate::child::Sandbox;
use crate::launch::printable;
use crate::sandbox::{Mechanism, Report};
use crate::wire::Broken;

/// The most things that a report lacks besides its mechanisms.
const MOST_OTHERS: usize = 8;

#[derive(Debug)]
pub(super) struct Sandboxed {
    asked: Sandbox,
    /// Whether it is whole, once the child has told of it.
    is_whole: Option<bool>,
}

impl Sandboxed {
    pub(super) fn new(asked: Sandbox) -> Self {
        Self {
            asked,
            is_whole: None,
        }
    }

    /// The child tells of its sandbox. Returns what can be shown to a user.
    ///
    /// # Errors
    /// It has told already, or it is another sandbox.
    pub(super) fn told(&mut self, report: Report) -> Result<Report, Broken> {
        if report.policy != self.asked.policy {
            return Err(Broken::new(format!(
                "its sandbox is {}, and was to be {}",
                report.policy, self.asked.policy
            )));
        }
        match self.is_whole.replace(report.is_whole()) {
            None => Ok(shown(report)),
            Some(_) => Err(Broken::new("it tells of its sandbox twice")),
        }
    }

    /// The child has opened its session.
    ///
    /// # Errors
    /// It has told of no sandbox, or of one with which it was not to.
    pub(super) fn opened(&self) -> Result<(), Broken> {
        match self.is_whole {
            None => Err(Broken::new(
                "it opens a session before its sandbox is closed",
            )),
            Some(false) if self.asked.strictly => Err(Broken::new(
                "it opens a session, and its sandbox is not whole",
            )),
            Some(_) => Ok(()),
        }
    }
}

fn shown(report: Report) -> Report {
    let text = |text: String| printable(text.as_bytes(), LONGEST_TEXT, false);
    let mechanism = |mechanism| match mechanism {
        Mechanism::Missing(reason) => Mechanism::Missing(text(reason)),
        other => other,
    };
    Report {
        landlock: mechanism(report.landlock),
        seccomp: mechanism(report.seccomp),
        others: report
            .others
            .into_iter()
            .take(MOST_OTHERS)
            .map(text)
            .collect(),
        ..report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Policy;

    fn report(landlock: Mechanism) -> Report {
        Report {
            policy: Policy::Strict,
            landlock,
            seccomp: Mechanism::InForce(1),
            others: Vec::new(),
            uncovered_threads: 0,
        }
    }

    fn asked(strictly: bool) -> Sandboxed {
        Sandboxed::new(Sandbox {
            policy: Policy::Strict,
            strictly,
        })
    }

    #[test]
    fn a_session_opens_behind_a_sandbox_that_is_whole_if_that_is_asked_for() {
        let lacks = || report(Mechanism::Missing("none".into()));
        for (strictly, report, opens) in [
            (true, report(Mechanism::InForce(7)), true),
            (true, lacks(), false),
            (true, report(Mechanism::Unused), false),
            (false, lacks(), true),
        ] {
            let mut sandboxed = asked(strictly);
            assert!(sandboxed.opened().is_err(), "before it is closed");
            sandboxed.told(report).unwrap();
            assert_eq!(sandboxed.opened().is_ok(), opens);
        }
    }

    #[test]
    fn it_is_told_of_once_and_is_the_one_that_was_asked_for() {
        let mut sandboxed = asked(false);
        let open = Report {
            policy: Policy::Open,
            ..report(Mechanism::Unused)
        };
        let other = sandboxed.told(open).unwrap_err();
        assert!(other.0.contains("was to be strict"), "{other}");
        let whole = report(Mechanism::InForce(7));
        sandboxed.told(whole.clone()).unwrap();
        assert!(sandboxed.told(whole).is_err());
    }

    #[test]
    fn its_texts_are_printable_and_few() {
        let text = || "\u{1b}[31m".repeat(10_000);
        let long = Report {
            others: vec![text(); 100],
            ..report(Mechanism::Missing(text()))
        };
        let shown = asked(false).told(long).unwrap().to_string();
        assert!(!shown.chars().any(char::is_control), "{shown}");
        assert!(shown.len() < 20_000, "{}", shown.len());
    }
}
