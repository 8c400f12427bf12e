// SPDX-License-Identifier: MPL-2.0
//! The connections that are open, and which has to go when there are too many: a probe is
//! answered whatever others do with theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

/// The most that are open at once.
pub(crate) const MOST: usize = 64;

/// One that is open.
#[derive(Debug)]
struct Connection {
    task: JoinHandle<()>,
    /// Its request has come.
    asked: Arc<AtomicBool>,
}

/// The connections, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Connections(Vec<Connection>);

impl Connections {
    /// Makes room for one more. If there is none, the oldest goes whose request has not
    /// come; if all have, the oldest.
    pub(crate) fn make_room(&mut self) {
        self.0.retain(|connection| !connection.task.is_finished());
        if self.0.len() < MOST {
            return;
        }
        let waits = |connection: &Connection| !connection.asked.load(Ordering::Relaxed);
        let at = self.0.iter().position(waits).unwrap_or_default();
        self.0.remove(at).task.abort();
    }

    /// Adds one. `asked` is set when its request has come.
    pub(crate) fn add(&mut self, task: JoinHandle<()>, asked: Arc<AtomicBool>) {
        self.0.push(Connection { task, asked });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(connections: &mut Connections, asked: bool) -> tokio::task::AbortHandle {
        connections.make_room();
        let task = tokio::spawn(std::future::pending());
        let handle = task.abort_handle();
        connections.add(task, Arc::new(AtomicBool::new(asked)));
        handle
    }

    #[test]
    fn the_oldest_without_a_request_makes_room() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        runtime.block_on(async {
            let mut connections = Connections::default();
            let first = add(&mut connections, true);
            let idle = add(&mut connections, false);
            for _ in 2..MOST {
                add(&mut connections, true);
            }
            tokio::task::yield_now().await;
            assert!(!idle.is_finished());
            let more = add(&mut connections, true);
            tokio::task::yield_now().await;
            assert!(idle.is_finished());
            assert!(!first.is_finished());
            add(&mut connections, true);
            tokio::task::yield_now().await;
            assert!(first.is_finished());
            assert!(!more.is_finished());
            assert_eq!(connections.0.len(), MOST);
        });
    }
}
