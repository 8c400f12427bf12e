// SPDX-License-Identifier: MPL-2.0
//! What a scenario's process says of itself, as one line.

use serde::{Deserialize, Serialize};

/// What is seen of a whole scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What the process held before its first pipeline.
    pub before: Holding,
    /// Each doing of the steps.
    pub lives: Vec<Life>,
}

/// What is seen while the steps are done once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Life {
    /// Element errors, in their order.
    pub errors: Vec<Complaint>,
    /// Element warnings.
    pub warnings: Vec<Complaint>,
    /// EOS came out of the element.
    pub eos_out: bool,
    /// The pipeline posted EOS.
    pub eos: bool,
    /// EOS came out of the element after it had posted an error, and before it was
    /// stopped.
    pub eos_after_error: bool,
    /// The element has posted an error since it was started.
    #[serde(skip)]
    pub failed: bool,
    /// `codecwatch-slow` messages.
    pub slow: u32,
    /// `codecwatch-restarted` messages.
    pub restarts: u32,
    /// Frames that went in, those still with the source included.
    pub given: u64,
    /// Buffers that came out.
    pub taken: u64,
    /// Requests for a key frame that the element sent upstream.
    pub key_requests: u32,
    /// Steps that waited in vain.
    pub vain: Vec<String>,
    /// The longest that a change to READY or NULL took, in milliseconds.
    pub stopped_in: Option<f64>,
    /// What the process holds afterwards.
    pub after: Holding,
}

/// A message on the bus.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Complaint {
    /// When it was posted, in seconds of the monotonic clock.
    pub at: f64,
    /// Whether the element under test posted it. (A source posts an error of its
    /// own when it is answered with one.)
    pub own: bool,
    /// Domain and code, such as `STREAM/ENCODE`.
    pub code: String,
    /// What a user reads.
    pub text: String,
    /// The `codecwatch-fault` structure.
    pub fault: Option<Fault>,
}

/// The fields of `codecwatch-fault`; `None` is one that is missing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Fault {
    /// How the run ended.
    pub outcome: Option<String>,
    /// Where it was.
    pub phase: Option<String>,
    /// The call in flight; empty where there was none.
    pub call: Option<String>,
    /// For how long, in milliseconds.
    pub call_age: Option<f64>,
    /// Frames in.
    pub frames_in: Option<u64>,
    /// Frames out.
    pub frames_out: Option<u64>,
    /// Inputs that waited.
    pub queued: Option<u32>,
    /// What the codec's threads were seen doing.
    pub evidence: Option<String>,
    /// Their CPU time meanwhile, in milliseconds.
    pub cpu: Option<f64>,
    /// Abandoned workers.
    pub abandoned: Option<u32>,
}

impl Fault {
    /// Whether everything that the contract asks for is there.
    pub fn is_complete(&self) -> bool {
        self.outcome.is_some()
            && self.phase.is_some()
            && self.call.is_some()
            && self.call_age.is_some()
            && self.frames_in.is_some()
            && self.frames_out.is_some()
            && self.queued.is_some()
            && self.evidence.is_some()
            && self.cpu.is_some()
            && self.abandoned.is_some()
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Holding {
    /// Threads.
    pub threads: usize,
    /// Of these, those of the codec: the worker, its lanes and the library's own.
    pub codec_threads: usize,
    /// Resident memory in kB.
    pub memory: u64,
    /// Workers abandoned so far.
    pub abandoned: usize,
    /// Of these, reclaimed.
    pub reclaimed: usize,
}
