// SPDX-License-Identifier: MPL-2.0
//! Fault rehearsals that every supervised element has to pass, with
//! `gst-launch-1.0` in a child process and the fault shim against the real
//! library.

use std::time::Duration;

use crate::{Finished, Launch};

/// Budgets that the rehearsals give: short, so that they end soon.
pub const BUDGET: Duration = Duration::from_secs(2);
/// What the element may take to close.
pub const CLOSE: Duration = Duration::from_secs(1);
/// What a noisy machine with two cores may add. Figures are the benchmark's
/// affair; here a run only must not hang.
pub const SLACK: Duration = Duration::from_secs(8);

/// An element with what comes before and after it.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The pipeline up to the element.
    pub source: &'static str,
    /// The element with its own properties.
    pub element: &'static str,
    /// The pipeline behind it.
    pub sink: &'static str,
}

impl Subject {
    /// The pipeline with the rehearsal's budgets and further properties.
    pub fn launch(&self, properties: &str) -> Launch {
        let budget = BUDGET.as_nanos();
        let close = CLOSE.as_nanos();
        Launch::pipeline(&format!(
            "{} ! {} watchdog-timeout={budget} drain-timeout={budget} open-timeout={budget} \
             close-timeout={close} {properties} ! {}",
            self.source, self.element, self.sink
        ))
    }

    /// A call that never returns: the pipeline ends with an error that names it,
    /// within its budgets, and without EOS.
    pub fn survives_a_hang(&self, script: &str) -> Finished {
        let call = called(script);
        let run = self
            .launch("")
            .rehearse(script)
            .bound(Duration::from_secs(60))
            .run();
        let text = run.text();
        assert_eq!(run.code(), 1, "{text}");
        assert!(!run.says("(eos)"), "EOS after a wedge: {text}");
        assert!(run.says("WatchdogAbandoned: "), "{text}");
        assert!(
            run.lines
                .iter()
                .any(|line| line.text.contains("ERROR") && line.text.contains(call)),
            "the error does not name {call}: {text}"
        );
        let struck = run.when("rehearse: ");
        assert!(
            run.took <= struck + BUDGET + CLOSE + SLACK,
            "{:?}: {text}",
            run.took - struck
        );
        run
    }

    /// A call that fails: an error at once, and no EOS.
    pub fn survives_a_failure(&self, script: &str) -> Finished {
        let run = self
            .launch("")
            .rehearse(script)
            .bound(Duration::from_secs(60))
            .run();
        let text = run.text();
        assert_eq!(run.code(), 1, "{text}");
        assert!(!run.says("(eos)"), "EOS after a failure: {text}");
        assert!(run.says("CodecFailed: "), "{text}");
        run
    }

    /// A worker that panics: the same, and the process ends by itself.
    pub fn survives_a_panic(&self, script: &str) -> Finished {
        let run = self
            .launch("")
            .rehearse(script)
            .bound(Duration::from_secs(60))
            .run();
        let text = run.text();
        assert_eq!(run.code(), 1, "{text}");
        assert!(!run.says("(eos)"), "EOS after a panic: {text}");
        assert!(run.says("CodecPanicked: "), "{text}");
        run
    }

    /// Ctrl-C while a call hangs and the watchdog is far away: the state change
    /// is bounded by `close-timeout`.
    pub fn can_be_interrupted(&self, script: &str) {
        let mut run = self
            .launch("watchdog-timeout=600000000000 drain-timeout=600000000000 open-timeout=600000000000")
            .rehearse(script)
            .bound(Duration::from_secs(60))
            .start();
        let struck = run.wait_for("rehearse: ");
        std::thread::sleep(Duration::from_millis(300));
        let interrupted = run.elapsed();
        run.signal(libc::SIGINT);
        let run = run.finish();
        let took = run.took - interrupted;
        assert!(
            took <= CLOSE + SLACK,
            "{script}, struck at {struck:?}: {took:?}: {}",
            run.text()
        );
    }

    /// A close that never returns after a complete stream: EOS, exit code 0, and
    /// a warning that names the call.
    pub fn warns_of_a_stuck_close(&self, script: &str) -> Finished {
        let call = called(script);
        let run = self
            .launch("")
            .rehearse(script)
            .bound(Duration::from_secs(60))
            .run();
        let text = run.text();
        assert_eq!(run.code(), 0, "{text}");
        assert!(run.says("(eos)"), "{text}");
        assert!(
            run.lines
                .iter()
                .any(|line| line.text.contains("WARNING") && line.text.contains(call)),
            "no warning names {call}: {text}"
        );
        run
    }
}

fn called(script: &str) -> &str {
    script.split(':').next().unwrap_or(script)
}
