// SPDX-License-Identifier: MPL-2.0
//! Coded data that a child can still write to. A parser or a decoder goes by a length or an
//! offset that it has read before, so data that changes between two reads leads it beyond
//! what it has: it gets a copy. Samples of pictures and sound lead nobody anywhere, and stay
//! where they are.

use gst::glib;

use crate::io::Output;

/// Formats of which every byte is a part of a sample.
const SAMPLES: [&str; 2] = ["video/x-raw", "audio/x-raw"];

impl Output {
    /// The output in memory that nobody writes to, unless `format`, the caps in force where
    /// it is pushed, says that it is samples.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn settled(mut self, format: Option<&gst::CapsRef>) -> Result<Self, glib::BoolError> {
        if format.is_some_and(are_samples) {
            return Ok(self);
        }
        match &mut self {
            Self::Buffer { buffer, shared, .. } => {
                if let Some(copies) = shared.take() {
                    *buffer = buffer.copy_deep()?;
                    copies.note();
                }
            }
            Self::List { list, shared, .. } => {
                if let Some(copies) = shared.take() {
                    let copied = list.iter().map(gst::BufferRef::copy_deep);
                    *list = copied.collect::<Result<_, _>>()?;
                    copies.note();
                }
            }
            _ => {}
        }
        Ok(self)
    }
}

fn are_samples(format: &gst::CapsRef) -> bool {
    let mut formats = format.iter();
    format.size() > 0 && formats.all(|it| SAMPLES.contains(&it.name().as_str()))
}
