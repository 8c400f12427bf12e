// SPDX-License-Identifier: MPL-2.0
//! SVT-AV1 encoder sessions for the supervisor.
//!
//! [`Config`] contains the settings as plain data, and is complete: a copy opens the
//! same session. The library's environment is only a log sink, one for the whole
//! process: see [`set_log`]. [`Config::check`] tests whether the installed library
//! accepts the settings, [`Config::latency_frames`] returns how many frames it holds,
//! [`Config::can_force_key`] and [`Config::can_change_bitrate`] what a running session
//! supports; none of them opens a session. [`SvtAv1`] opens a [`SvtAv1Session`] on its
//! worker, which takes [`Picture`]s and emits [`Output`]s: a sequence header, then
//! packets.
//!
//! The same source supports every library from 1.4 on: the bindings are generated
//! from the header that is installed when this crate is built, layouts differ by
//! `cfg`, and behaviour by [`Version`].

mod bitrate;
mod check;
mod config;
mod effective;
mod encode_session;
mod encoder;
mod handle;
mod latency;
mod log;
mod native;
mod packet;
mod parameters;
mod picture;
mod preset_slot;
#[cfg(all(target_os = "linux", not(svt_4_0)))]
mod quiet_environment;
mod remarks;
mod remote;
mod rules;
#[cfg(test)]
mod rules_against_library;
mod sys;
mod teardown_gate;
mod version;

pub use config::{
    BitDepth, ChromaPosition, Color, Config, ContentLight, FrameRate, IntraRefresh,
    MasteringDisplay, RateControl,
};
pub use encode_session::{LIBRARY, SvtAv1, SvtAv1Session};
pub use log::{LogLevel, LogSink, set_log};
pub use packet::{FrameKind, Output, Packet};
pub use parameters::parse_parameters;
pub use picture::{Picture, Plane, Planes};
pub use remote::RemoteSvtAv1;
pub use version::{Version, runtime};
