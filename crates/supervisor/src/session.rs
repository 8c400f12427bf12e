// SPDX-License-Identifier: MPL-2.0
//! The traits that a codec crate implements.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Amount, Lane, Name};

/// The library that implements a codec: the key of the ledger and of the permit to open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Library {
    /// The name used in messages, such as `SVT-AV1`.
    pub name: Name,
    /// Prefixes of the names that the library gives to its own threads; an empty one
    /// stands for any name that is not another's. Threads
    /// that keep their creator's name are recognised by the worker's name.
    pub thread_names: Cow<'static, [Name]>,
}

impl Library {
    /// A library that does not name its threads.
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            thread_names: Cow::Borrowed(&[]),
        }
    }

    /// The same, with the prefixes of its threads' names.
    pub fn with_thread_names(self, prefixes: impl Into<Cow<'static, [Name]>>) -> Self {
        Self {
            thread_names: prefixes.into(),
            ..self
        }
    }
}

/// Creates a session on its worker. The factory is moved between threads; the session
/// is not.
pub trait Codec: Send + 'static {
    /// The session that [`open`](Self::open) creates.
    type Session: Session;

    /// The library that the session will call.
    fn library(&self) -> Library;

    /// Whether the session runs in a process of its own.
    fn is_isolated(&self) -> bool {
        false
    }

    /// Whether the session may open while others of its library do.
    fn opens_freely(&self) -> bool {
        self.is_isolated()
    }

    /// How long the session waits for another of its library that is opening, before it
    /// opens beside it. `None` if two opens of the library must not overlap. If they do,
    /// threads that the library starts and names count for both: evidence of the work of
    /// one may be that of the other, and the watchdog waits longer.
    fn opens_beside_after(&self) -> Option<Duration> {
        None
    }

    /// Waits until the codec can be opened in addition to the existing sessions. Runs
    /// on the worker before it requests the permit to open, so that others of the
    /// library open meanwhile. Must make no native call. The session owes nothing; the
    /// wait must have its own time limit, and end soon once outputs are
    /// [discarded](Lane::discarding). If the codec is dropped without being opened, it
    /// must release what it has taken.
    ///
    /// # Errors
    /// [`CodecError::Settings`] when the user has to change something,
    /// [`CodecError::Resource`] otherwise.
    fn wait_for_turn(
        &mut self,
        _lane: &Lane<<Self::Session as Session>::Output>,
    ) -> Result<(), CodecError> {
        Ok(())
    }

    /// Opens the native codec. Runs on the worker and may block; every native
    /// call goes through `lane`.
    ///
    /// # Errors
    /// [`CodecError::Settings`] when the user has to change something,
    /// [`CodecError::Native`] or [`CodecError::Resource`] otherwise. Anything partly
    /// opened has been closed again.
    fn open(
        self,
        lane: &Lane<<Self::Session as Session>::Output>,
    ) -> Result<Self::Session, CodecError>;
}

/// One native codec instance. Only its worker creates, uses and closes it, so it need
/// not be `Send`. An error returned by any method but [`close`](Self::close) ends the
/// run; the supervisor then calls `close`. The same holds after a panic, which must
/// leave the session in a state in which `close` works.
pub trait Session: 'static {
    /// The codec's input.
    type Input: Send + 'static;
    /// The codec's output.
    type Output: Send + 'static;

    /// How many inputs may wait for the worker, at least 1. Enough that it need not
    /// wait for the streaming thread, which is woken when half of them are left; few if
    /// each is a raw picture from upstream's pool.
    const QUEUE: usize = 4;

    /// The amount of an input. Called by the streaming thread, without a lock.
    fn weigh(_input: &Self::Input) -> Amount {
        Amount::ONE_FRAME
    }

    /// The most frames that the codec may keep while no further input comes; called
    /// once, after the open. Later changes are set by [`Lane::set_delay`]. `None` if
    /// there is no limit: then only its calls and a drain owe progress.
    fn delay(&self) -> Option<usize>;

    /// Whether it would take an input now. One for which there is no room stays in line,
    /// where a restart finds it; a call has to be in flight then, and whoever makes room
    /// calls [`RemoteCalls::made_room`](crate::RemoteCalls::made_room). Called under a lock:
    /// must neither wait nor use a lane.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes one input; passes the output that is ready to [`Lane::emit`].
    ///
    /// # Errors
    /// What the library returned.
    fn send(&mut self, lane: &Lane<Self::Output>, input: Self::Input) -> Result<(), CodecError>;

    /// Emits everything inside.
    ///
    /// # Errors
    /// What the library returned.
    fn drain(&mut self, lane: &Lane<Self::Output>) -> Result<Drained, CodecError>;

    /// Drops everything inside, or returns that this takes a new session. After
    /// [`Flush::Done`] no earlier input may come out, not even what a sibling lane was
    /// holding.
    ///
    /// # Errors
    /// What the library returned.
    fn flush(&mut self, lane: &Lane<Self::Output>) -> Result<Flush, CodecError>;

    /// Ends the session, also in mid-stream; discards what is still inside.
    ///
    /// # Errors
    /// What the library returned. The session has ended in any case.
    fn close(self, lane: &Lane<Self::Output>) -> Result<(), CodecError>;
}

/// What a session can do after it was drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// It goes on with the next input, references kept.
    Reusable,
    /// It can only be closed.
    Spent,
}

/// Whether a session could be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Yes: it is like a new session.
    Done,
    /// No: close it and open another.
    NeedsNewSession,
}

/// An error other than a wedge: the codec returned it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CodecError {
    /// A native call returned an error.
    #[error("{call} failed: {reason} (code {code:#x})")]
    Native {
        /// The C function.
        call: Name,
        /// The value that it returned.
        code: i64,
        /// What the value means.
        reason: String,
    },
    /// A part of the codec has reported an error in its own words.
    #[error("{part}: {text}")]
    Reported {
        /// The part, such as an element of a chain.
        part: Name,
        /// What it reported.
        text: String,
    },
    /// Settings that the library does not accept; the user has to change them.
    #[error("{0}")]
    Settings(String),
    /// Memory or threads that are not available.
    #[error("{0}")]
    Resource(String),
    /// The codec is gone: the process that it ran in died.
    #[error("{what}")]
    Crashed {
        /// The signal or the exit code.
        what: String,
    },
    /// Rust code of the session panicked in the process that it runs in.
    #[error("{0}")]
    Panicked(String),
}
