// SPDX-License-Identifier: MPL-2.0
//! What a scenario's process says of itself, as one line.

use serde::{Deserialize, Serialize};

/// What is seen of a whole scenario.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What the process held before its first pipeline.
    pub before: Holding,
    /// Each doing of the steps.
    pub lives: Vec<Life>,
}

/// What is seen while the steps are done once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Life {
    /// What is seen from each start of the pipeline to its stop; at least one.
    pub streams: Vec<Stream>,
    /// Element errors, in their order.
    pub errors: Vec<Complaint>,
    /// Element warnings.
    pub warnings: Vec<Complaint>,
    /// EOS came out of the element after it had posted an error, and before it was
    /// stopped.
    pub eos_after_error: bool,
    /// Buffers that came out likewise.
    pub taken_after_error: u64,
    /// `codecwatch-slow` messages.
    pub slow: u32,
    /// `codecwatch-restarted` messages.
    pub restarts: Vec<Restart>,
    /// Frames that went in, those still with the source included.
    pub given: u64,
    /// Buffers that came out.
    pub taken: u64,
    /// Requests for a key frame that the element sent upstream.
    pub key_requests: u32,
    /// Steps that waited in vain.
    pub vain: Vec<String>,
    /// What the pipeline looked like then.
    #[serde(default)]
    pub standstill: Vec<String>,
    /// How often PLAYING was asked for again, because GStreamer had lost it.
    #[serde(default)]
    pub played_again: u32,
    /// Changes to READY or NULL.
    pub stops: Vec<Stop>,
    /// When downstream was linked again, in seconds of the monotonic clock.
    pub linked: Option<f64>,
    /// When upstream had its answers, as far as that was waited for.
    pub answered: Option<f64>,
    /// The longest that a FLUSH_STOP without FLUSH_START took, in milliseconds.
    pub flush_stopped_in: Option<f64>,
    /// The longest that a query took, in milliseconds.
    #[serde(default)]
    pub query_answered_in: Option<f64>,
    /// What the process holds afterwards.
    pub after: Holding,
}

/// What is seen from a start of the pipeline to its stop.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stream {
    /// EOS came out of the element.
    pub eos_out: bool,
    /// The pipeline posted EOS.
    pub eos: bool,
    /// Errors on the bus.
    pub errors: u32,
    /// The element has posted one of them.
    pub failed: bool,
    /// Frames that were pushed into the element since the last flush.
    pub entered: u64,
    /// Buffers that came out since then.
    pub taken: u64,
    /// Frames that were lost since then, as messages say.
    pub lost: u64,
    /// Frames that the codec dropped since then by its own rules, each with a QoS message:
    /// `vp8enc` those whose timestamps go back. One that a restart finds inside is among the
    /// lost, too.
    #[serde(default)]
    pub dropped: u64,
    /// Frames of which nothing need come: they were inside at a FLUSH_STOP
    /// without FLUSH_START, or while nothing was linked.
    pub excused: u64,
    /// Formats that came out.
    pub formats: Vec<Format>,
    /// GAP events that reached the element.
    pub gaps: u32,
    /// GAP events that came out.
    pub gaps_out: u32,
}

/// A format that came out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Format {
    /// Width and height.
    pub size: (i32, i32),
    /// Buffers of it.
    pub taken: u64,
}

/// A `codecwatch-restarted` message, and what came after it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Restart {
    /// When it was posted, in seconds of the monotonic clock.
    pub at: f64,
    /// Frames that were lost, as it says.
    pub lost: Option<u64>,
    /// EOS had come out before.
    pub after_eos: bool,
    /// Whether the first buffer with DISCONT after it is a key frame.
    pub begins_with_key: Option<bool>,
}

/// A change to READY or NULL.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Stop {
    /// When it was done, in seconds of the monotonic clock.
    pub at: f64,
    /// How long it took, in milliseconds.
    pub took: f64,
    /// Workers abandoned by then and not reclaimed.
    pub outstanding: usize,
}

impl Life {
    /// What is seen since the last start.
    pub fn stream(&self) -> Option<&Stream> {
        self.streams.last()
    }

    /// The pipeline posted EOS, the last time that it was started.
    pub fn eos(&self) -> bool {
        self.stream().is_some_and(|stream| stream.eos)
    }

    /// EOS came out of the element, whenever.
    pub fn eos_out(&self) -> bool {
        self.streams.iter().any(|stream| stream.eos_out)
    }

    /// The longest that a change to READY or NULL took, in milliseconds.
    pub fn stopped_in(&self) -> Option<f64> {
        self.stops.iter().map(|stop| stop.took).reduce(f64::max)
    }
}

impl Stream {
    /// Frames that neither came out nor were said to be lost; below zero where
    /// more came out than that.
    pub fn missing(&self) -> i64 {
        self.entered.cast_signed() - (self.taken + self.lost).cast_signed()
    }

    /// What is wrong with the account of a stream that ended with EOS, or
    /// nothing. `passed_over`: frames that a decoder may pass over after each of
    /// its `restarts`.
    pub fn imbalance(&self, passed_over: u64) -> Option<String> {
        let allowed = self.excused + passed_over;
        let fits = (0..=(allowed + self.dropped).cast_signed()).contains(&self.missing());
        (self.eos_out && !fits).then(|| {
            format!(
                "EOS with {} frames in, {} out, {} said to be lost and {} to be dropped (up to \
                 {allowed} may be missing)",
                self.entered, self.taken, self.lost, self.dropped
            )
        })
    }
}

/// A message on the bus.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Complaint {
    /// When it was posted, in seconds of the monotonic clock.
    pub at: f64,
    /// Whether the element under test posted it. (A source posts an error of its
    /// own when it is answered with one.)
    pub own: bool,
    /// Domain and code, such as `STREAM/ENCODE`.
    pub code: String,
    /// What a user reads.
    pub text: String,
    /// The `codecwatch-fault` structure.
    pub fault: Option<Fault>,
}

/// The fields of `codecwatch-fault`; `None` is one that is missing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Fault {
    /// How the run ended.
    pub outcome: Option<String>,
    /// Where it was.
    pub phase: Option<String>,
    /// The call in flight; empty where there was none.
    pub call: Option<String>,
    /// For how long, in milliseconds.
    pub call_age: Option<f64>,
    /// Frames in.
    pub frames_in: Option<u64>,
    /// Frames out.
    pub frames_out: Option<u64>,
    /// Inputs that waited.
    pub queued: Option<u32>,
    /// What the codec's threads were seen doing.
    pub evidence: Option<String>,
    /// Their CPU time meanwhile, in milliseconds.
    pub cpu: Option<f64>,
    /// Abandoned workers.
    pub abandoned: Option<u32>,
}

impl Fault {
    /// Whether everything that the contract asks for is there.
    pub fn is_complete(&self) -> bool {
        self.outcome.is_some()
            && self.phase.is_some()
            && self.call.is_some()
            && self.call_age.is_some()
            && self.frames_in.is_some()
            && self.frames_out.is_some()
            && self.queued.is_some()
            && self.evidence.is_some()
            && self.cpu.is_some()
            && self.abandoned.is_some()
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Holding {
    /// Threads.
    pub threads: usize,
    /// Of these, those of the codec: the worker, its lanes and the library's own.
    pub codec_threads: usize,
    /// Child processes, zombies included.
    #[serde(default)]
    pub children: usize,
    /// Resident memory in kB.
    pub memory: u64,
    /// Workers abandoned so far.
    pub abandoned: usize,
    /// Of these, reclaimed.
    pub reclaimed: usize,
}

impl Holding {
    /// Workers abandoned and not reclaimed.
    pub fn outstanding(&self) -> usize {
        self.abandoned - self.reclaimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(entered: u64, taken: u64, lost: u64, excused: u64) -> Stream {
        Stream {
            eos_out: true,
            entered,
            taken,
            lost,
            excused,
            ..Stream::default()
        }
    }

    #[test]
    fn frames_that_neither_came_out_nor_were_said_to_be_lost_are_told() {
        assert_eq!(stream(9, 9, 0, 0).imbalance(0), None);
        assert_eq!(stream(9, 7, 2, 0).imbalance(0), None);
        assert!(stream(9, 8, 0, 0).imbalance(0).is_some());
        assert!(stream(9, 8, 2, 0).imbalance(0).is_some());
        assert_eq!(stream(9, 5, 0, 4).imbalance(0), None);
        assert!(stream(9, 4, 0, 4).imbalance(0).is_some());
        assert_eq!(stream(9, 2, 0, 0).imbalance(7), None);
    }

    #[test]
    fn frames_that_a_codec_says_to_have_dropped_need_not_come_out() {
        let imbalance = |taken, lost| {
            let dropped = 3;
            let stream = stream(9, taken, lost, 0);
            Stream { dropped, ..stream }.imbalance(0)
        };
        assert_eq!(imbalance(5, 1), None);
        assert_eq!(imbalance(5, 4), None, "a restart has found them inside");
        assert!(imbalance(4, 1).is_some());
        assert!(imbalance(6, 4).is_some());
    }

    #[test]
    fn a_stream_without_an_end_owes_no_frames() {
        let cut = Stream {
            eos_out: false,
            ..stream(9, 3, 0, 0)
        };
        assert_eq!(cut.imbalance(0), None);
    }
}
