// SPDX-License-Identifier: MPL-2.0
//! The factory of sessions.

use std::{borrow::Cow, sync::Arc};

use codecwatch_supervisor::{Codec, CodecError, Lane, Library, Name};

use crate::{
    Config, Dav1dSession, Decoded, LogSink, PageAllocator, PictureAllocator, callbacks::Callbacks,
    decoder::Decoder,
};

/// The library: its name in ledger and messages, and the names of its threads.
pub const LIBRARY: Library = Library {
    name: Name::from_static("dav1d"),
    thread_names: Cow::Borrowed(THREAD_NAMES),
};

const THREAD_NAMES: &[Name] = &[Name::from_static("dav1d-")];

/// The objects that the process lends to a session.
#[derive(Clone)]
pub struct Environment {
    /// Allocates the memory that pictures are decoded into.
    pub allocator: Arc<dyn PictureAllocator>,
    /// Receives dav1d's log; without it dav1d does not log. On machines other than
    /// x86-64 it never logs.
    pub log: Option<LogSink>,
}

/// A [`PageAllocator`], and no log.
impl Default for Environment {
    fn default() -> Self {
        Self {
            allocator: Arc::new(PageAllocator::default()),
            log: None,
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// Opens [`Dav1dSession`]s.
#[derive(Debug)]
pub struct Dav1d {
    config: Config,
    environment: Environment,
}

impl Dav1d {
    /// A session with these settings. They are checked when it is opened.
    pub fn new(config: Config, environment: Environment) -> Self {
        Self {
            config,
            environment,
        }
    }
}

impl Codec for Dav1d {
    type Session = Dav1dSession;

    fn library(&self) -> Library {
        LIBRARY
    }

    fn open(self, lane: &Lane<Decoded>) -> Result<Dav1dSession, CodecError> {
        let decoder = Decoder::open(lane, &self.config, Callbacks::new(self.environment))?;
        Ok(Dav1dSession::new(lane, decoder, self.config.headers))
    }
}
