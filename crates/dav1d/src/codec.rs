// SPDX-License-Identifier: MPL-2.0
//! The factory of sessions.

use std::{borrow::Cow, sync::Arc};

use codecwatch_supervisor::{Codec, CodecError, Lane, Library, Name};

use crate::{
    Config, Dav1dSession, Decoded, LogSink, PageAllocator, PictureAllocator, callbacks::Callbacks,
    decoder::Decoder,
};

/// The library, for ledger and messages.
pub const LIBRARY: Library = Library {
    name: Name::from_static("dav1d"),
    thread_names: Cow::Borrowed(THREAD_NAMES),
};

const THREAD_NAMES: &[Name] = &[Name::from_static("dav1d-")];

/// What a session needs of the process that it runs in.
#[derive(Clone)]
pub struct Environment {
    /// Has pictures decoded into its memory.
    pub allocator: Arc<dyn PictureAllocator>,
    /// Gets dav1d's log; without it dav1d is silent. On machines other than x86-64
    /// it is silent all the same.
    pub log: Option<LogSink>,
}

/// Picture memory of its own, and a silent log.
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

/// Makes [`Dav1dSession`]s.
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
