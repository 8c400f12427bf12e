// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-worker dump PROCESS`: writes a minidump, the stacks and registers of the
//! threads of a process, to stdout. The process stays stopped: it is about to be killed.
//!
//! In a process of its own, because what looks at one that hangs may hang, too, and
//! because the application may be waiting for children of its own: it would see the
//! child stop. A security module that lets only ancestors look
//! (`kernel.yama.ptrace_scope` 1) is told by the child to [`allow`] it; one that lets
//! nobody look (2 and 3) makes it fail, and it says so.

use std::io::{self, Cursor, Write};

use minidump_writer::minidump_writer::MinidumpWriterConfig;

/// Bytes, as far as the format can be limited: with more, the stacks of most threads are
/// shortened.
const LIMIT: u64 = 16 << 20;

/// Writes the dump.
///
/// # Errors
/// There is no such process, it may not be looked at, or nobody reads.
pub(crate) fn run(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let process = arguments.next().unwrap_or_default();
    let process: i32 = process
        .parse()
        .map_err(|_| format!("dump {process:?}: the number of a process is needed"))?;
    let mut dump = Cursor::new(Vec::new());
    let mut config = MinidumpWriterConfig::new(process, process);
    config.set_minidump_size_limit(LIMIT);
    let written = config.write(&mut dump);
    written.map_err(|error| format!("the stacks of process {process}: {error}"))?;
    let mut stdout = io::stdout();
    stdout.write_all(dump.get_ref())?;
    Ok(stdout.flush()?)
}

/// Lets other processes of the same user look at this one, as they may where there is no
/// such security module.
pub(crate) fn allow() {
    // Without the module there is nothing to be told.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
}
