// SPDX-License-Identifier: MPL-2.0
//! Which inputs an output settles, and which are lost. A chain says neither, so both are
//! found by the times: most codecs keep them.

mod covered;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::covered::Covered;
use crate::check::Gives;
use crate::left_out::LeftOut;
use crate::span::Span;

/// Number of output times that are remembered. Outputs that share a time follow each
/// other closely.
const REMEMBERED: usize = 32;

/// Number of outputs without a time that may be headers, at the beginning. A codec that
/// gives more of them before the first with a time gives no times.
const MOST_HEADERS: usize = 8;

/// Number of pictures that may overtake a picture. When more have gone in after it and
/// come out, it is lost. Codecs reorder within a group: at most 32 pictures in SVT-AV1 and
/// in the reference encoder of VVC, 16 in H.264 and H.265.
const MOST_REORDERED: u64 = 64;

/// Number of inputs that may stay inside while outputs come that match none of them, if
/// the application sets no limit. No codec looks ahead as far.
const MOST_UNMATCHED: usize = 4096;

/// The longest packet of sound, in nanoseconds: 8192 samples of Vorbis at 44.1 kHz.
const LONGEST_PACKET: i128 = 186_000_000;

/// An input inside the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Input {
    id: u32,
    /// Its timestamp, for messages.
    pts: Option<gst::ClockTime>,
    span: Option<Span>,
    /// The number of its picture: what has no time belongs to that before it.
    picture: u64,
    /// It needs no output: it is the rest of a frame, because an output had its time before
    /// it went in; or a message has named it as dropped.
    has_come: bool,
    /// How much of it outputs have covered, in nanoseconds.
    covered: i128,
    /// It came without a duration: its span ends where that of the next input begins.
    is_estimated: bool,
}

impl Input {
    fn begins_at(&self, time: i128) -> bool {
        self.span.is_some_and(|span| span.begin == time)
    }

    /// It ends at `end` at the latest, as far as its times say.
    fn is_covered(&self, end: i128) -> bool {
        self.span.is_none_or(|span| span.end <= end)
    }

    /// Elements drop what is outside of the segment without a message.
    fn is_shown(&self) -> bool {
        self.span.is_none_or(|span| span.is_shown)
    }
}

/// What an output settles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The inputs that it is made of, and those that cannot be told from them.
    pub(crate) frames: Vec<u32>,
    /// The inputs that are lost, as this output shows.
    pub(crate) left_out: Option<LeftOut>,
}

/// The inputs inside a chain, oldest first.
#[derive(Debug)]
pub(crate) struct InFlight {
    inputs: VecDeque<Input>,
    /// The spans of the last outputs, the oldest first.
    given: VecDeque<Span>,
    /// Number of inputs that stay when an output matches none of them. Older ones are settled
    /// with it.
    most: usize,
    gives: Gives,
    covered: Covered,
    /// The number of the picture that went in last, and its time.
    picture: u64,
    begins: Option<i128>,
    /// It went in to be shown backwards.
    is_backward: bool,
    /// Number of outputs that had no time and were not marked as headers.
    untimed: usize,
    /// Inputs that followed each other had the same time, as the packets of a picture behind
    /// a jitter buffer.
    shares_times: bool,
    /// An output had a time.
    has_given_times: bool,
    /// An output had the time of an input.
    has_matched: bool,
    /// Every output so far that has a time had that of an input.
    keeps_times: bool,
}

impl InFlight {
    /// `most_inside`: how many inputs the chain may have inside; half of them may stay
    /// when outputs come that belong to none of them.
    pub(crate) fn new(most_inside: Option<usize>, gives: Gives) -> Self {
        Self {
            inputs: VecDeque::new(),
            given: VecDeque::new(),
            most: most_inside.map_or(MOST_UNMATCHED, |most| most / 2),
            gives,
            covered: Covered::default(),
            picture: 0,
            begins: None,
            is_backward: false,
            untimed: 0,
            shares_times: false,
            has_given_times: false,
            has_matched: false,
            keeps_times: true,
        }
    }

    /// An input goes into the chain.
    pub(crate) fn enter(&mut self, id: u32, pts: Option<gst::ClockTime>, span: Option<Span>) {
        let has_come = match (span, self.inputs.back()) {
            (Some(span), _) => self.has_come(span),
            // The rest of what went in before it.
            (None, Some(before)) => before.has_come,
            (None, None) => !self.given.is_empty(),
        };
        if let (Gives::Samples, Some(span)) = (self.gives, span) {
            self.estimate_end(span);
        }
        if let Some(span) = span {
            if self.begins.replace(span.begin) == Some(span.begin) {
                self.shares_times = true;
            } else {
                self.picture += 1;
                self.is_backward = span.is_backward;
            }
        }
        self.inputs.push_back(Input {
            id,
            pts,
            span,
            picture: self.picture,
            has_come,
            covered: 0,
            is_estimated: false,
        });
    }

    /// Sound that came without a duration lasts until the next begins, or as long as a
    /// packet may be.
    fn estimate_end(&mut self, next: Span) {
        let Some(input) = self.inputs.back_mut() else {
            return;
        };
        if let Some(span) = &mut input.span
            && span.duration() == 0
            && span.begin < next.begin
        {
            span.end = next.begin.min(span.begin + LONGEST_PACKET);
            input.is_estimated = true;
        }
    }

    /// How long the sound inside is, in nanoseconds.
    fn time_inside(&self) -> i128 {
        let spans = self.inputs.iter().filter_map(|input| input.span);
        spans.map(Span::duration).sum()
    }

    /// A message says that the chain drops the input that is shown at a time, such as a
    /// frame that is late.
    pub(crate) fn told(&mut self, time: i128) {
        let dropped = self.inputs.iter_mut().filter(|input| input.begins_at(time));
        dropped.for_each(|input| input.has_come = true);
    }

    /// An output comes out.
    pub(crate) fn settle(&mut self, span: Option<Span>, is_header: bool) -> Settled {
        let mut settled = self.take(|input| input.has_come);
        let mut left_out = None;
        match span {
            Some(span) => {
                let of_output = self.settle_at(span);
                left_out = match self.gives {
                    Gives::Samples => {
                        let inside = self.time_inside();
                        self.covered.note(&of_output, span, is_header, inside);
                        self.covered.lost()
                    }
                    Gives::Frames | Gives::Unknown | Gives::Assembled => {
                        let latest = of_output.iter().map(|input| input.picture).max();
                        let overdue = self.overdue(latest.unwrap_or(0));
                        let knows = self.knows_times();
                        let (lost, others): (Vec<_>, Vec<_>) = overdue
                            .into_iter()
                            .partition(|input| knows && input.is_shown());
                        settled.extend(others);
                        report(&lost)
                    }
                };
                settled.extend(of_output);
            }
            // Of no input: encoders give headers before the first of them.
            None if is_header => {}
            None => settled.extend(self.settle_untimed()),
        }
        Settled {
            frames: ids(&settled),
            left_out,
        }
    }

    /// What the chain gives, as far as its input shows.
    fn gives(&self) -> Gives {
        match self.gives {
            Gives::Assembled if self.shares_times => Gives::Unknown,
            gives => gives,
        }
    }

    /// Whether an input is lost if none of the outputs has its time.
    fn knows_times(&self) -> bool {
        match self.gives() {
            // An output with another time is made of one of them.
            Gives::Frames => self.has_matched,
            Gives::Samples | Gives::Unknown => self.has_matched && self.keeps_times,
            // Several inputs make an output, which has the time of one.
            Gives::Assembled => false,
        }
    }

    /// The inputs that an output without a time settles.
    fn settle_untimed(&mut self) -> Vec<Input> {
        self.untimed += 1;
        let headers = match self.gives {
            Gives::Unknown | Gives::Assembled => 0,
            // Not every encoder marks its headers: speexenc does not.
            Gives::Frames | Gives::Samples => MOST_HEADERS,
        };
        if self.has_given_times || self.untimed <= headers {
            return self.take(|input| input.span.is_none());
        }
        // The codec gives what it has.
        self.keeps_times = false;
        self.take(|_| true)
    }

    /// The inputs that have the time of an output: one, several if they are parts of a
    /// frame. Video codecs keep times, and reorder frames.
    fn settle_at(&mut self, span: Span) -> Vec<Input> {
        let is_rest = self.given.iter().any(|given| given.begin == span.begin);
        self.remember(span);
        self.has_given_times = true;
        for input in &mut self.inputs {
            input.covered += input.span.map_or(0, |input| input.overlap(span));
        }
        if !self.inputs.iter().any(|i| i.begins_at(span.begin)) {
            let mut settled = match is_rest {
                // The input has been settled by another part of what came of it.
                true => Vec::new(),
                false => self.settle_unmatched(span),
            };
            let excess = self.inputs.len().saturating_sub(self.most);
            settled.extend(self.inputs.drain(..excess));
            return settled;
        }
        self.has_matched = true;
        let gives = self.gives();
        // What has no time belongs to what went in before it, which may be gone.
        let mut leaves = true;
        self.take(|input| {
            if let Some(of_input) = input.span {
                leaves = of_input.begin == span.begin
                    || match gives {
                        Gives::Samples | Gives::Assembled => input.is_covered(span.end),
                        // A field, or a frame that videorate leaves out.
                        Gives::Frames | Gives::Unknown => of_input.is_within(span),
                    };
            }
            leaves
        })
    }

    /// The inputs that an output settles which has the time of none.
    fn settle_unmatched(&mut self, span: Span) -> Vec<Input> {
        self.keeps_times = false;
        if self.gives != Gives::Frames {
            // As in audio, where frames have other sizes than buffers.
            return self.take(|input| input.is_covered(span.end));
        }
        if !self.has_matched {
            // The times of the codec have nothing to do with those of its input.
            let untimed = self.take(|input| input.span.is_none());
            return match untimed.is_empty() {
                true => self.inputs.pop_front().into_iter().collect(),
                false => untimed,
            };
        }
        // It is made of one of them: the oldest that it can be.
        let may_be = |input: &&Input| input.span.is_none_or(|input| input.begin < span.end);
        let oldest = self.inputs.iter().find(may_be).map(|input| input.picture);
        self.take(|input| {
            Some(input.picture) == oldest || input.span.is_some_and(|input| input.is_within(span))
        })
    }

    /// Takes the inputs out that come no more when one of a picture has come.
    fn overdue(&mut self, picture: u64) -> Vec<Input> {
        if self.is_backward {
            // Groups of any length come out in the reverse order: distance says nothing.
            return Vec::new();
        }
        self.take(|input| input.picture + MOST_REORDERED < picture)
    }

    /// Whether what is shown then has come out: it is a rest of it, or is left out for it.
    fn has_come(&self, span: Span) -> bool {
        let is_sound = self.gives == Gives::Samples;
        let is_of = |given: &Span| given.begin == span.begin || !is_sound && span.is_within(*given);
        self.given.iter().any(is_of)
    }

    fn remember(&mut self, span: Span) {
        if self.given.back() == Some(&span) {
            return;
        }
        if self.given.len() >= REMEMBERED {
            self.given.pop_front();
        }
        self.given.push_back(span);
    }

    /// Takes the inputs out for which `leaves` is true.
    fn take(&mut self, mut leaves: impl FnMut(&Input) -> bool) -> Vec<Input> {
        let mut taken = Vec::new();
        self.inputs.retain(|input| {
            let leaves = leaves(input);
            if leaves {
                taken.push(*input);
            }
            !leaves
        });
        taken
    }

    /// At the end of the stream: takes the inputs of which nothing has come out. Of a chain
    /// that gives other times than it gets, none: nobody knows.
    pub(crate) fn missing(&mut self) -> Option<LeftOut> {
        let mut inputs: Vec<_> = std::mem::take(&mut self.inputs).into();
        inputs.retain(|input| !input.has_come && input.is_shown());
        if self.knows_times() || (!self.has_given_times && self.untimed == 0) {
            return report(&inputs);
        }
        if self.gives != Gives::Samples {
            return None;
        }
        self.covered.add(&inputs);
        self.covered.lost()
    }

    /// Everything inside is dropped, and times may begin again.
    pub(crate) fn clear(&mut self) {
        self.inputs.clear();
        self.given.clear();
        self.begins = None;
        self.covered = Covered::default();
    }
}

fn ids(inputs: &[Input]) -> Vec<u32> {
    inputs.iter().map(|input| input.id).collect()
}

/// That these inputs are lost, if there are any.
fn report(inputs: &[Input]) -> Option<LeftOut> {
    let times: Vec<_> = inputs.iter().map(|input| input.pts).collect();
    (!inputs.is_empty()).then(|| LeftOut::new(ids(inputs), &times))
}
