// SPDX-License-Identifier: MPL-2.0
//! The lane that reads what a child says, until the child is gone.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CodecError, Lane};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::dispatcher::Dispatcher;
use super::shared::Shared;
use crate::launch::{Child, Tail};
use crate::link;
use crate::memory::RingReader;
use crate::remote::{OutputOf, Remote};
use crate::wire::{Broken, Decoder};

/// Bytes that are read at a time.
const PIECE: usize = 1 << 16;
/// Lines of its stderr that an error quotes, and their longest.
const LINES: usize = 10;
const LONGEST_LINE: usize = 200;
/// How long a child that has closed its session or its socket may take to end.
const LAST_STEPS: Duration = Duration::from_secs(1);
/// Bytes of its stderr that are read after its socket was closed.
const LAST_BYTES: usize = 1 << 20;
/// The most threads. Those of SVT-AV1 and of chains grow with the processors, to a few
/// hundred.
const MOST_THREADS: u32 = codecwatch_supervisor::MOST_THREADS as u32;
/// How often it is looked at what the lanes do, as long as anything happens. A hang is found
/// so much later at most.
const EVENTS_EVERY: Duration = Duration::from_millis(20);
/// How often they are counted: too many keep the whole application from starting any.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

fn check_threads(threads: Option<u32>) -> Result<(), Broken> {
    match threads {
        Some(threads) if threads > MOST_THREADS => Err(Broken::new(format!(
            "it has {threads} threads, more than {MOST_THREADS}"
        ))),
        _ => Ok(()),
    }
}

pub(super) struct Reader<'a, R: Remote> {
    lane: &'a Lane<OutputOf<R>>,
    shared: Arc<Shared<R>>,
    dispatcher: Dispatcher<'a, R>,
    event_bytes: Vec<u8>,
}

impl<'a, R: Remote> Reader<'a, R> {
    pub(super) fn new(
        lane: &'a Lane<OutputOf<R>>,
        shared: Arc<Shared<R>>,
        dispatcher: Dispatcher<'a, R>,
    ) -> Self {
        Self {
            lane,
            shared,
            dispatcher,
            event_bytes: Vec::new(),
        }
    }

    /// Reads until the child is gone.
    ///
    /// # Errors
    /// Unless it had closed its session: [`CodecError::Crashed`], or
    /// [`CodecError::Settings`] if it is not the program of this plugin.
    pub(super) fn run(mut self, child: Child, mut events: RingReader) -> Result<(), CodecError> {
        let killer = child.process.killer();
        let id = child.process.id();
        let mut tail = Tail::new(LINES, LONGEST_LINE);
        let mut broken = self.read(&child, &mut events, &mut tail).err();
        // Where it was when it ended. What a crash has written there is none of its reasons.
        let _ = self.read_events(&mut events);
        if broken.is_none() && child.process.wait_for(LAST_STEPS).is_none() {
            broken = Some(Broken::new("it has closed its socket and does not end"));
        }
        if broken.is_some() && killer.try_kill().is_err() {
            // This process has changed its user. At least the child hears no more.
            let _ = child.socket.shutdown(std::net::Shutdown::Both);
        }
        // The kernel ends a wait for a process that cannot end with it, and nobody else
        // waits for this lane then: the session has been abandoned.
        let how = child.process.wait();
        let mut what = match broken {
            Some(Broken(why)) => format!("process {id} broke the protocol: {why}"),
            None => format!("process {id} {how}"),
        };
        let lines = tail.lines();
        if !lines.is_empty() {
            what = format!("{what}; its last lines: {}", lines.join(" | "));
        }
        let error = match self.dispatcher.take_mismatch() {
            Some(mismatch) => CodecError::Settings(mismatch),
            None => CodecError::Crashed { what },
        };
        self.shared.besides.end();
        if !self.shared.conversation.is_closed() {
            // Before the calls that were in flight end here: the fault names them.
            self.lane.outlet().fail(error.clone());
        }
        if self.shared.conversation.ended(error.clone()) {
            return Ok(());
        }
        Err(error)
    }

    /// Reads what the lanes have done.
    fn read_events(&mut self, events: &mut RingReader) -> Result<(), Broken> {
        let mut bytes = std::mem::take(&mut self.event_bytes);
        bytes.clear();
        let read = events.read(&mut bytes);
        let noted = read.and_then(|()| self.dispatcher.note_events(&bytes));
        self.event_bytes = bytes;
        noted
    }

    fn read(
        &mut self,
        child: &Child,
        events: &mut RingReader,
        tail: &mut Tail,
    ) -> Result<(), Broken> {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; PIECE];
        let (socket, stderr) = (&child.socket, &child.stderr);
        let mut stderr_open = true;
        let mut counted = Instant::now();
        let mut closed = None;
        // Nothing has come lately.
        let mut quiet = true;
        let [soon, late] = [EVENTS_EVERY, COUNTS_EVERY].map(|limit| {
            let limit = Timespec::try_from(limit);
            limit.unwrap_or_default()
        });
        loop {
            if self.shared.conversation.is_closed()
                && closed.get_or_insert_with(Instant::now).elapsed() >= LAST_STEPS
            {
                return Err(Broken::new("it has closed its session and does not end"));
            }
            if counted.elapsed() >= COUNTS_EVERY {
                check_threads(child.process.threads())?;
                counted = Instant::now();
            }
            let mut fds = [socket.as_fd(), stderr.as_fd()]
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let fds = &mut fds[..if stderr_open { 2 } else { 1 }];
            // Whoever sleeps long is woken by the next event.
            let sleeps = quiet && events.sleep();
            let limit = if sleeps { &late } else { &soon };
            match poll(fds, Some(limit)) {
                Ok(ready) => quiet = ready == 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Broken::new(format!("poll: {error}"))),
            }
            if sleeps {
                events.wake();
            }
            let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
            if is_ready(fds.get(1)) {
                match rustix::io::read(stderr, &mut bytes) {
                    Ok(0) => stderr_open = false,
                    Ok(len) => tail.push(&bytes[..len]),
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(_) => stderr_open = false,
                }
            }
            if !is_ready(fds.first()) {
                self.read_events(events)?;
                continue;
            }
            let received = link::receive(socket, &mut bytes);
            let len = received.map_err(|error| Broken::new(format!("recv: {error}")))?;
            if len == 0 {
                // What it wrote last. One that lives may write on.
                for _ in 0..LAST_BYTES / PIECE {
                    match rustix::io::read(stderr, &mut bytes) {
                        Ok(len @ 1..) => tail.push(&bytes[..len]),
                        _ => break,
                    }
                }
                return Ok(());
            }
            // Before the messages, which may say that a lane has ended.
            self.read_events(events)?;
            decoder.push(&bytes[..len]);
            while let Some(message) = decoder.take()? {
                self.dispatcher.handle(message)?;
            }
        }
    }
}
