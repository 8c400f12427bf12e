// SPDX-License-Identifier: MPL-2.0
//! SVT-AV1 encoder sessions for the supervisor.
//!
//! [`Config`] is the settings in plain words: plain data, and all that opens a
//! session. What this library needs of its environment, a place for its log, it
//! knows for the whole process only: see [`set_log`]. [`Config::check`] says what the
//! installed library takes, [`Config::latency_frames`] how long it keeps frames,
//! [`Config::can_force_key`] and [`Config::can_change_bitrate`] what can be asked
//! of a running session; none of them opens one. [`SvtAv1`] opens a
//! [`SvtAv1Session`] on its worker, which takes [`Picture`]s and gives
//! [`Output`]s: a sequence header, then packets.
//!
//! Every library from 1.4 on is served by the same source: the bindings are made
//! from the header that is installed when this crate is built, layouts differ by
//! `cfg`, and behaviour by [`Version`].

mod bitrate;
mod config;
mod effective;
mod encode_session;
mod encoder;
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
pub use version::{Version, runtime};
