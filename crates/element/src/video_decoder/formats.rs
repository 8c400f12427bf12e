// SPDX-License-Identifier: MPL-2.0
//! The formats of the inputs that are inside a decoder: caps take effect with the
//! input that follows them, and a picture comes out with the format of its input.

use std::collections::VecDeque;

/// A format as the base class keeps it.
pub type InputState = gst_video::VideoCodecState<'static, gst_video::video_codec_state::Readable>;

/// An input format.
#[derive(Debug, Clone)]
pub struct Format<B> {
    /// As the base class keeps it.
    pub input: InputState,
    /// The caps of the sink pad.
    pub caps: gst::Caps,
    /// What the caps say about the bitstream.
    pub bitstream: B,
    /// Changes with each format, and after each flush: a negotiation for another serial
    /// does not hold.
    pub serial: u64,
}

impl<B> Format<B> {
    pub(super) fn new(input: InputState, caps: gst::Caps, bitstream: B) -> Self {
        Self {
            input,
            caps,
            bitstream,
            serial: 0,
        }
    }
}

/// Each format with the first input that has it, the oldest first.
#[derive(Debug)]
pub(super) struct Formats<B> {
    formats: VecDeque<(u64, Format<B>)>,
    serial: u64,
}

impl<B> Default for Formats<B> {
    fn default() -> Self {
        Self {
            formats: VecDeque::new(),
            serial: 0,
        }
    }
}

/// The first input of a format that has none yet.
const NONE_YET: u64 = u64::MAX;

impl<B: Clone> Formats<B> {
    /// Sets the format of the inputs to come. Returns the previous one if no input used it.
    pub(super) fn announce(&mut self, format: Format<B>) -> Option<Format<B>> {
        let is_unused = self
            .formats
            .back()
            .is_some_and(|(first, _)| *first == NONE_YET);
        let unused = if is_unused {
            self.formats.pop_back()
        } else {
            None
        };
        let serial = self.next_serial();
        self.formats
            .push_back((NONE_YET, Format { serial, ..format }));
        unused.map(|(_, format)| format)
    }

    /// The format of the next input.
    pub(super) fn next(&self) -> Option<&Format<B>> {
        self.formats.back().map(|(_, format)| format)
    }

    /// Notes the next input. Returns the description of its bitstream.
    pub(super) fn take_up(&mut self, id: u64) -> Option<B> {
        let (first, format) = self.formats.back_mut()?;
        *first = (*first).min(id);
        Some(format.bitstream.clone())
    }

    /// Input `id` comes out: takes the formats of earlier inputs. The caller must drop
    /// them without the lock.
    pub(super) fn outdated(&mut self, id: u64) -> Vec<(u64, Format<B>)> {
        let later = |(first, _): &&(u64, Format<B>)| *first <= id;
        let outdated = self.formats.iter().skip(1).take_while(later).count();
        self.formats.drain(..outdated).collect()
    }

    /// The format of the oldest input that is inside.
    pub(super) fn oldest(&self) -> Option<&Format<B>> {
        self.formats.front().map(|(_, format)| format)
    }

    /// Nothing is inside any more. Returns the formats of the dropped inputs.
    pub(super) fn flush(&mut self) -> VecDeque<(u64, Format<B>)> {
        let serial = self.next_serial();
        let next = self.formats.pop_back();
        let next = next.map(|(first, format)| (first, Format { serial, ..format }));
        std::mem::replace(&mut self.formats, next.into_iter().collect())
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
