// SPDX-License-Identifier: MPL-2.0
//! Starts the service and ends it.
//!
//! Everything that can fail happens in [`Service::start`], on the caller's thread: the
//! service is either there, with its port open, or the caller has the error. Nobody waits
//! for a thread that may have failed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::answers::Answers;
use crate::port_file::PortFile;
use crate::published::Published;
use crate::reader::Reader;
use crate::report::Source;
use crate::server;

/// Connections that may wait to be accepted: many clients at once must not delay a probe.
const BACKLOG: u32 = 1024;
/// The longest that [`Service::close`] waits for the threads.
const CLOSE: Duration = Duration::from_millis(900);

/// How to start the service.
pub struct Options {
    /// Where to listen; port 0 is any that is free.
    pub address: SocketAddr,
    /// A file that gets the number of the port and a line's end, when the port is open; an
    /// older one is replaced then, and left alone if the port cannot be opened. It is
    /// removed when the service closes, unless another has taken its place.
    pub port_file: Option<PathBuf>,
    /// While there is a file of this name, `/readyz` answers 503 as with
    /// [`Service::set_draining`]: for whoever stops a program that cannot call that. It
    /// is looked for with each answer, and never removed.
    pub drain_file: Option<PathBuf>,
    /// What is served.
    pub source: Arc<dyn Source>,
}

impl Options {
    /// The elements of this process, at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            port_file: None,
            drain_file: None,
            source: Arc::new(Published::new()),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("address", &self.address)
            .field("port_file", &self.port_file)
            .field("drain_file", &self.drain_file)
            .finish_non_exhaustive()
    }
}

/// Why the service has not started. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be used: it is taken, not one of this machine's, or its port
    /// needs privileges.
    #[error("cannot listen on {address}: {error}{}", hint(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system has no resources for its threads.
    #[error("cannot start its threads: {0}")]
    Threads(io::Error),
    /// The port file cannot be written.
    #[error("cannot write the port file {path}: {error}")]
    PortFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ": choose another port, or 0 for any that is free",
        io::ErrorKind::AddrNotAvailable => ": it is no address of this machine",
        io::ErrorKind::PermissionDenied => ": choose a port above 1023",
        _ => "",
    }
}

/// The service, until it is [closed](Self::close) or dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    port_file: Option<PortFile>,
    draining: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    /// Ends when both threads have.
    ended: mpsc::Receiver<()>,
    /// The process that has started it: a forked child has the handle and no threads.
    process: u32,
}

impl Service {
    /// Starts the service. When this returns, the port is open and the port file is
    /// written. Does not block beyond that.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            address,
            port_file,
            drain_file,
            source,
        } = options;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(StartError::Threads)?;
        let listener = {
            let _entered = runtime.enter();
            listen(address).map_err(|error| StartError::Listen { address, error })?
        };
        let bound = listener.local_addr();
        let address = bound.map_err(|error| StartError::Listen { address, error })?;
        let (alive, ended) = mpsc::channel();
        let reader =
            Reader::start(source, drain_file, alive.clone()).map_err(StartError::Threads)?;
        let draining = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Answers {
            reader,
            draining: draining.clone(),
            started: Instant::now(),
            loopback: address.ip().is_loopback(),
        });
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("cw-health".into())
            .spawn(move || {
                runtime.block_on(server::serve(listener, answers, stopped));
                // Ends the connections, and with the last of them the reader.
                drop(runtime);
                drop(alive);
            })
            .map_err(StartError::Threads)?;
        let mut service = Self {
            address,
            port_file: None,
            draining,
            stop: Some(stop),
            ended,
            process: std::process::id(),
        };
        if let Some(path) = port_file {
            let written = PortFile::write(path.clone(), address.port());
            let written = written.map_err(|error| StartError::PortFile { path, error })?;
            service.port_file = Some(written);
        }
        Ok(service)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says whether the process drains for shutdown: `/readyz` answers 503 meanwhile, so
    /// that no new work comes.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Closes the port and every connection, and waits until the threads have ended: 0.9 s
    /// at most. Returns whether they have; one that has not reads a source that does not
    /// come back, and ends when it does.
    pub fn close(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        let Some(stop) = self.stop.take() else {
            return true;
        };
        if std::process::id() != self.process {
            // The port is the parent's; here it is closed already.
            std::mem::forget(stop);
            return true;
        }
        let _ = stop.send(());
        // Nothing is sent: it ends when both threads have dropped their ends.
        let ended = self.ended.recv_timeout(CLOSE);
        if let Some(file) = self.port_file.take() {
            file.remove();
        }
        ended == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A process that takes the place of another need not wait for old connections to
    // time out. On Linux a port that is listened on stays taken all the same.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn start(port: u16, file: &std::path::Path) -> Result<Service, StartError> {
        Service::start(Options {
            port_file: Some(file.to_owned()),
            ..Options::new(SocketAddr::from(([127, 0, 0, 1], port)))
        })
    }

    #[test]
    fn a_service_that_does_not_start_leaves_the_port_file_of_another_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let first = start(0, &file).unwrap();
        let port = first.address().port();
        let error = start(port, &file).unwrap_err();
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{port}\n"));
        assert!(first.close());
        assert!(!file.exists());
    }

    #[test]
    fn a_service_that_ends_leaves_the_port_file_of_its_successor() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let first = start(0, &file).unwrap();
        let second = start(0, &file).unwrap();
        let port = second.address().port();
        assert!(first.close());
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{port}\n"));
        assert!(second.close());
        assert!(!file.exists());
    }
}
