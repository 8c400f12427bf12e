// SPDX-License-Identifier: MPL-2.0
//! The factory of sessions.

use std::{borrow::Cow, sync::Arc};

use codecwatch_supervisor::{Codec, CodecError, Lane, Library, Name};

use crate::{
    Dav1dSession, Decoded, LogHook, PageAllocator, PictureAllocator, Settings,
    callbacks::Callbacks, decoder::Decoder,
};

/// The library, for ledger and messages.
pub const LIBRARY: Library = Library {
    name: Name::from_static("dav1d"),
    thread_names: Cow::Borrowed(THREAD_NAMES),
};

const THREAD_NAMES: &[Name] = &[Name::from_static("dav1d-")];

/// Makes [`Dav1dSession`]s.
pub struct Dav1d {
    settings: Settings,
    allocator: Arc<dyn PictureAllocator>,
    headers: Vec<u8>,
    log: Option<LogHook>,
}

impl Dav1d {
    /// With picture memory of its own, no headers, and a silent log.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            allocator: Arc::new(PageAllocator::default()),
            headers: Vec::new(),
            log: None,
        }
    }

    /// Has pictures decoded into this allocator's memory.
    pub fn allocator(self, allocator: Arc<dyn PictureAllocator>) -> Self {
        Self { allocator, ..self }
    }

    /// OBUs that apply to the stream but may not be in it: the
    /// [`config_obus`](codecwatch_av1::config_obus) of its container.
    pub fn headers(self, headers: Vec<u8>) -> Self {
        Self { headers, ..self }
    }

    /// Has dav1d's log sent to a hook. On machines other than x86-64 dav1d is
    /// silent all the same.
    pub fn log(self, hook: LogHook) -> Self {
        let log = Some(hook);
        Self { log, ..self }
    }
}

impl std::fmt::Debug for Dav1d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dav1d")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Codec for Dav1d {
    type Session = Dav1dSession;

    fn library(&self) -> Library {
        LIBRARY
    }

    fn open(self, lane: &Lane<Decoded>) -> Result<Dav1dSession, CodecError> {
        let callbacks = Callbacks::new(self.allocator, self.log);
        let decoder = Decoder::open(lane, &self.settings, callbacks)?;
        Ok(Dav1dSession::new(lane, decoder, self.headers))
    }
}
