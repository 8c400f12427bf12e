// SPDX-License-Identifier: MPL-2.0
//! A scenario: one line that says what happens to one element, and that can be
//! replayed by hand.
//!
//! ```text
//! svtav1watchenc live script=svt_av1_enc_get_packet:hang@armed low-latency=true : play push:9 settle arm burst:9 await-end null
//! ```
//!
//! Before the colon: the element, the kind of source, and `name=value` words,
//! which are the element's properties unless they are one of [`Scenario`]'s own
//! fields. After it: the steps, see [`Step`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An element under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// `svtav1watchenc`
    Encoder,
    /// `dav1dwatchdec`
    Decoder,
}

impl Element {
    /// The name of the factory.
    pub fn name(self) -> &'static str {
        match self {
            Element::Encoder => "svtav1watchenc",
            Element::Decoder => "dav1dwatchdec",
        }
    }

    /// The library's name in the ledger.
    pub fn library(self) -> &'static str {
        match self {
            Element::Encoder => "SVT-AV1",
            Element::Decoder => "dav1d",
        }
    }
}

/// Where the element's input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// 30 frames per second while the pipeline plays, and a sink that shows them
    /// in time.
    Live,
    /// As fast as the element takes it, also while it is paused; the sink takes
    /// it as fast.
    NonLive,
}

impl Source {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Source::Live => "live",
            Source::NonLive => "non-live",
        }
    }
}

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
    /// A flushing seek.
    Seek,
    /// The format changes with the next frame.
    Caps,
    /// A GAP event.
    Gap,
    /// Asks the element for a key frame.
    Key,
    /// The end of the stream.
    Eos,
    /// Nothing happens for so many milliseconds.
    Idle(u32),
    /// Waits for EOS or an error.
    AwaitEnd,
    /// Waits until nothing abandoned is outstanding.
    AwaitReclaim,
}

/// One line; see the module's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The element.
    pub element: Element,
    /// Its source.
    pub source: Source,
    /// `script`: what the fault shim does.
    pub script: Option<String>,
    /// `lives`: how often the steps are done, each time with a new pipeline.
    pub lives: u32,
    /// `size`: of the frames that are encoded.
    pub size: (u32, u32),
    /// `queue`: buffers that fit between the element and the sink.
    pub queue: u32,
    /// `sink=slow`: takes a buffer in 100 ms.
    pub slow_sink: bool,
    /// `bound`: the longest that a wait of the steps may take, in seconds.
    pub bound: Duration,
    /// Every other word: the element's properties.
    pub properties: Vec<(String, String)>,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// A scenario in which nothing happens.
    pub fn new(element: Element, source: Source) -> Self {
        Self {
            element,
            source,
            script: None,
            lives: 1,
            size: (128, 96),
            queue: 200,
            slow_sink: false,
            bound: Duration::from_secs(20),
            properties: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The same with a property of the element.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.properties.push((name.to_owned(), value.to_string()));
        self
    }

    /// The same with these steps in addition.
    ///
    /// # Panics
    /// When they are none.
    pub fn then(mut self, steps: &str) -> Self {
        let steps = steps.split_whitespace().map(|word| word.parse::<Step>());
        self.steps.extend(steps.map(Result::unwrap));
        self
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standard = Self::new(self.element, self.source);
        write!(f, "{} {}", self.element.name(), self.source.name())?;
        if let Some(script) = &self.script {
            write!(f, " script={script}")?;
        }
        if self.lives != standard.lives {
            write!(f, " lives={}", self.lives)?;
        }
        if self.size != standard.size {
            write!(f, " size={}x{}", self.size.0, self.size.1)?;
        }
        if self.queue != standard.queue {
            write!(f, " queue={}", self.queue)?;
        }
        if self.slow_sink {
            write!(f, " sink=slow")?;
        }
        if self.bound != standard.bound {
            write!(f, " bound={}", self.bound.as_secs())?;
        }
        for (name, value) in &self.properties {
            write!(f, " {name}={value}")?;
        }
        write!(f, " :")?;
        for step in &self.steps {
            write!(f, " {step}")?;
        }
        Ok(())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (head, steps) = line
            .split_once(" : ")
            .ok_or("a scenario is ELEMENT SOURCE [NAME=VALUE]... : STEP...")?;
        let mut words = head.split_whitespace();
        let element = match words.next() {
            Some("svtav1watchenc") => Element::Encoder,
            Some("dav1dwatchdec") => Element::Decoder,
            other => return Err(format!("{other:?} is no element")),
        };
        let source = match words.next() {
            Some("live") => Source::Live,
            Some("non-live") => Source::NonLive,
            other => return Err(format!("{other:?} is no source")),
        };
        let mut scenario = Self::new(element, source);
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| format!("{word:?} is not NAME=VALUE"))?;
            scenario.set(name, value)?;
        }
        scenario.steps = steps
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(scenario)
    }
}

impl Scenario {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "script" => self.script = Some(value.to_owned()),
            "lives" => self.lives = number(value)?,
            "queue" => self.queue = number(value)?,
            "sink" => self.slow_sink = value == "slow",
            "bound" => self.bound = Duration::from_secs(number(value)?.into()),
            "size" => {
                let (width, height) = value.split_once('x').ok_or("size=WIDTHxHEIGHT")?;
                self.size = (number(width)?, number(height)?);
            }
            _ => self.properties.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Push(frames) => write!(f, "push:{frames}"),
            Step::Burst(frames) => write!(f, "burst:{frames}"),
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
            Some(("idle", milliseconds)) => number(milliseconds).map(Step::Idle),
            _ => PLAIN
                .iter()
                .find(|(name, _)| *name == word)
                .map(|(_, step)| *step)
                .ok_or_else(|| format!("{word:?} is no step")),
        }
    }
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
    ("seek", Step::Seek),
    ("caps", Step::Caps),
    ("gap", Step::Gap),
    ("key", Step::Key),
    ("eos", Step::Eos),
    ("await-end", Step::AwaitEnd),
    ("await-reclaim", Step::AwaitReclaim),
];
