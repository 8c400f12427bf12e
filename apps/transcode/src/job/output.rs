// SPDX-License-Identifier: MPL-2.0
//! What is written, and where it goes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use gst::prelude::*;

use super::container::{self, Container, Streamable};
use crate::end::Failure;
use crate::media::make;

/// The last two elements of a job.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) container: &'static Container,
    pub(crate) muxer: gst::Element,
    pub(crate) sink: gst::Element,
    /// What a reader has taken; `None` for a file.
    pub(crate) taken: Option<Arc<Taken>>,
}

/// Who reads an output while it is made.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Takes the bytes of the output, in order. It has to post EOS when all of them were
    /// read, and not before, as `appsink` does; and while it does not take them, only its
    /// own queue, which is bounded, may grow.
    pub sink: gst::Element,
    /// What it has taken so far: it keeps this up to date.
    pub taken: Arc<Taken>,
}

/// What a reader has taken so far.
#[derive(Debug, Default)]
pub struct Taken {
    /// How much. While this moves, the job does.
    pub bytes: AtomicU64,
    /// Whether that is everything that there is, and the reader waits. While it does not,
    /// nothing moves because of the reader, and the input is not read further ahead.
    pub waits: AtomicBool,
}

impl Output {
    /// A file, which is there when it is whole and not before.
    ///
    /// # Errors
    /// A name that says no container, or an element that is missing.
    pub(crate) fn file(path: &Path, keeps_partial: bool) -> Result<Self, Failure> {
        let container = container::of(path)?;
        let sink = make("wholefilesink")?;
        let location = path.to_str().ok_or_else(|| {
            Failure::error(format!(
                "{}: GStreamer takes names in UTF-8 only",
                path.display()
            ))
        })?;
        sink.set_property("location", location);
        sink.set_property("keep-partial", keeps_partial);
        Ok(Self {
            container,
            muxer: make(container.muxer)?,
            sink,
            taken: None,
        })
    }

    /// Whoever reads it.
    ///
    /// # Errors
    /// An element that is missing.
    pub(crate) fn reader(container: Streamable, reader: Reader) -> Result<Self, Failure> {
        let container = container.container();
        let muxer = make(container.muxer)?;
        // It does not go back to write a duration and an index.
        muxer.set_property("streamable", true);
        Ok(Self {
            container,
            muxer,
            sink: reader.sink,
            taken: Some(reader.taken),
        })
    }
}
