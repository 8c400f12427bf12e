// SPDX-License-Identifier: MPL-2.0
//! What a codec crate implements.

use std::borrow::Cow;

use crate::{Amount, Lane, Name};

/// What implements a codec: the key of the ledger and of the permit to open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Library {
    /// The name used in messages, such as `SVT-AV1`.
    pub name: Name,
    /// Prefixes of the names that the library gives to its own threads. Threads
    /// that keep their creator's name are recognised by the worker's name.
    pub thread_names: Cow<'static, [Name]>,
}

impl Library {
    /// One that gives its threads no names of its own.
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

/// Makes a session on its worker. The factory travels between threads; the
/// session that it makes does not.
pub trait Codec: Send + 'static {
    /// The session that [`open`](Self::open) makes.
    type Session: Session;

    /// The library that the session will call.
    fn library(&self) -> Library;

    /// Waits until the codec can be opened beside those that there are: on the
    /// worker, before it asks for the permit to open, so that others of the library
    /// open meanwhile. Nothing native is called. The session owes nothing; the wait
    /// has to have a bound of its own, and to end soon once outputs are
    /// [not wanted](Lane::discarding). What was taken is given back where the codec
    /// is dropped and not opened.
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
    /// [`CodecError::Native`] or [`CodecError::Resource`] otherwise. What was
    /// opened half-way has been closed again.
    fn open(
        self,
        lane: &Lane<<Self::Session as Session>::Output>,
    ) -> Result<Self::Session, CodecError>;
}

/// One native codec instance. Made, used and closed by its worker alone, so it
/// need not be `Send`. An error returned by any method but [`close`](Self::close)
/// ends the run; the supervisor then calls `close`. The same holds after a
/// panic, which must leave the session fit for `close`.
pub trait Session: 'static {
    /// What the codec takes.
    type Input: Send + 'static;
    /// What it gives.
    type Output: Send + 'static;

    /// How many inputs may wait for the worker, at least 1. Enough that it need not
    /// wait for the streaming thread, which is woken when half of them are left; few
    /// where each is a raw picture out of upstream's pool.
    const QUEUE: usize = 4;

    /// What an input weighs. Called by the streaming thread, without a lock.
    fn weigh(_input: &Self::Input) -> Amount {
        Amount::ONE_FRAME
    }

    /// The most frames that the codec may keep for as long as no further input
    /// comes; asked once, after the open. Later changes are told by
    /// [`Lane::set_delay`]. `None` when it may keep as many as it likes: then
    /// only its calls and a drain owe progress.
    fn delay(&self) -> Option<usize>;

    /// Takes one input; whatever the codec has ready goes to [`Lane::emit`].
    ///
    /// # Errors
    /// What the library answered.
    fn send(&mut self, lane: &Lane<Self::Output>, input: Self::Input) -> Result<(), CodecError>;

    /// Emits everything that is inside.
    ///
    /// # Errors
    /// What the library answered.
    fn drain(&mut self, lane: &Lane<Self::Output>) -> Result<Drained, CodecError>;

    /// Drops everything that is inside, or says that only a new session can. After
    /// [`Flush::Done`] nothing may come out that went in before, also not what a
    /// sibling lane had at hand.
    ///
    /// # Errors
    /// What the library answered.
    fn flush(&mut self, lane: &Lane<Self::Output>) -> Result<Flush, CodecError>;

    /// Ends the session, also in mid-stream; what is still inside is discarded.
    ///
    /// # Errors
    /// What the library answered. The session is gone all the same.
    fn close(self, lane: &Lane<Self::Output>) -> Result<(), CodecError>;
}

/// What a session can do after it was drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Go on with the next input, references kept.
    Reusable,
    /// Nothing but close.
    Spent,
}

/// Whether a session could be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Yes: it is as good as new.
    Done,
    /// No: close it and open another.
    NeedsNewSession,
}

/// An error that is no wedge: the codec came back and said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A native call answered an error.
    #[error("{call} failed: {reason} (code {code:#x})")]
    Native {
        /// The C function.
        call: Name,
        /// Its answer.
        code: i64,
        /// What the answer means.
        reason: String,
    },
    /// Settings that the library does not take: the user's to mend.
    #[error("{0}")]
    Settings(String),
    /// Memory or threads that are not to be had.
    #[error("{0}")]
    Resource(String),
    /// The codec is not there any more: the process that it ran in died.
    #[error("{what}")]
    Crashed {
        /// By which signal, or with which exit code.
        what: String,
    },
}
