// SPDX-License-Identifier: MPL-2.0
//! Supervises native codecs: a codec session runs on a worker of its own, and
//! a [`Run`] decides from outside whether it idles, works, is held up by
//! downstream, is slow, or is wedged.
//!
//! Nothing here knows GStreamer or a codec. [`Machine`] is the pure core: it
//! has no clock, no thread and no lock. [`Run`] gives it all three: it is the
//! only place that reads the clock and the only place that waits.
//!
//! A codec implements [`Codec`] (a factory that travels to the worker) and
//! [`Session`] (what the factory makes there and what never leaves).
//!
//! What others need to know of a session it publishes as facts ([`Run::facts`]);
//! what only the codec knows it is asked on its worker, with a bound ([`Run::ask`]).
#![forbid(unsafe_code)]

mod account;
mod amount;
mod budgets;
mod clock;
mod driver;
mod evidence;
pub mod guard;
mod host;
#[cfg(test)]
mod interleavings;
mod kill_hook;
mod lane;
mod ledger;
mod machine;
mod name;
mod open_permit;
mod opening;
mod outcome;
mod procfs;
mod question;
#[cfg(feature = "rehearse")]
mod rehearse;
mod retirement;
mod run;
mod session;
mod state;
mod sync;
mod telling;
mod witness;
mod worker;

pub use account::{Account, Change};
pub use amount::Amount;
pub use budgets::{Budgets, Phase};
pub use evidence::{Activity, Evidence, Sample, Source, ThreadTimes};
pub use lane::{Discarded, Lane, Sibling};
pub use ledger::{Ledger, LedgerInUse, ledger, share_ledger};
pub use machine::{Action, CallKind, Event, Machine, Reason, Snapshot, Verdict};
pub use name::Name;
pub use outcome::{Fault, FaultCause, Outcome};
pub use run::{
    AskResult, CloseResult, DrainResult, Next, Options, Run, Slow, StartError, Stats, Trace,
    WaitResult,
};
pub use session::{Codec, CodecError, Drained, Flush, Library, Session};
pub use witness::{AdoptedThreads, ChildProcess, Witness};
