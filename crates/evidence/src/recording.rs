// SPDX-License-Identifier: MPL-2.0
//! The latest inputs of a decoder: from the key frame on that everything still inside
//! goes back to.

use std::collections::VecDeque;

/// The most inputs that are kept: ten seconds at 60 per second.
pub const MOST_INPUTS: usize = 600;
/// The most bytes of inputs that are kept.
pub const MOST_SAMPLE_BYTES: usize = 32 << 20;

/// What is recorded. Dropping it may call whoever made it, so the recording gives it
/// back to be dropped without a lock.
pub trait Input {
    /// Its bytes.
    fn size(&self) -> usize;
    /// Whether decoding can start with it.
    fn begins(&self) -> bool;
}

/// What was left out for the limits. It came after the sample's first input, without
/// which nothing can be decoded, and before the others, among which is what the codec
/// was given last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// Inputs.
    pub inputs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// See the module's description.
#[derive(Debug)]
pub struct Recording<T> {
    kept: VecDeque<Kept<T>>,
    bytes: usize,
    cut: Cut,
    most_inputs: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Kept<T> {
    id: u32,
    /// It has come out, or will not: the codec is done with it.
    settled: bool,
    input: T,
}

impl<T> Default for Recording<T> {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            bytes: 0,
            cut: Cut::default(),
            most_inputs: MOST_INPUTS,
            most_bytes: MOST_SAMPLE_BYTES,
        }
    }
}

impl<T: Input> Recording<T> {
    /// Adds the next input, with its number; several in a row may have the same. Returns
    /// what is not kept any more.
    #[must_use = "it has to be dropped without a lock"]
    pub fn add(&mut self, id: u32, input: T) -> Vec<T> {
        self.bytes += input.size();
        self.kept.push_back(Kept {
            id,
            settled: false,
            input,
        });
        let mut gone = self.forget_done();
        while self.kept.len() > self.most_inputs || self.bytes > self.most_bytes {
            // The second, as long as there are two: see `Cut`.
            let Some(oldest) = self.kept.remove(usize::from(self.kept.len() > 1)) else {
                break;
            };
            self.cut.inputs += 1;
            self.cut.bytes += oldest.input.size() as u64;
            gone.push(self.leave(oldest));
        }
        gone
    }

    /// The codec did not take the input after all.
    #[must_use = "it has to be dropped without a lock"]
    pub fn take_back(&mut self, id: u32) -> Vec<T> {
        let mut back = Vec::new();
        while self.kept.back().is_some_and(|kept| kept.id == id)
            && let Some(last) = self.kept.pop_back()
        {
            back.push(self.leave(last));
        }
        back
    }

    /// The codec is done with these inputs. Returns what is not kept any more.
    #[must_use = "it has to be dropped without a lock"]
    pub fn settle(&mut self, ids: impl IntoIterator<Item = u32>) -> Vec<T> {
        for id in ids {
            for kept in self.kept.iter_mut().filter(|kept| kept.id == id) {
                kept.settled = true;
            }
        }
        self.forget_done()
    }

    /// Takes everything: the inputs with their numbers, and what was left out.
    pub fn take(&mut self) -> (Vec<(u32, T)>, Cut) {
        self.bytes = 0;
        let kept = std::mem::take(&mut self.kept);
        let inputs = kept.into_iter().map(|kept| (kept.id, kept.input));
        (inputs.collect(), std::mem::take(&mut self.cut))
    }

    /// Forgets what lies before the latest input from which on everything that the codec
    /// still works on can be decoded.
    fn forget_done(&mut self) -> Vec<T> {
        let open = self.kept.iter().position(|kept| !kept.settled);
        let open = open.unwrap_or(self.kept.len().saturating_sub(1));
        let begin = (1..=open).rev().find(|&at| {
            let kept = self.kept.get(at);
            kept.is_some_and(|kept| kept.input.begins())
        });
        let Some(begin) = begin else {
            return Vec::new();
        };
        // What was left out lay before it.
        self.cut = Cut::default();
        let gone: Vec<_> = self.kept.drain(..begin).collect();
        gone.into_iter().map(|kept| self.leave(kept)).collect()
    }

    fn leave(&mut self, kept: Kept<T>) -> T {
        self.bytes -= kept.input.size();
        kept.input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key frame or another, of so many bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Frame(bool, usize);

    impl Input for Frame {
        fn size(&self) -> usize {
            self.1
        }

        fn begins(&self) -> bool {
            self.0
        }
    }

    fn kept(recording: &mut Recording<Frame>) -> (Vec<u32>, Cut) {
        let (inputs, cut) = recording.take();
        (inputs.into_iter().map(|(id, _)| id).collect(), cut)
    }

    /// Frames 0, 10, 20, ... are key frames.
    fn recorded(ids: std::ops::Range<u32>) -> Recording<Frame> {
        let mut recording = Recording::default();
        for id in ids {
            drop(recording.add(id, Frame(id % 10 == 0, 100)));
        }
        recording
    }

    #[test]
    fn inputs_are_kept_until_a_key_frame_comes_after_all_that_the_codec_works_on() {
        let mut recording = recorded(0..22);
        assert_eq!(recording.settle(0..9).len(), 0, "9 is still inside");
        assert_eq!(recording.settle([9]).len(), 10);
        assert_eq!(recording.settle([11]).len(), 0, "10 is still inside");
        assert_eq!(kept(&mut recording), ((10..22).collect(), Cut::default()));
    }

    #[test]
    fn a_new_key_frame_ends_what_is_done() {
        let mut recording = recorded(0..10);
        assert_eq!(recording.settle(0..10).len(), 0, "it is the latest");
        assert_eq!(recording.add(10, Frame(true, 100)).len(), 10);
        assert_eq!(kept(&mut recording).0, [10]);
    }

    #[test]
    fn a_stream_without_a_key_frame_is_recorded_from_its_beginning() {
        let mut recording = recorded(1..9);
        assert_eq!(recording.settle(1..9).len(), 0);
        assert_eq!(kept(&mut recording).0, (1..9).collect::<Vec<_>>());
    }

    #[test]
    fn what_the_limits_leave_out_is_counted_and_the_first_and_the_last_stay() {
        let mut recording = Recording {
            most_inputs: 4,
            most_bytes: 1000,
            ..recorded(0..1)
        };
        for id in 1..8 {
            drop(recording.add(id, Frame(false, 10)));
        }
        let cut = Cut {
            inputs: 4,
            bytes: 40,
        };
        assert_eq!(kept(&mut recording), (vec![0, 5, 6, 7], cut));
        for id in 0..8 {
            drop(recording.add(id, Frame(id == 0, 300)));
        }
        let cut = Cut {
            inputs: 5,
            bytes: 1500,
        };
        assert_eq!(kept(&mut recording), (vec![0, 6, 7], cut));
    }

    #[test]
    fn an_input_larger_than_the_limit_is_not_kept() {
        let mut recording = Recording {
            most_bytes: 1000,
            ..Recording::default()
        };
        assert_eq!(recording.add(0, Frame(true, 2000)).len(), 1);
        drop(recording.add(1, Frame(false, 10)));
        let (kept, cut) = kept(&mut recording);
        assert_eq!((kept, cut.inputs, cut.bytes), (vec![1], 1, 2000));
        assert_eq!(recording.bytes, 0);
    }

    #[test]
    fn an_input_that_was_not_taken_is_no_part_of_the_sample() {
        let mut recording = recorded(0..3);
        assert_eq!(recording.take_back(1), [], "it is not the last");
        drop(recording.add(2, Frame(false, 7)));
        let two = [Frame(false, 7), Frame(false, 100)];
        assert_eq!(recording.take_back(2), two);
        assert_eq!(kept(&mut recording).0, [0, 1]);
    }
}
