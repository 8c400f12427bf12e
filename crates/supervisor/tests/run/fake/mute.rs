// SPDX-License-Identifier: MPL-2.0
//! A codec that gives nothing, of any type.

use std::marker::PhantomData;

use codecwatch_supervisor::{Codec, CodecError, Drained, Flush, Lane, Library, Name, Session};

pub(crate) struct Mute<O> {
    library: Name,
    output: PhantomData<O>,
}

impl<O> Mute<O> {
    /// `library` has to be the test's own: the ledger is the process's.
    pub(crate) fn new(library: &'static str) -> Self {
        Self {
            library: library.into(),
            output: PhantomData,
        }
    }
}

impl<O: Send + 'static> Codec for Mute<O> {
    type Session = Self;

    fn library(&self) -> Library {
        Library::new(&self.library)
    }

    fn open(self, _: &Lane<O>) -> Result<Self, CodecError> {
        Ok(self)
    }
}

impl<O: Send + 'static> Session for Mute<O> {
    type Input = u32;
    type Output = O;

    fn delay(&self) -> Option<usize> {
        None
    }

    fn send(&mut self, _: &Lane<O>, _: u32) -> Result<(), CodecError> {
        Ok(())
    }

    fn drain(&mut self, _: &Lane<O>) -> Result<Drained, CodecError> {
        Ok(Drained::Spent)
    }

    fn flush(&mut self, _: &Lane<O>) -> Result<Flush, CodecError> {
        Ok(Flush::Done)
    }

    fn close(self, _: &Lane<O>) -> Result<(), CodecError> {
        Ok(())
    }
}
