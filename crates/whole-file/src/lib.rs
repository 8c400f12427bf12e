// SPDX-License-Identifier: MPL-2.0
//! A file that takes the name of its target when it is whole, and never before.
//!
//! [`WholeFile`] is written beside its target, under the target's name with [`SUFFIX`]
//! added, and renamed at the end: whoever opens the target finds what was there before,
//! or all of the new file. That holds for a crash of the process at any moment, and,
//! because the file is written to the device before it is renamed, for one of the
//! machine.
//!
//! The name is fixed, so a process that is killed leaves one file at most for each
//! target, which the next writer removes. A lock (`flock`) tells it from the file of a
//! writer at work: a second writer of one target is refused. A file without a name
//! (`O_TMPFILE`) would leave nothing behind, but two writers could not find each other,
//! it cannot replace a target in one step, and not every file system has it.
//!
//! Every call may block for as long as the file system does. No GStreamer, no unsafe.
#![forbid(unsafe_code)]

mod error;
mod file;
mod target;

pub use error::{Error, Kind};
pub use file::WholeFile;
pub use target::Target;

/// What the name of a file that is not whole yet ends with.
pub const SUFFIX: &str = ".codecwatch-partial";
