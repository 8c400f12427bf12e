// SPDX-License-Identifier: MPL-2.0
//! Inputs as they are recorded.

use codecwatch_evidence::Input;
use codecwatch_shared_memory::is_pooled;

/// An input of a decoder.
#[derive(Debug, Clone)]
pub struct RecordedInput {
    pub(super) buffer: gst::Buffer,
    pub(super) caps: Option<gst::Caps>,
    begins: bool,
    /// The container's headers belong before it.
    pub(super) needs_headers: bool,
}

/// How recorded inputs are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleForm {
    /// As an IVF file, `sample.ivf`: inputs are OBUs in the low-overhead format.
    Ivf {
        /// OBUs that the container has outside of the stream.
        headers: Vec<u8>,
    },
    /// As a file of the GStreamer data protocol, `sample.gdp`, which keeps times, flags
    /// and caps, whatever the format is: `filesrc ! gdpdepay ! ...` plays it.
    Gdp,
}

impl RecordedInput {
    /// An input. Of a buffer that belongs to a pool the bytes are copied: its producer
    /// may wait for it. Of others a reference is kept.
    ///
    /// `begins`: whether decoding can start with it. `caps`: those that it came with.
    pub fn new(buffer: gst::Buffer, caps: Option<gst::Caps>, begins: bool) -> Self {
        let buffer = match is_pooled(&buffer) {
            true => buffer.copy_deep().unwrap_or_default(),
            false => buffer,
        };
        Self {
            buffer,
            caps,
            begins,
            needs_headers: false,
        }
    }

    /// The same, with whether the headers of [`SampleForm::Ivf`] belong before it if it is
    /// the first, because it has none of its own.
    pub fn with_needs_headers(self, needs_headers: bool) -> Self {
        Self {
            needs_headers,
            ..self
        }
    }

    pub(super) fn is_key_frame(&self) -> bool {
        self.begins
    }
}

impl Input for RecordedInput {
    fn size(&self) -> usize {
        self.buffer.size()
    }

    fn begins(&self) -> bool {
        self.begins
    }
}
