// SPDX-License-Identifier: MPL-2.0
//! Which inputs an output settles. A chain says nothing about that, so it is found by
//! the times: most codecs keep them.

use std::collections::VecDeque;

/// An input inside the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Input {
    id: u32,
    /// When it is shown, and when it ends, in nanoseconds.
    pts: Option<u64>,
    end: Option<u64>,
}

/// The inputs inside a chain, oldest first.
#[derive(Debug)]
pub(crate) struct InFlight {
    inputs: VecDeque<Input>,
    /// More are settled with the next output, the oldest first.
    most: usize,
    /// Every output so far had the time of an input.
    keeps_times: bool,
}

impl InFlight {
    /// `most`: how many inputs may stay when outputs come that belong to none of them.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            inputs: VecDeque::new(),
            most,
            keeps_times: true,
        }
    }

    /// An input goes into the chain.
    pub(crate) fn enter(&mut self, id: u32, pts: Option<u64>, duration: Option<u64>) {
        let end = pts.map(|pts| pts.saturating_add(duration.unwrap_or(0)));
        self.inputs.push_back(Input { id, pts, end });
    }

    /// An output comes out. Returns the inputs that it settles.
    ///
    /// If an input has its time, that one: video codecs keep times, and reorder frames.
    /// Otherwise those that end before the output does, as in audio, where frames have
    /// other sizes than buffers. Without times, all: the codec gives what it has.
    pub(crate) fn settle(&mut self, pts: Option<u64>, duration: Option<u64>) -> Vec<u32> {
        let mut settled = Vec::new();
        let is_of_input = |input: &Input| pts.is_some() && input.pts == pts;
        self.keeps_times &= self.inputs.iter().any(is_of_input);
        match pts {
            None => settled.extend(self.inputs.drain(..).map(|input| input.id)),
            Some(pts) => {
                let same = self.inputs.iter().position(|input| input.pts == Some(pts));
                if let Some(input) = same.and_then(|at| self.inputs.remove(at)) {
                    settled.push(input.id);
                } else {
                    let end = pts.saturating_add(duration.unwrap_or(0));
                    self.inputs.retain(|input| {
                        let stays = input.end.is_some_and(|input| input > end);
                        if !stays {
                            settled.push(input.id);
                        }
                        stays
                    });
                }
            }
        }
        while self.inputs.len() > self.most {
            settled.extend(self.inputs.pop_front().map(|input| input.id));
        }
        settled
    }

    /// At the end of the stream: takes the inputs of which nothing has come out, with their
    /// times. Of a chain that gives other times than it gets, none: nobody knows.
    pub(crate) fn missing(&mut self) -> Vec<(u32, Option<gst::ClockTime>)> {
        let inputs = std::mem::take(&mut self.inputs).into_iter();
        let missing = inputs.filter(|_| self.keeps_times);
        let time = |pts: Option<u64>| pts.map(gst::ClockTime::from_nseconds);
        missing.map(|input| (input.id, time(input.pts))).collect()
    }

    /// Everything inside is dropped.
    pub(crate) fn clear(&mut self) {
        self.inputs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_frame_that_comes_out_in_another_order_settles_itself() {
        let mut inside = InFlight::new(100);
        for id in 0..4 {
            inside.enter(id, Some(u64::from(id) * 40), Some(40));
        }
        assert_eq!(inside.settle(Some(0), Some(40)), [0]);
        assert_eq!(inside.settle(Some(120), Some(40)), [3]);
        assert_eq!(inside.settle(Some(40), Some(40)), [1]);
        assert_eq!(inside.settle(Some(80), Some(40)), [2]);
    }

    #[test]
    fn an_audio_frame_settles_the_buffers_that_it_covers() {
        let mut inside = InFlight::new(100);
        for id in 0..5 {
            inside.enter(id, Some(5 + u64::from(id) * 10), Some(10));
        }
        // 5 to 15, 15 to 25, 25 to 35, ...
        assert_eq!(inside.settle(Some(0), Some(27)), [0, 1]);
        assert_eq!(inside.settle(Some(27), Some(28)), [2, 3, 4]);
    }

    #[test]
    fn without_times_an_output_settles_all() {
        let mut inside = InFlight::new(100);
        inside.enter(1, None, None);
        inside.enter(2, Some(7), None);
        assert_eq!(inside.settle(None, None), [1, 2]);
    }

    #[test]
    fn at_the_end_what_has_not_come_out_is_missing_if_the_chain_keeps_times() {
        let mut inside = InFlight::new(100);
        for id in 0..4 {
            inside.enter(id, Some(u64::from(id) * 40), Some(40));
        }
        inside.settle(Some(40), Some(40));
        inside.settle(Some(0), Some(40));
        let time = |time| Some(gst::ClockTime::from_nseconds(time));
        assert_eq!(inside.missing(), [(2, time(80)), (3, time(120))]);
        assert!(inside.missing().is_empty());
        inside.enter(4, Some(160), Some(40));
        inside.settle(Some(165), Some(10));
        assert!(inside.missing().is_empty());
    }

    #[test]
    fn inputs_whose_outputs_never_come_do_not_pile_up_while_others_do() {
        let mut inside = InFlight::new(8);
        // A chain that sets times back by an hour.
        for id in 0..100 {
            inside.enter(id, Some(3_600_000 + u64::from(id)), Some(1));
            inside.settle(Some(u64::from(id)), Some(1));
            assert!(inside.inputs.len() <= 8);
        }
    }

    proptest! {
        #[test]
        fn each_input_is_settled_once(
            steps in prop::collection::vec((any::<bool>(), prop::option::of(0..50_u64)), 0..200)
        ) {
            let (mut inside, mut next, mut settled) = (InFlight::new(16), 0, BTreeSet::new());
            for (enters, time) in steps {
                if enters {
                    inside.enter(next, time, Some(1));
                    next += 1;
                } else {
                    for id in inside.settle(time, Some(1)) {
                        prop_assert!(id < next);
                        prop_assert!(settled.insert(id));
                    }
                    prop_assert!(inside.inputs.len() <= 16);
                }
            }
        }
    }
}
