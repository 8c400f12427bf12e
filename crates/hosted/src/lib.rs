// SPDX-License-Identifier: MPL-2.0
//! A chain of GStreamer elements as a session of the supervisor: any codec that
//! GStreamer has, run by a worker.
//!
//! [`check`] reads a description and compares it with what is installed. [`Hosted`]
//! opens the chain on its worker, which alone touches the elements from then on. The
//! pipeline around it is seen through [`Outside`].
//!
//! Unsafe: one call in `relay`, classes that are defined at run time (`class`, `spec`,
//! `presets`, `signals`) and the last references in `lent`, for which the bindings have no
//! function.

mod bus;
mod chain;
mod check;
pub mod class;
mod coded;
mod description;
mod device_memory;
mod entrance;
mod in_flight;
mod io;
mod key_frame;
mod left_out;
mod lent;
mod link;
pub mod loading;
mod mirror;
pub mod originals;
mod other_message;
mod outside;
mod pads;
mod presets;
mod readiness;
pub mod relay;
mod remote;
mod said;
mod session;
pub mod signals;
mod span;
pub mod spec;

pub use check::{Chain, CheckError, Kind, check, value_of};
pub use description::{Description, Part, SyntaxError};
pub use entrance::Entrance;
pub use io::{Content, Input, Output, PendingQuery, Posted, Qos, Report};
pub use left_out::LeftOut;
pub use mirror::{Mirror, Values};
pub use outside::Outside;
pub use readiness::{Readiness, try_ready};
pub use remote::{ChainSession, Config, Lends, RemoteHosted};
pub use said::Said;
pub use session::{Facts, Hosted, HostedSession, Metadata, Tags};
