// SPDX-License-Identifier: MPL-2.0
//! Programs that keep every processor busy several times over.

use std::process::{Child, Command};

/// Burns until it is dropped.
#[derive(Debug)]
pub struct Load(Vec<Child>);

impl Load {
    /// `fold` programs for each processor that this one may run on.
    ///
    /// # Panics
    /// When they cannot be started.
    pub fn new(fold: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let burn = || {
            // Ends by itself where this process was killed.
            Command::new("sh")
                .args([
                    "-c",
                    "parent=$PPID; while :; do i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; \
                     kill -0 $parent 2>/dev/null || exit; done",
                ])
                .spawn()
                .unwrap()
        };
        Self((0..fold * processors).map(|_| burn()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
