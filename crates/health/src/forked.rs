// SPDX-License-Identifier: MPL-2.0
//! What a forked child has of the service. It gets copies of the sockets and none of the
//! threads: as long as it lives, the port would stay taken after its parent's end, and
//! whoever connects would wait for an answer that nobody gives. So it closes its copies.
//!
//! The sockets are in a table that needs no lock: the child runs the handler between
//! `fork` and its return, where no lock can be trusted. (A program that is started with
//! `exec` has none of them: they are closed on exec.)

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::connections::MOST;

/// More than all sockets of some services.
const SLOTS: usize = 4 * (MOST + 1);
/// No socket.
const FREE: i32 = -1;

static SOCKETS: [AtomicI32; SLOTS] = [const { AtomicI32::new(FREE) }; SLOTS];

/// Keeps a socket in the table; must be dropped before the socket is closed.
#[derive(Debug)]
pub(crate) struct ClosedInChildren(Option<&'static AtomicI32>);

impl ClosedInChildren {
    /// Enters a socket. Of more sockets than the table has room for, children keep copies.
    pub(crate) fn new(socket: &impl AsRawFd) -> Self {
        install();
        let socket = socket.as_raw_fd();
        let free = SOCKETS.iter().find(|slot| {
            slot.compare_exchange(FREE, socket, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
        });
        Self(free)
    }
}

impl Drop for ClosedInChildren {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.store(FREE, Ordering::SeqCst);
        }
    }
}

/// Installs the handler, once.
fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the handler calls nothing that is not async-signal-safe, and takes no
        // lock. It stays in memory: GStreamer does not unload plugins that have loaded,
        // and the C library removes handlers of a library that is unloaded.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(close_all)) };
    });
}

/// In the child, before `fork` returns.
extern "C" fn close_all() {
    for slot in &SOCKETS {
        let socket: RawFd = slot.swap(FREE, Ordering::SeqCst);
        if socket != FREE {
            // SAFETY: the number was a socket of the service when the process forked, and
            // an entry goes before its socket does. In the child nothing uses it: the
            // threads that could do not exist here.
            unsafe { libc::close(socket) };
        }
    }
}
