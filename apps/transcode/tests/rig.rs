// SPDX-License-Identifier: MPL-2.0
//! A folder, and the command in it.

use std::path::PathBuf;
use std::time::Duration;

use support::{Finished, Launch};

/// Quick, and small budgets.
pub(crate) const QUICK: &str = "svtav1:preset=12,crf=45";

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The command, in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Launch {
        Launch::program(env!("CARGO_BIN_EXE_codecwatch-transcode"))
            .in_folder(self.0.path())
            .args(arguments)
            .bound(Duration::from_secs(100))
    }

    /// Runs it and expects this exit code.
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> Finished {
        let run = self.command(arguments).run();
        assert_eq!(run.code(), code, "{arguments:?}: {}", run.text());
        run
    }

    /// Transcodes quickly.
    pub(crate) fn transcode(
        &self,
        input: &str,
        output: &str,
        more: &[&str],
        code: i32,
    ) -> Finished {
        let mut arguments = vec!["transcode", input, output, "--video", QUICK];
        arguments.extend(more);
        self.run(&arguments, code)
    }
}
