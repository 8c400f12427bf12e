// SPDX-License-Identifier: MPL-2.0
//! The socket between parent and child: whole messages go out, bytes come in.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use codecwatch_supervisor::CodecError;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Serialize;

use crate::wire::{self, Broken};

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    #[error("{0}")]
    Message(#[from] Broken),
    /// The other process has ended, or closed its end.
    #[error("the other process is gone: {0}")]
    Gone(Errno),
    /// More descriptors of this user are on their way to processes that have not read them
    /// than a process may have open.
    #[error("a descriptor cannot be sent: {0}")]
    Descriptor(Errno),
}

/// The way out. Several threads may share it behind a lock.
#[derive(Debug)]
pub(crate) struct Outgoing {
    socket: Arc<OwnedFd>,
    /// What is not sent yet.
    bytes: Vec<u8>,
    /// Messages among it that were left for later.
    waiting: u32,
}

/// Bytes of a message's buffer that are kept for the next.
const KEPT: usize = 1 << 20;

impl SendError {
    /// What it means to a session. A child that is gone is the reader's to tell of.
    pub(crate) fn into_failure(self) -> Result<(), CodecError> {
        match self {
            Self::Gone(_) => Ok(()),
            lacks => Err(CodecError::Resource(lacks.to_string())),
        }
    }
}

impl Outgoing {
    pub(crate) fn new(socket: impl Into<Arc<OwnedFd>>) -> Self {
        Self {
            socket: socket.into(),
            bytes: Vec::new(),
            waiting: 0,
        }
    }

    /// Sends a message, with a descriptor if one is given, behind those that wait. Blocks
    /// while the other process does not read.
    pub(crate) fn send(
        &mut self,
        message: &impl Serialize,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), SendError> {
        wire::encode(&mut self.bytes, message)?;
        self.send_waiting(fd)
    }

    /// Adds a message that need not be there at once: it goes with the next one that is
    /// sent. Returns how many wait.
    pub(crate) fn send_later(&mut self, message: &impl Serialize) -> Result<u32, SendError> {
        wire::encode(&mut self.bytes, message)?;
        self.waiting += 1;
        Ok(self.waiting)
    }

    /// Sends the messages that wait.
    pub(crate) fn flush(&mut self) -> Result<(), SendError> {
        self.send_waiting(None)
    }

    fn send_waiting(&mut self, fd: Option<BorrowedFd<'_>>) -> Result<(), SendError> {
        let sent = send_all(&self.socket, &self.bytes, fd);
        self.waiting = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        sent
    }
}

fn send_all(
    socket: &OwnedFd,
    mut rest: &[u8],
    mut fd: Option<BorrowedFd<'_>>,
) -> Result<(), SendError> {
    while !rest.is_empty() {
        match send_some(socket, rest, fd) {
            Ok(sent) => {
                rest = &rest[sent..];
                fd = None;
            }
            Err(Errno::INTR) => {}
            Err(error @ Errno::TOOMANYREFS) => return Err(SendError::Descriptor(error)),
            Err(error) => return Err(SendError::Gone(error)),
        }
    }
    Ok(())
}

fn send_some(
    socket: &OwnedFd,
    bytes: &[u8],
    fd: Option<BorrowedFd<'_>>,
) -> rustix::io::Result<usize> {
    // Without it, a child that is gone would end this process by SIGPIPE.
    let flags = SendFlags::NOSIGNAL;
    let Some(fd) = fd else {
        return rustix::net::send(socket, bytes, flags);
    };
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)
}

/// Reads bytes; 0 when the other end is closed. Descriptors that come with them are
/// dropped by the kernel: a child has none to give.
pub(crate) fn receive(socket: impl AsFd, bytes: &mut [u8]) -> rustix::io::Result<usize> {
    let flags = RecvFlags::empty();
    loop {
        match rustix::net::recv(&socket, &mut *bytes, flags) {
            Ok((_, received)) => return Ok(received),
            Err(Errno::INTR) => {}
            // It has ended with bytes unread.
            Err(Errno::CONNRESET) => return Ok(0),
            Err(error) => return Err(error),
        }
    }
}

/// The same, with the descriptors that have come.
pub fn receive_with_fds(
    socket: impl AsFd,
    bytes: &mut [u8],
    fds: &mut impl Extend<OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    loop {
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        match received {
            Ok(received) => {
                for message in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(come) = message {
                        fds.extend(come);
                    }
                }
                return Ok(received.bytes);
            }
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(0),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, LARGEST_MESSAGE};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use rustix::process::{Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
    use std::thread;

    /// On a thread of its own: as no user that has other descriptors on their way. Root
    /// would have no limit.
    fn send_without_end() -> Option<SendError> {
        if geteuid().is_root() {
            let nobody = Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        let pair = |_| {
            let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
            socketpair(family, kind, SocketFlags::CLOEXEC, None).unwrap()
        };
        let pairs: Vec<_> = (0..4).map(pair).collect();
        let before = getrlimit(Resource::Nofile);
        // Other tests have fewer.
        let low = Rlimit {
            current: Some(100),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        let refused = pairs.iter().find_map(|(ours, _theirs)| {
            let mut outgoing = Outgoing::new(ours.try_clone().unwrap());
            (0..50).find_map(|_| outgoing.send(&(), Some(ours.as_fd())).err())
        });
        setrlimit(Resource::Nofile, before).unwrap();
        refused
    }

    #[test]
    fn what_waits_goes_before_the_next_message_and_a_message_that_cannot_be_leaves_it() {
        let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::NONBLOCK, None).unwrap();
        let mut outgoing = Outgoing::new(ours);
        assert_eq!(outgoing.send_later(&1_u8), Ok(1));
        assert_eq!(outgoing.send_later(&2_u8), Ok(2));
        let mut bytes = [0; 100];
        assert_eq!(receive(&theirs, &mut bytes), Err(Errno::AGAIN));
        let too_large = "x".repeat(LARGEST_MESSAGE);
        assert!(outgoing.send(&too_large, None).is_err());
        outgoing.send(&3_u8, None).unwrap();
        outgoing.flush().unwrap();
        assert_eq!(outgoing.send_later(&4_u8), Ok(1));
        let len = receive(&theirs, &mut bytes).unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&bytes[..len]);
        let come: Vec<u8> = std::iter::from_fn(|| decoder.take().unwrap()).collect();
        assert_eq!(come, [1, 2, 3]);
    }

    #[test]
    fn a_descriptor_too_many_on_its_way_is_a_lack_and_not_the_end_of_the_child() {
        let refused = thread::spawn(send_without_end).join().unwrap().unwrap();
        assert_eq!(refused, SendError::Descriptor(Errno::TOOMANYREFS));
        let failure = refused.into_failure().unwrap_err();
        assert!(matches!(failure, CodecError::Resource(_)), "{failure}");
        assert_eq!(SendError::Gone(Errno::PIPE).into_failure(), Ok(()));
    }
}
