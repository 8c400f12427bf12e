// SPDX-License-Identifier: MPL-2.0
//! Evidence of faults: what a codec's fault leaves behind, so that it can be reported
//! and repeated. Independent of GStreamer and of any codec.
//!
//! - [`Recording`] keeps the latest inputs of a decoder, within limits.
//! - [`threads`] and [`LastLook`] find where the threads of a codec stand.
//! - [`Folder`] writes a folder; [`FaultFile`] is its table of contents.
//! - [`write_in_background`] runs that on a thread that nobody waits for.
//!
//! Files may lie on a disk that is slow, full or gone: whatever touches them runs on that
//! thread, and its errors never reach the codec's own.

mod at_exit;
mod background;
mod fault_file;
mod folder;
mod ivf;
mod last_look;
mod name;
mod recording;
mod regular_file;
pub mod threads;

pub use background::{Busy, write_in_background};
pub use fault_file::{Codec, FORMAT, FaultFile, ReadError, Sample};
pub use folder::{
    FAULT_FILE, Folder, MOST_BYTES, MOST_FOLDERS, STACKS_FILE, THREADS_FILE, WriteError,
};
pub use ivf::{IVF_FILE, IvfError, read_ivf, write_ivf};
pub use last_look::{LastLook, Looked, SHOWS_STACKS};
pub use name::FolderName;
pub use recording::{Cut, Input, MOST_INPUTS, MOST_SAMPLE_BYTES, Recording};
pub use regular_file::read_regular_file;
