// SPDX-License-Identifier: MPL-2.0
//! The inputs in flight, and which of them are not settled yet. Pure.
//!
//! Inputs are counted, and dav1d carries that number, the mark, from data to
//! pictures and errors. Pictures come out in the order of their marks.

use std::collections::VecDeque;

/// Maximum of recorded inputs. dav1d works on 256 frames at most, and a frame has
/// at most 4096 tiles, which may come one per input: an input that is further back
/// than this can no longer lead to a picture.
const MOST: usize = 8192;

/// Inputs that may still lead to a picture, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    newest: i64,
    inputs: VecDeque<Input>,
}

#[derive(Debug)]
struct Input {
    mark: i64,
    /// The caller's id.
    id: u64,
    /// It holds a key frame that is shown: nothing later refers to inputs before it.
    starts: bool,
    /// An output has settled it.
    settled: bool,
}

impl Inside {
    /// The mark for the next input, which is then entered or not.
    pub(crate) fn next_mark(&mut self) -> i64 {
        self.newest += 1;
        self.newest
    }

    /// The mark of the last input.
    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    /// Records the newest input.
    pub(crate) fn enter(&mut self, id: u64, starts: bool) {
        let mark = self.newest;
        self.inputs.push_back(Input {
            mark,
            id,
            starts,
            settled: false,
        });
    }

    /// Removes the oldest input if it is before `mark`, because later ones have led to
    /// pictures or everything has come out, or if there are too many. Returns its id,
    /// unless it was settled.
    pub(crate) fn leave_before(&mut self, mark: i64) -> Option<Option<u64>> {
        let too_many = self.inputs.len() > MOST;
        self.inputs
            .front()
            .filter(|input| input.mark < mark || too_many)?;
        let input = self.inputs.pop_front()?;
        Some((!input.settled).then_some(input.id))
    }

    /// Records an output of this input. Returns the input's id, and whether this output
    /// settles it.
    pub(crate) fn settle(&mut self, mark: i64) -> Option<(u64, bool)> {
        let input = self.inputs.iter_mut().find(|input| input.mark == mark)?;
        let first = !std::mem::replace(&mut input.settled, true);
        Some((input.id, first))
    }

    /// The first input after `mark` from which on all inputs are good.
    pub(crate) fn start_after(&self, mark: i64) -> Option<i64> {
        let mut later = self.inputs.iter().filter(|input| input.mark > mark);
        later.find(|input| input.starts).map(|input| input.mark)
    }

    /// Removes all inputs, without settling them.
    pub(crate) fn clear(&mut self) {
        self.inputs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(starts: &[bool]) -> Inside {
        let mut inside = Inside::default();
        for (index, starts) in starts.iter().enumerate() {
            inside.next_mark();
            inside.enter(100 + index as u64, *starts);
        }
        inside
    }

    #[test]
    fn an_input_is_settled_once() {
        let mut inside = inside(&[true, false]);
        assert_eq!(inside.settle(1), Some((100, true)));
        assert_eq!(inside.settle(1), Some((100, false)));
        assert_eq!(inside.leave_before(3), Some(None));
        assert_eq!(inside.leave_before(3), Some(Some(101)));
        assert_eq!(inside.leave_before(3), None);
    }

    #[test]
    fn an_input_that_was_passed_over_takes_a_mark() {
        let mut inside = inside(&[true]);
        inside.next_mark();
        inside.next_mark();
        inside.enter(7, false);
        assert_eq!(inside.settle(2), None);
        assert_eq!(inside.settle(3), Some((7, true)));
    }

    #[test]
    fn inputs_that_lead_to_nothing_do_not_pile_up() {
        let mut inside = inside(&[false; MOST + 3]);
        let left = std::iter::from_fn(|| inside.leave_before(0));
        assert_eq!(left.collect::<Vec<_>>(), [Some(100), Some(101), Some(102)]);
    }

    #[test]
    fn a_start_is_looked_for_after_the_damage_only() {
        let inside = inside(&[true, false, true, true]);
        assert_eq!(inside.start_after(1), Some(3));
        assert_eq!(inside.start_after(4), None);
    }
}
