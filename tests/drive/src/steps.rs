// SPDX-License-Identifier: MPL-2.0
//! The steps of a scenario, and their words.

use std::fmt;
use std::str::FromStr;

/// Something that an application does, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Sets the pipeline to PAUSED; does not wait.
    Pause,
    /// Sets it to PLAYING; does not wait.
    Play,
    /// Sets it to READY; waits, as NULL does.
    Ready,
    /// Sets it to NULL.
    Null,
    /// Waits until the last state change is done, or an error comes.
    Preroll,
    /// Gives so many frames, at their time when live.
    Push(u32),
    /// Gives so many frames at once, live or not.
    Burst(u32),
    /// Waits until everything given has been worked on.
    Settle,
    /// Arms the script's `@armed`.
    Arm,
    /// Waits until what was armed has struck.
    AwaitStrike,
    /// FLUSH_START and FLUSH_STOP, with nothing in between.
    Flush,
    /// FLUSH_STOP without FLUSH_START, between two buffers.
    FlushStop,
    /// A flushing seek.
    Seek,
    /// The format changes with the next frame.
    Caps,
    /// A GAP event.
    Gap,
    /// Asks the element for a key frame.
    Key,
    /// Asks the element whether it takes its caps; does not wait for the answer.
    Query,
    /// The times of the next frames lie so many frames further back.
    Back(u32),
    /// Takes away what is behind the element.
    Unlink,
    /// Puts it back.
    Link,
    /// The end of the stream.
    Eos,
    /// Nothing happens for so many milliseconds.
    Idle(u32),
    /// Waits for EOS or an error.
    AwaitEnd,
    /// Waits until the element has answered everything that it was given.
    AwaitSource,
    /// Waits until nothing abandoned is outstanding.
    AwaitReclaim,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Push(frames) => write!(f, "push:{frames}"),
            Step::Burst(frames) => write!(f, "burst:{frames}"),
            Step::Back(frames) => write!(f, "back:{frames}"),
            Step::Idle(milliseconds) => write!(f, "idle:{milliseconds}"),
            step => {
                let named = PLAIN.iter().find(|(_, other)| other == step);
                f.write_str(named.map_or("?", |(name, _)| name))
            }
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.split_once(':') {
            Some(("push", frames)) => number(frames).map(Step::Push),
            Some(("burst", frames)) => number(frames).map(Step::Burst),
            Some(("back", frames)) => number(frames).map(Step::Back),
            Some(("idle", milliseconds)) => number(milliseconds).map(Step::Idle),
            _ => PLAIN
                .iter()
                .find(|(name, _)| *name == word)
                .map(|(_, step)| *step)
                .ok_or_else(|| format!("{word:?} is no step")),
        }
    }
}

pub(crate) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// The steps without a number.
const PLAIN: &[(&str, Step)] = &[
    ("pause", Step::Pause),
    ("play", Step::Play),
    ("ready", Step::Ready),
    ("null", Step::Null),
    ("preroll", Step::Preroll),
    ("settle", Step::Settle),
    ("arm", Step::Arm),
    ("await-strike", Step::AwaitStrike),
    ("flush", Step::Flush),
    ("flush-stop", Step::FlushStop),
    ("seek", Step::Seek),
    ("caps", Step::Caps),
    ("gap", Step::Gap),
    ("key", Step::Key),
    ("query", Step::Query),
    ("unlink", Step::Unlink),
    ("link", Step::Link),
    ("eos", Step::Eos),
    ("await-end", Step::AwaitEnd),
    ("await-source", Step::AwaitSource),
    ("await-reclaim", Step::AwaitReclaim),
];
