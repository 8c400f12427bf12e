// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-transcode`: the job itself. See docs/JOBS.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    codecwatch_transcode::command()
}
