// SPDX-License-Identifier: MPL-2.0
//! The thread that reads the source, and nothing else: whoever asks waits for it with a
//! bound, so that a source that does not come back delays no other answer.
//!
//! Everyone who asks while a reading is in progress shares the next one. So a reading is
//! never older than the question, and a thousand clients cost the elements no more than
//! one that asks all the time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::connections::MOST;
use crate::report::{Report, Source};

/// The longest that an answer waits for a reading.
const BOUND: Duration = Duration::from_millis(800);

/// What was read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) report: Report,
    /// There is the file that says that the process drains. It is looked for here, because
    /// it may lie on a file system that does not answer.
    pub(crate) drain_file: bool,
}

/// Sent to whoever asks; `None` if the source has panicked.
type Answer = oneshot::Sender<Option<Arc<Reading>>>;

/// Asks the thread. It ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Reader(SyncSender<Answer>);

impl Reader {
    /// Starts the thread. It holds `alive` until it ends.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(crate) fn start(
        source: Arc<dyn Source>,
        drain_file: Option<PathBuf>,
        alive: impl Send + 'static,
    ) -> std::io::Result<Self> {
        // As many as can ask at once.
        let (sender, asked) = sync_channel(MOST);
        std::thread::Builder::new()
            .name("cw-health-read".into())
            .spawn(move || {
                work(&*source, drain_file.as_deref(), &asked);
                drop(alive);
            })?;
        Ok(Self(sender))
    }

    /// The state of the process; `None` if it cannot be read within a bound.
    pub(crate) async fn read(&self) -> Option<Arc<Reading>> {
        let (answer, answered) = oneshot::channel();
        // It is full only while the thread does not come back.
        self.0.try_send(answer).ok()?;
        let answered = tokio::time::timeout(BOUND, answered).await;
        answered.ok()?.ok()?
    }
}

fn work(source: &dyn Source, drain_file: Option<&Path>, asked: &Receiver<Answer>) {
    while let Ok(first) = asked.recv() {
        let mut waiting: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        // Nobody may wait any more.
        waiting.retain(|answer| !answer.is_closed());
        if waiting.is_empty() {
            continue;
        }
        let report = catch_unwind(AssertUnwindSafe(|| source.read()));
        let reading = report.ok().map(|report| {
            let drain_file = drain_file.is_some_and(Path::exists);
            Arc::new(Reading { report, drain_file })
        });
        for answer in waiting {
            let _ = answer.send(reading.clone());
        }
    }
}
