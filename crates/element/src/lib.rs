// SPDX-License-Identifier: MPL-2.0
//! Connects the supervisor to GStreamer. An element that implements [`Supervised`]
//! passes its input and its sink events to a [`Supervision`] and receives its output on
//! the source pad's task. Wedges, panics and errors are handled here, the same way for
//! every element.
//!
//! Data flow:
//!
//! ```text
//! sink pad --probe (waits for room)--> handle_frame --submit--> inbox
//!                                                                 | worker: the codec
//! src pad <--deliver-- output task (drives the machine) <------ outbox
//! ```
//!
//! In forward playback nothing waits with a base class's stream lock held: the wait for
//! room is in a probe on the sink pad, before the base class takes its lock, and the
//! wait for a drain is in `sink_event`, before the event is chained up. In reverse
//! playback a decoder has to wait under it: `video_decoder/reverse.rs` says why that is
//! safe.
#![forbid(unsafe_code)]

use std::sync::LazyLock;

mod asking;
mod draining;
mod ending;
mod event_table;
mod events;
mod evidence;
mod fault_resolution;
mod flow_returns;
mod isolation;
mod line;
mod opening;
mod output_task;
mod process_ledger;
mod process_type;
#[doc(hidden)]
pub mod properties;
mod published;
mod refusal;
mod report;
mod restarts;
mod settings;
mod stats;
mod stopping;
mod submission;
mod supervised;
mod supervision;
pub mod video_decoder;
pub mod video_encoder;
mod wiring;

#[doc(hidden)]
pub use gst;
#[doc(hidden)]
pub use gst_video;

pub use event_table::{Circumstances, SrcRule};
pub use events::EventDisposition;
pub use evidence::{RecordedInput, SampleForm};
pub use isolation::{ChildLog, SessionParts, place};
pub use line::Frame;
pub use properties::{ElementSettings, Property, Stored, store};
pub use settings::Settings;
pub use submission::SubmitError;
pub use supervised::{BaseClass, PadCaps, Role, Supervised, Wired};
pub use supervision::Supervision;

pub(crate) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "codecwatch",
        gst::DebugColorFlags::empty(),
        Some("Supervision of native codecs"),
    )
});
