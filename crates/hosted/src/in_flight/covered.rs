// SPDX-License-Identifier: MPL-2.0
//! How much of what goes in as sound comes out. Frames have other sizes than buffers, and
//! codecs swallow some of the first samples, so single buffers are not compared, but times.

use std::collections::VecDeque;

use super::Input;
use crate::left_out::LeftOut;
use crate::span::Span;

/// So much may be missing without a loss, in nanoseconds: codecs begin with samples that
/// they swallow (Opus 80 ms at most), and end before a frame is full.
const EXCUSED: i128 = 1_000_000_000;

/// The time of the inputs of a chain against that of its outputs.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// By how much more has gone in than has come out, in nanoseconds.
    owed: i128,
    /// Inputs that no output has covered: their timestamps and durations.
    bare: VecDeque<(Option<gst::ClockTime>, i128)>,
    /// Some were lost before: what is missing from then on is no beginning.
    has_lost: bool,
    /// An output has no duration.
    is_unknown: bool,
}

impl Covered {
    /// An output has settled these inputs. `inside`: how long those are that stay, of which
    /// it may be a part. What comes out in excess belongs to no input (a decoder conceals a
    /// gap), and makes up for none that is lost.
    pub(super) fn note(&mut self, settled: &[Input], output: Span, is_header: bool, inside: i128) {
        self.is_unknown |= output.duration() == 0 && !is_header;
        self.owed -= output.duration();
        self.add(settled);
        self.owed = self.owed.max(-inside);
    }

    /// Nothing more comes of these inputs.
    pub(super) fn add(&mut self, settled: &[Input]) {
        let shown = settled.iter().filter(|input| input.is_shown());
        for (input, span) in shown.filter_map(|input| Some((input, input.span?))) {
            // After one that came without a duration there may be silence.
            let is_bare = match input.is_estimated {
                true => input.covered == 0,
                false => input.covered * 2 < span.duration(),
            };
            self.owed += match input.is_estimated && !is_bare {
                true => input.covered.min(span.duration()),
                false => span.duration(),
            };
            if is_bare && span.duration() > 0 {
                self.bare.push_back((input.pts, span.duration()));
            }
        }
        // If less is missing, the times of the outputs are others than those of the inputs.
        while self.bare_time() > self.owed.max(0) + EXCUSED {
            self.bare.pop_front();
        }
    }

    /// The inputs that are lost, if it shows.
    pub(super) fn lost(&mut self) -> Option<LeftOut> {
        let excused = if self.has_lost { 0 } else { EXCUSED };
        if self.is_unknown || self.bare.is_empty() || self.owed <= excused {
            return None;
        }
        self.has_lost = true;
        self.owed -= self.bare_time();
        let times: Vec<_> = self.bare.drain(..).map(|(pts, _)| pts).collect();
        Some(LeftOut::new(Vec::new(), &times))
    }

    fn bare_time(&self) -> i128 {
        self.bare.iter().map(|(_, duration)| duration).sum()
    }
}
