// SPDX-License-Identifier: MPL-2.0
//! Which inputs an output settles. A chain says nothing about that, so it is found by
//! the times: most codecs keep them.

use std::collections::VecDeque;

use crate::check::Gives;
use crate::span::Span;

/// So many times of outputs are remembered: what shares a time follows closely.
const REMEMBERED: usize = 32;

/// A codec that has given more outputs without a time, and none with one, gives no times:
/// these are no headers.
const MOST_HEADERS: usize = 8;

/// An input inside the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Input {
    id: u32,
    /// Its timestamp, for messages.
    pts: Option<gst::ClockTime>,
    span: Option<Span>,
    /// An output had its time before it went in: it is the rest of a frame.
    has_come: bool,
}

impl Input {
    fn begins_at(&self, time: i128) -> bool {
        self.span.is_some_and(|span| span.begin == time)
    }

    /// It ends before something that ends at `end`, or nobody knows.
    fn is_covered(&self, end: i128) -> bool {
        self.span.is_none_or(|span| span.end <= end)
    }
}

/// The inputs inside a chain, oldest first.
#[derive(Debug)]
pub(crate) struct InFlight {
    inputs: VecDeque<Input>,
    /// The times of the last outputs, the oldest first.
    given: VecDeque<i128>,
    /// More are settled with the next output, the oldest first.
    most: usize,
    gives: Gives,
    /// How many outputs had no time, and were not marked as headers.
    untimed: usize,
    /// An output had a time.
    has_given_times: bool,
    /// An output had the time of an input.
    has_matched: bool,
    /// Every output so far that has a time had that of an input.
    keeps_times: bool,
}

impl InFlight {
    /// `most`: how many inputs may stay when outputs come that belong to none of them.
    pub(crate) fn new(most: usize, gives: Gives) -> Self {
        Self {
            inputs: VecDeque::new(),
            given: VecDeque::new(),
            most,
            gives,
            untimed: 0,
            has_given_times: false,
            has_matched: false,
            keeps_times: true,
        }
    }

    /// An input goes into the chain.
    pub(crate) fn enter(&mut self, id: u32, pts: Option<gst::ClockTime>, span: Option<Span>) {
        let has_come = match (span, self.inputs.back()) {
            (Some(span), _) => self.given.contains(&span.begin),
            // The rest of what went in before it.
            (None, Some(before)) => before.has_come,
            (None, None) => !self.given.is_empty(),
        };
        self.inputs.push_back(Input {
            id,
            pts,
            span,
            has_come,
        });
    }

    /// An output comes out. Returns the inputs that it settles.
    pub(crate) fn settle(&mut self, span: Option<Span>, is_header: bool) -> Vec<u32> {
        let mut settled = self.take(|input| input.has_come);
        settled.extend(match span {
            Some(span) => self.settle_at(span),
            // Of no input: encoders give headers before the first of them.
            None if is_header => Vec::new(),
            None => self.settle_untimed(),
        });
        while self.inputs.len() > self.most {
            settled.extend(self.inputs.pop_front().map(|input| input.id));
        }
        settled
    }

    /// The inputs that an output without a time settles.
    fn settle_untimed(&mut self) -> Vec<u32> {
        self.untimed += 1;
        let headers = match self.gives {
            Gives::Unknown => 0,
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
    fn settle_at(&mut self, span: Span) -> Vec<u32> {
        let is_rest = self.given.contains(&span.begin);
        self.remember(span.begin);
        self.has_given_times = true;
        if !self.inputs.iter().any(|i| i.begins_at(span.begin)) {
            return match is_rest {
                // The input has been settled by another part of what came of it.
                true => Vec::new(),
                false => self.settle_unmatched(span),
            };
        }
        self.has_matched = true;
        let gives_samples = self.gives == Gives::Samples;
        // What has no time belongs to what went in before it, which may be gone.
        let mut leaves = true;
        self.take(|input| {
            if input.span.is_some() {
                let is_covered = gives_samples && input.is_covered(span.end);
                leaves = input.begins_at(span.begin) || is_covered;
            }
            leaves
        })
    }

    /// The inputs that an output settles which has the time of none.
    fn settle_unmatched(&mut self, span: Span) -> Vec<u32> {
        self.keeps_times = false;
        if self.gives == Gives::Frames && !self.has_matched {
            // The times of the codec have nothing to do with those of its input.
            let untimed = self.take(|input| input.span.is_none());
            return match untimed.is_empty() {
                true => self.inputs.pop_front().map(|i| i.id).into_iter().collect(),
                false => untimed,
            };
        }
        // As in audio, where frames have other sizes than buffers.
        self.take(|input| input.is_covered(span.end))
    }

    fn remember(&mut self, time: i128) {
        if self.given.back() == Some(&time) {
            return;
        }
        if self.given.len() >= REMEMBERED {
            self.given.pop_front();
        }
        self.given.push_back(time);
    }

    /// Takes the inputs out for which `leaves` is true.
    fn take(&mut self, mut leaves: impl FnMut(&Input) -> bool) -> Vec<u32> {
        let mut taken = Vec::new();
        self.inputs.retain(|input| {
            let leaves = leaves(input);
            if leaves {
                taken.push(input.id);
            }
            !leaves
        });
        taken
    }

    /// At the end of the stream: takes the inputs of which nothing has come out, with their
    /// timestamps. Of a chain that gives other times than it gets, none: nobody knows.
    pub(crate) fn missing(&mut self) -> Vec<(u32, Option<gst::ClockTime>)> {
        let inputs = std::mem::take(&mut self.inputs).into_iter();
        let is_known = self.keeps_times && (self.has_matched || self.untimed == 0);
        let missing = inputs.filter(|input| is_known && !input.has_come);
        missing.map(|input| (input.id, input.pts)).collect()
    }

    /// Everything inside is dropped, and times may begin again.
    pub(crate) fn clear(&mut self) {
        self.inputs.clear();
        self.given.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn inside(most: usize, gives: Gives) -> InFlight {
        InFlight::new(most, gives)
    }

    fn span(begin: i128, duration: i128) -> Option<Span> {
        let end = begin + duration;
        Some(Span { begin, end })
    }

    fn time(nanoseconds: u64) -> Option<gst::ClockTime> {
        Some(gst::ClockTime::from_nseconds(nanoseconds))
    }

    fn enter(inside: &mut InFlight, ids: std::ops::Range<u32>) {
        for id in ids {
            let begin = u64::from(id) * 40;
            inside.enter(id, time(begin), span(begin.into(), 40));
        }
    }

    #[test]
    fn a_frame_that_comes_out_in_another_order_settles_itself() {
        for gives in [Gives::Frames, Gives::Unknown] {
            let mut inside = inside(100, gives);
            enter(&mut inside, 0..4);
            for id in [0, 3, 1, 2] {
                assert_eq!(inside.settle(span(i128::from(id) * 40, 40), false), [id]);
            }
        }
    }

    #[test]
    fn an_audio_frame_settles_the_buffers_that_it_covers() {
        let mut inside = inside(100, Gives::Samples);
        for id in 0..6 {
            inside.enter(id, None, span(i128::from(id) * 10, 10));
        }
        // 0 to 10, 10 to 20, 20 to 30, ...
        assert_eq!(inside.settle(span(0, 27), false), [0, 1]);
        assert_eq!(inside.settle(span(27, 28), false), [2, 3, 4]);
        assert!(inside.missing().is_empty(), "other times than it gets");
    }

    #[test]
    fn without_times_an_output_settles_all() {
        let mut inside = inside(100, Gives::Unknown);
        inside.enter(1, None, None);
        inside.enter(2, time(7), span(7, 0));
        assert_eq!(inside.settle(None, false), [1, 2]);
    }

    #[test]
    fn headers_settle_nothing_and_say_nothing_of_times() {
        for (gives, is_marked) in [
            (Gives::Frames, false),
            (Gives::Frames, true),
            (Gives::Samples, false),
            (Gives::Samples, true),
            (Gives::Unknown, true),
        ] {
            let mut inside = inside(100, gives);
            enter(&mut inside, 0..3);
            assert!(inside.settle(None, is_marked).is_empty(), "{gives:?}");
            assert_eq!(inside.settle(span(0, 40), false), [0]);
            assert_eq!(inside.missing().len(), 2, "{gives:?}");
        }
    }

    #[test]
    fn a_codec_that_never_gives_a_time_settles_all_after_what_may_be_headers() {
        for gives in [Gives::Frames, Gives::Samples] {
            let mut inside = inside(100, gives);
            enter(&mut inside, 0..3);
            for _ in 0..MOST_HEADERS {
                assert!(inside.settle(None, false).is_empty());
            }
            assert_eq!(inside.settle(None, false), [0, 1, 2]);
            enter(&mut inside, 3..4);
            assert!(inside.missing().is_empty(), "nobody knows");
        }
    }

    #[test]
    fn where_all_that_came_may_be_headers_nobody_knows_what_is_missing() {
        let mut inside = inside(100, Gives::Samples);
        enter(&mut inside, 0..3);
        inside.settle(None, false);
        assert!(inside.missing().is_empty());
    }

    #[test]
    fn an_output_settles_every_part_of_its_frame() {
        let mut inside = inside(100, Gives::Frames);
        for (id, begin) in [0, 0, 40, 0, 40].into_iter().enumerate() {
            inside.enter(u32::try_from(id).unwrap(), None, span(begin, 40));
        }
        assert_eq!(inside.settle(span(0, 40), false), [0, 1, 3]);
        assert_eq!(inside.settle(span(40, 40), false), [2, 4]);
    }

    #[test]
    fn the_parts_of_a_frame_may_come_out_each_by_itself() {
        let mut inside = inside(100, Gives::Unknown);
        inside.enter(0, None, span(0, 40));
        inside.enter(1, None, span(0, 40));
        enter(&mut inside, 2..3);
        assert_eq!(inside.settle(span(0, 40), false), [0, 1]);
        assert!(inside.settle(span(0, 40), false).is_empty());
        assert_eq!(inside.missing().len(), 1, "its times are known");
    }

    #[test]
    fn the_rest_of_a_frame_that_has_come_out_is_not_missing() {
        let mut inside = inside(100, Gives::Frames);
        inside.enter(0, None, span(0, 40));
        assert_eq!(inside.settle(span(0, 40), false), [0]);
        inside.enter(1, None, span(0, 40));
        inside.enter(2, None, span(40, 40));
        assert_eq!(inside.settle(span(40, 40), false), [1, 2]);
        inside.enter(3, None, span(40, 40));
        assert!(inside.missing().is_empty());
    }

    #[test]
    fn a_buffer_without_a_time_belongs_to_the_frame_that_begins_before_it() {
        let mut inside = inside(100, Gives::Frames);
        for (id, begin) in [(0, None), (1, Some(40)), (2, None), (3, Some(0)), (4, None)] {
            inside.enter(id, None, begin.and_then(|begin| span(begin, 40)));
        }
        assert_eq!(inside.settle(span(0, 40), false), [0, 3, 4]);
        assert_eq!(inside.settle(span(40, 40), false), [1, 2]);
        // That has come out.
        inside.enter(5, None, None);
        inside.enter(6, None, None);
        enter(&mut inside, 7..8);
        inside.enter(8, None, None);
        let missing = inside.missing().into_iter().map(|(id, _)| id);
        assert_eq!(missing.collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn frames_with_times_that_match_nothing_settle_one_input_each() {
        for offset in [3_600_000, -3_600_000] {
            let mut inside = inside(100, Gives::Frames);
            enter(&mut inside, 0..4);
            for id in 0..3 {
                let begin = offset + i128::from(id) * 40;
                assert_eq!(inside.settle(span(begin, 40), false), [id]);
            }
            assert!(inside.missing().is_empty(), "nobody knows");
        }
    }

    #[test]
    fn frames_between_those_of_the_input_settle_no_later_ones() {
        // Twice as many frames as went in.
        let mut inside = inside(100, Gives::Frames);
        enter(&mut inside, 0..3);
        let settled = |begin| inside.settle(span(begin, 20), false);
        let settled: Vec<_> = [0, 20, 40, 60, 80].into_iter().flat_map(settled).collect();
        assert_eq!(settled, [0, 1, 2]);
    }

    #[test]
    fn after_a_flush_the_same_times_are_those_of_other_frames() {
        let mut inside = inside(100, Gives::Frames);
        enter(&mut inside, 0..2);
        inside.settle(span(0, 40), false);
        inside.clear();
        enter(&mut inside, 0..2);
        assert_eq!(inside.settle(span(40, 40), false), [1]);
        assert_eq!(inside.missing(), [(0, time(0))]);
    }

    #[test]
    fn at_the_end_what_has_not_come_out_is_missing_if_the_chain_keeps_times() {
        let mut inside = inside(100, Gives::Unknown);
        enter(&mut inside, 0..4);
        inside.settle(span(40, 40), false);
        inside.settle(span(0, 40), false);
        assert_eq!(inside.missing(), [(2, time(80)), (3, time(120))]);
        assert!(inside.missing().is_empty());
        enter(&mut inside, 4..5);
        inside.settle(span(165, 10), false);
        assert!(inside.missing().is_empty());
    }

    #[test]
    fn inputs_whose_outputs_never_come_do_not_pile_up_while_others_do() {
        let mut inside = inside(8, Gives::Unknown);
        // A chain that sets times back by an hour.
        for id in 0..100 {
            inside.enter(id, None, span(3_600_000 + i128::from(id), 1));
            inside.settle(span(i128::from(id), 1), false);
            assert!(inside.inputs.len() <= 8);
        }
    }

    fn any_gives() -> impl Strategy<Value = Gives> {
        prop::sample::select(vec![Gives::Frames, Gives::Samples, Gives::Unknown])
    }

    proptest! {
        #[test]
        fn each_input_is_settled_once(
            gives in any_gives(),
            steps in prop::collection::vec(
                (any::<bool>(), prop::option::of(0..50_i128), any::<bool>()),
                0..200,
            )
        ) {
            let (mut inside, mut next, mut settled) = (inside(16, gives), 0, BTreeSet::new());
            for (enters, begin, is_header) in steps {
                let span = begin.and_then(|begin| span(begin, 1));
                if enters {
                    inside.enter(next, None, span);
                    next += 1;
                } else {
                    for id in inside.settle(span, is_header) {
                        prop_assert!(id < next);
                        prop_assert!(settled.insert(id));
                    }
                    prop_assert!(inside.inputs.len() <= 16);
                }
            }
        }
    }
}
