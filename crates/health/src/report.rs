// SPDX-License-Identifier: MPL-2.0
//! What is known of the supervised codecs of a process, as plain data. `/health` shows
//! it as JSON with these names; `docs/HEALTH.md` describes the fields.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Where a [`Report`] comes from.
pub trait Source: Send + Sync + 'static {
    /// The state of the process now. Called on a thread that has nothing else to do, and
    /// must not wait for a codec.
    fn read(&self) -> Report;
}

/// The state of a process at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The supervised elements that exist, in the order in which they were made.
    pub elements: Vec<Element>,
    /// The codecs that have had sessions in this process, by name.
    pub codecs: Vec<Codec>,
    /// The last faults, the oldest first.
    pub faults: Vec<Fault>,
}

/// A supervised element. What concerns a session concerns the one that its property
/// `stats` describes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Element {
    /// Unique in the process, and never used again.
    pub id: u64,
    /// Its name, such as `svtav1watchenc0`.
    pub name: String,
    /// Its place among the bins that it is in.
    pub path: String,
    /// The name of its factory.
    pub factory: String,
    /// The codec of its session; empty before the first.
    pub codec: String,
    /// The number of its session; 0 before the first.
    pub session: u64,
    /// The process of its latest session with `isolate=true`, if there was one.
    pub process: Option<u32>,
    /// When its newest session was started, since 1970; 0 before the first.
    #[serde(serialize_with = "seconds")]
    pub session_started: Duration,
    /// The phase of its session, or `none`.
    pub phase: String,
    /// The verdict on its session.
    pub verdict: String,
    /// How its run has ended, or `none`.
    pub outcome: String,
    /// The element has posted an error, and takes no more buffers until it has been to
    /// READY.
    pub failed: bool,
    /// The native call in flight that is suspected first, if any.
    pub call: Option<Call>,
    /// Frames, over all sessions of the element.
    pub frames: Frames,
    /// Inputs that wait for the codec.
    pub queued: u32,
    /// Frames inside the codec.
    pub inside: u32,
    /// Outputs that wait for downstream.
    pub waiting_for_downstream: u32,
    /// How long the last frame that came out was inside the element.
    #[serde(rename = "lag_seconds", serialize_with = "seconds")]
    pub lag: Duration,
    /// Restarts since the element was last in READY.
    pub restarts: u32,
    /// What the threads of the codec did when it was last necessary to look.
    pub evidence: String,
    /// How often the watchdog of the session came too late to judge.
    pub watchdog_late: u64,
    /// Its property `close-timeout`: how long a state change can take.
    #[serde(rename = "close_timeout_seconds", serialize_with = "seconds")]
    pub close_timeout: Duration,
    /// Its property `max-abandoned`; 0 is no limit.
    pub max_abandoned: u32,
}

/// A native call in flight.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Call {
    /// The function.
    pub name: String,
    /// How long it has been in flight.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
}

/// Frames of an element. These numbers never decrease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Frames {
    /// Submitted to a session.
    #[serde(rename = "in")]
    pub into: u64,
    /// Come out, and on their way downstream.
    pub out: u64,
    /// Lost with a session after which another took over.
    pub lost: u64,
}

/// A codec: what has become of its sessions, and how long it takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Codec {
    /// Its name.
    pub name: String,
    /// The ledger's account.
    pub ledger: Ledger,
    /// Workers that hold resources in the background: abandoned ones that have not been
    /// reclaimed, and retiring ones.
    pub outstanding: u64,
    /// At how many of these no session is opened; 0 is no limit.
    pub limit: u32,
    /// Frames that were submitted.
    pub frames_in: u64,
    /// Frames that have come out.
    pub frames_out: u64,
    /// How long frames were inside an element.
    #[serde(skip)]
    pub lag: Times,
    /// How long the native calls that have returned took, by name.
    #[serde(skip)]
    pub calls: Vec<(String, Times)>,
}

/// The account of a codec. Only `retiring` ever decreases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Sessions whose native open succeeded.
    pub opened: u64,
    /// Runs whose complete input came out.
    pub completed: u64,
    /// Runs that ended with an error of the codec.
    pub failed: u64,
    /// Runs that ended with a panic of the worker.
    pub panicked: u64,
    /// Runs whose codec died, with the process that it ran in.
    pub crashed: u64,
    /// Workers abandoned.
    pub abandoned: u64,
    /// Abandoned workers whose call has returned since.
    pub reclaimed: u64,
    /// Faults after which another session took over.
    pub restarts: u64,
    /// Sessions that close in the background now.
    pub retiring: u64,
}

impl Ledger {
    /// See [`Codec::outstanding`].
    pub(crate) fn outstanding(&self) -> u64 {
        self.abandoned.saturating_sub(self.reclaimed) + self.retiring
    }

    /// Of two readings of one account, or of two accounts of one name, the greater
    /// numbers: as each never decreases, neither does the greater of two.
    pub(crate) fn greatest(&self, other: &Self) -> Self {
        Self {
            opened: self.opened.max(other.opened),
            completed: self.completed.max(other.completed),
            failed: self.failed.max(other.failed),
            panicked: self.panicked.max(other.panicked),
            crashed: self.crashed.max(other.crashed),
            abandoned: self.abandoned.max(other.abandoned),
            reclaimed: self.reclaimed.max(other.reclaimed),
            restarts: self.restarts.max(other.restarts),
            retiring: self.retiring.max(other.retiring),
        }
    }
}

/// How often something took how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Times {
    /// Upper bounds, and how many took no longer than that, and longer than the bound
    /// before. The last has no bound.
    pub counts: Vec<(Option<Duration>, u64)>,
    /// How long all of them took together.
    pub sum: Duration,
}

impl Times {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Adds others that were counted with the same bounds.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
        } else {
            for ((_, count), (_, more)) in self.counts.iter_mut().zip(&other.counts) {
                *count += more;
            }
        }
        self.sum += other.sum;
    }
}

/// A fault, as it was posted on the bus.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fault {
    /// When, since 1970.
    #[serde(serialize_with = "seconds")]
    pub time: Duration,
    /// `failed`, `restarted`, `close`, or `slow`.
    pub kind: String,
    /// The name of the element.
    pub element: String,
    /// Its place among the bins.
    pub path: String,
    /// How the run has ended, or `none`.
    pub outcome: String,
    /// The phase of the session.
    pub phase: String,
    /// The native call in flight, if any.
    pub call: Option<Call>,
    /// The message.
    pub text: String,
}

/// Serializes a duration as a number of seconds.
pub(crate) fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}
