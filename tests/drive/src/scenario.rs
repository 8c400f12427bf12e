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

pub use crate::elements::Element;
pub use crate::steps::Step;
use crate::steps::number;

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

    /// The same with properties of the element.
    pub fn with_all(self, properties: &[(&str, &str)]) -> Self {
        properties
            .iter()
            .fold(self, |scenario, (name, value)| scenario.with(name, value))
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
        write!(f, "{} {}", self.element.name, self.source.name())?;
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
        let name = words.next().unwrap_or_default();
        let element = Element::named(name).ok_or_else(|| format!("{name:?} is no element"))?;
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
