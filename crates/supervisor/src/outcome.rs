// SPDX-License-Identifier: MPL-2.0
//! How a run ended.

use std::time::Duration;

use crate::lane::LaneFault;
use crate::{CodecError, Name, Reason, Snapshot};

/// How a run ended. Produced once, by the supervisor.
#[must_use]
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Everything that went in came out.
    Completed,
    /// The codec was wedged and has been abandoned.
    WatchdogAbandoned(Box<Fault>),
    /// The worker panicked.
    CodecPanicked(Box<Fault>),
    /// The codec returned an error.
    CodecFailed(Box<Fault>),
    /// The codec died, with the process that it ran in.
    CodecCrashed(Box<Fault>),
}

impl Outcome {
    /// The name of [`CodecFailed`](Self::CodecFailed): a stream may end like that without
    /// a fault of its session, too.
    pub const CODEC_FAILED: &'static str = "CodecFailed";

    /// The name that programs compare.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Completed => "Completed",
            Outcome::WatchdogAbandoned(_) => "WatchdogAbandoned",
            Outcome::CodecPanicked(_) => "CodecPanicked",
            Outcome::CodecFailed(_) => Self::CODEC_FAILED,
            Outcome::CodecCrashed(_) => "CodecCrashed",
        }
    }

    /// The fault; `None` after `Completed`.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Outcome::Completed => None,
            Outcome::WatchdogAbandoned(fault)
            | Outcome::CodecPanicked(fault)
            | Outcome::CodecFailed(fault)
            | Outcome::CodecCrashed(fault) => Some(fault),
        }
    }

    pub(crate) fn of(fault: Fault) -> Self {
        let fault = Box::new(fault);
        match fault.cause {
            FaultCause::Wedged { .. } => Outcome::WatchdogAbandoned(fault),
            FaultCause::Panicked(_) => Outcome::CodecPanicked(fault),
            FaultCause::Failed(_) => Outcome::CodecFailed(fault),
            FaultCause::Crashed(_) => Outcome::CodecCrashed(fault),
        }
    }
}

/// What ended a run prematurely.
#[derive(Debug, Clone)]
pub enum FaultCause {
    /// The session owed progress and made none.
    Wedged {
        /// What it owed.
        reason: Reason,
        /// The budget that ran out.
        budget: Duration,
    },
    /// The worker panicked with this message.
    Panicked(String),
    /// The codec returned this error.
    Failed(CodecError),
    /// The process that the codec ran in died, by this signal or with this exit
    /// code.
    Crashed(String),
}

impl From<LaneFault> for FaultCause {
    fn from(fault: LaneFault) -> Self {
        match fault {
            LaneFault::Failed(CodecError::Crashed { what }) => FaultCause::Crashed(what),
            LaneFault::Failed(CodecError::Panicked(message)) => FaultCause::Panicked(message),
            LaneFault::Failed(error) => FaultCause::Failed(error),
            LaneFault::Panicked(message) => FaultCause::Panicked(message),
        }
    }
}

/// Where and how a session failed.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The library's name.
    pub library: Name,
    /// The run's [`id`](crate::Run::id).
    pub id: u64,
    /// What ended it.
    pub cause: FaultCause,
    /// The state of the session at that moment.
    pub at: Snapshot,
    /// Abandoned workers of the library that still hold resources, this one included.
    pub abandoned: usize,
    /// The process that the codec runs in, if that is another than this: it is killed when
    /// the session is abandoned.
    pub process: Option<u32>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.cause {
            FaultCause::Wedged { reason, budget } => {
                write!(
                    f,
                    "{} {} within {:.1?}",
                    self.library,
                    reason.describe(),
                    budget
                )?;
            }
            FaultCause::Panicked(message) => {
                write!(f, "the worker of {} panicked: {message}", self.library)?;
            }
            FaultCause::Failed(error) => write!(f, "{}: {error}", self.library)?,
            FaultCause::Crashed(what) => write!(f, "{} crashed: {what}", self.library)?,
        }
        write!(f, " (while {}", self.at.phase.name())?;
        for (name, age) in &self.at.calls {
            write!(f, "; in {name} for {:.1} s", age.as_secs_f64())?;
        }
        write!(
            f,
            "; {} frames in, {} out, {} queued, {} inside",
            self.at.frames_in, self.at.frames_out, self.at.queued, self.at.inside
        )?;
        if self.at.frames_discarded > 0 {
            write!(f, ", {} discarded", self.at.frames_discarded)?;
        }
        if let Some(evidence) = &self.at.evidence {
            write!(
                f,
                "; {} threads {}, {:.0} ms of CPU time in the last {:.0} ms",
                evidence.threads,
                evidence.activity.name(),
                evidence.cpu.as_secs_f64() * 1e3,
                evidence.observed.as_secs_f64() * 1e3,
            )?;
        }
        if let Some(process) = self.process {
            write!(f, "; in process {process}")?;
        }
        if self.abandoned > 0 {
            write!(f, "; {} abandoned", self.abandoned)?;
        }
        f.write_str(")")
    }
}
