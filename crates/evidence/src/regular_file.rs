// SPDX-License-Identifier: MPL-2.0
//! Files of a folder that somebody has sent. What waits for a writer, or acts when it is
//! opened, is no part of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a regular file, up to `most` bytes of it. Does not block for anything but its disk.
///
/// # Errors
/// Those of the file system, or it is no regular file.
pub fn read_regular_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A pipe would wait for who writes to it.
    let mut options = File::options();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
