// SPDX-License-Identifier: MPL-2.0
//! Where a session runs: in this process, or in a child.

use std::time::Duration;

use codecwatch_supervisor::{Amount, Codec, CodecError, Drained, Flush, Lane, Library, Session};

use crate::parent::{ProcessCodec, ProcessSession};
use crate::remote::{InputOf, OutputOf, Remote};

/// The factory of a session that runs here or in a child.
pub enum Placed<R: Remote> {
    /// In this process.
    Here(R::Codec),
    /// In a child.
    Child(ProcessCodec<R>),
}

/// A session that runs here or in a child.
pub enum PlacedSession<R: Remote> {
    /// In this process.
    Here(<R::Codec as Codec>::Session),
    /// In a child.
    Child(ProcessSession<R>),
}

impl<R: Remote> std::fmt::Debug for PlacedSession<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "PlacedSession::Here",
            Self::Child(_) => "PlacedSession::Child",
        })
    }
}

impl<R: Remote> Codec for Placed<R> {
    type Session = PlacedSession<R>;

    fn library(&self) -> Library {
        match self {
            Self::Here(codec) => codec.library(),
            Self::Child(codec) => codec.library(),
        }
    }

    fn is_isolated(&self) -> bool {
        match self {
            Self::Here(codec) => codec.is_isolated(),
            Self::Child(codec) => codec.is_isolated(),
        }
    }

    fn opens_freely(&self) -> bool {
        match self {
            Self::Here(codec) => codec.opens_freely(),
            Self::Child(codec) => codec.opens_freely(),
        }
    }

    fn opens_beside_after(&self) -> Option<Duration> {
        match self {
            Self::Here(codec) => codec.opens_beside_after(),
            Self::Child(codec) => codec.opens_beside_after(),
        }
    }

    fn wait_for_turn(&mut self, lane: &Lane<OutputOf<R>>) -> Result<(), CodecError> {
        match self {
            Self::Here(codec) => codec.wait_for_turn(lane),
            Self::Child(codec) => codec.wait_for_turn(lane),
        }
    }

    fn open(self, lane: &Lane<OutputOf<R>>) -> Result<PlacedSession<R>, CodecError> {
        Ok(match self {
            Self::Here(codec) => PlacedSession::Here(codec.open(lane)?),
            Self::Child(codec) => PlacedSession::Child(codec.open(lane)?),
        })
    }
}

impl<R: Remote> Session for PlacedSession<R> {
    type Input = InputOf<R>;
    type Output = OutputOf<R>;

    const QUEUE: usize = <R::Codec as Codec>::Session::QUEUE;

    fn weigh(input: &InputOf<R>) -> Amount {
        <R::Codec as Codec>::Session::weigh(input)
    }

    fn delay(&self) -> Option<usize> {
        match self {
            Self::Here(session) => session.delay(),
            Self::Child(session) => session.delay(),
        }
    }

    fn has_room(&self) -> bool {
        match self {
            Self::Here(session) => session.has_room(),
            Self::Child(session) => session.has_room(),
        }
    }

    fn send(&mut self, lane: &Lane<OutputOf<R>>, input: InputOf<R>) -> Result<(), CodecError> {
        match self {
            Self::Here(session) => session.send(lane, input),
            Self::Child(session) => session.send(lane, input),
        }
    }

    fn drain(&mut self, lane: &Lane<OutputOf<R>>) -> Result<Drained, CodecError> {
        match self {
            Self::Here(session) => session.drain(lane),
            Self::Child(session) => session.drain(lane),
        }
    }

    fn flush(&mut self, lane: &Lane<OutputOf<R>>) -> Result<Flush, CodecError> {
        match self {
            Self::Here(session) => session.flush(lane),
            Self::Child(session) => session.flush(lane),
        }
    }

    fn close(self, lane: &Lane<OutputOf<R>>) -> Result<(), CodecError> {
        match self {
            Self::Here(session) => session.close(lane),
            Self::Child(session) => session.close(lane),
        }
    }
}
