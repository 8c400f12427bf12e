// SPDX-License-Identifier: MPL-2.0
//! What the parent tells a child before it starts it: the first message on the socket.
//!
//! It is there before the child exists, so the child reads it without waiting. It
//! carries a pidfd of the parent. Everything after it on the socket is the session's.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::Limits;

/// What a child has to know of itself.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Handover {
    pub(super) name: String,
    pub(super) limits: Limits,
}

/// Changes with the layout of [`Handover`].
const MARK: [u8; 4] = *b"cwh2";
/// The mark and the length of the rest (u32, little endian).
const HEADER: usize = 8;
/// Bytes of the rest. More can only be a name that is too long.
const LIMIT: usize = 4096;

impl Handover {
    /// Writes it, with the parent's pidfd. Does not block: the socket is new and empty.
    pub(super) fn send(&self, socket: impl AsFd, parent: impl AsFd) -> io::Result<()> {
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        if body.len() > LIMIT {
            return Err(io::Error::other("the child's name is too long"));
        }
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let message = [&MARK[..], &length.to_le_bytes(), &body].concat();

        let parents = [parent.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&parents));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let sent = sendmsg(socket, &[IoSlice::new(&message)], &mut ancillary, flags)?;
        match sent == message.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads it and the parent's pidfd, and nothing of what comes after it.
    ///
    /// # Errors
    /// `InvalidData` or the system's reason if the descriptor or the message is not
    /// what a parent of this version gives.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<(Self, OwnedFd)> {
        let mut header = [0; HEADER];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut into = [IoSliceMut::new(&mut header)];
        let received = recvmsg(&socket, &mut into, &mut ancillary, flags)?.bytes;
        let parent = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let [m, a, r, k, length @ ..] = header;
        let length = u32::from_le_bytes(length) as usize;
        let parent = parent
            .filter(|_| received == HEADER && [m, a, r, k] == MARK && length <= LIMIT)
            .ok_or(io::ErrorKind::InvalidData)?;

        let mut body = vec![0; length];
        let (read, _) = recv(&socket, &mut body[..], RecvFlags::DONTWAIT)?;
        let handover = postcard::from_bytes(&body).map_err(io::Error::other)?;
        match read == length {
            true => Ok((handover, parent)),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_handover_arrives_with_the_descriptor_and_leaves_what_follows() {
        let (mut parent, mut child) = UnixStream::pair().unwrap();
        let sent = Handover {
            name: "worker".into(),
            limits: Limits {
                memory: 5.try_into().ok(),
            },
        };
        sent.send(&parent, io::stdin()).unwrap();
        parent.write_all(b"next").unwrap();
        let (received, _descriptor) = Handover::receive(&child).unwrap();
        assert_eq!(received, sent);
        let mut next = [0; 4];
        child.read_exact(&mut next).unwrap();
        assert_eq!(&next, b"next");
    }

    #[test]
    fn what_no_parent_has_sent_is_refused_at_once() {
        let (_open, child) = UnixStream::pair().unwrap();
        let nothing = Handover::receive(&child).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);

        let (mut parent, child) = UnixStream::pair().unwrap();
        parent.write_all(b"cwh2\x01\0\0\0\0").unwrap();
        assert!(Handover::receive(&child).is_err(), "without a pidfd");

        let (parent, child) = UnixStream::pair().unwrap();
        drop(parent);
        assert!(Handover::receive(&child).is_err(), "closed");
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(Handover::receive(file).is_err(), "no socket");
    }
}
