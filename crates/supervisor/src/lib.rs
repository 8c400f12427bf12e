// SPDX-License-Identifier: MPL-2.0
//! Supervises native codecs: a codec session runs on its own worker, and a [`Run`]
//! decides from outside whether it is idle, working, backpressured, slow or wedged.
//!
//! Independent of GStreamer and of any codec. [`Machine`] is the pure core, without
//! clock, thread or lock. [`Run`] supplies all three: only it reads the clock and
//! waits.
//!
//! A codec implements [`Codec`] (a factory that is moved to the worker) and [`Session`]
//! (which the factory creates there, and which never leaves the worker).
//!
//! A session publishes information about itself as facts ([`Run::facts`]). What only
//! the codec knows is queried on its worker, with a time limit ([`Run::ask`]).
#![forbid(unsafe_code)]

mod account;
mod admission;
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
mod listener;
mod machine;
mod meter;
mod name;
mod open_permit;
mod opening;
mod outcome;
mod outlet;
mod procfs;
mod question;
#[cfg(feature = "rehearse")]
mod rehearse;
mod remote_calls;
mod remote_supervisor;
mod retirement;
mod run;
mod session;
mod state;
mod sync;
mod telling;
mod trace;
mod witness;
mod worker;

pub use account::{Account, Change};
pub use admission::StartError;
pub use amount::Amount;
pub use budgets::{Budgets, Phase};
pub use evidence::{Activity, Evidence, Sample, Source, ThreadTimes};
pub use lane::{Discarded, Lane, Sibling};
pub use ledger::{Ledger, LedgerInUse, ledger, share_ledger};
pub use listener::Listener;
pub use machine::{Action, CallKind, Event, Machine, Reason, Snapshot, Verdict};
pub use meter::{Distribution, Histogram, Meter, meters};
pub use name::Name;
pub use outcome::{Fault, FaultCause, Outcome};
pub use outlet::Outlet;
pub use procfs::MOST_THREADS;
pub use remote_calls::RemoteCalls;
pub use remote_supervisor::RemoteSupervisor;
pub use run::{AskResult, CloseResult, DrainResult, Next, Options, Run, Slow, Stats, WaitResult};
pub use session::{Codec, CodecError, Drained, Flush, Library, Session};
pub use trace::Trace;
pub use witness::{AdoptedThreads, ChildProcess, SetAside, Witness, set_aside};
