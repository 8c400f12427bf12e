// SPDX-License-Identifier: MPL-2.0
//! The process of a scenario: it builds the pipeline and does the steps. Every
//! wait of its own is bounded; where the element hangs, the process does, and
//! whoever started it sees at which step.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::facts::{Facts, Holding, Life};
use crate::material::{FRAME, Material};
use crate::scenario::{Scenario, Source, Step};
use crate::watch::Watch;

/// Names the file that arms the script's `@armed`.
pub(crate) const ARM: &str = "CODECWATCH_REHEARSE_ARM";

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks at which nothing has moved for it to be at rest.
const QUIET: u32 = 10;

/// Looks at which a sink was left behind for PLAYING to be asked for again.
const LEFT_BEHIND: u32 = 200;

/// What a state change that is under way has to finish before a flush.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// What the threads of a codec have to end after the session was closed.
const GRACE: Duration = Duration::from_secs(2);

/// Does what the scenario says.
pub fn act(scenario: &Scenario) -> Facts {
    support::init();
    let material = Arc::new(Material::of(scenario));
    let mut facts = Facts {
        before: Holding::now(scenario.element),
        lives: Vec::new(),
    };
    for _ in 0..scenario.lives {
        let life = Stage::new(scenario, material.clone()).play();
        facts.lives.push(life);
    }
    facts
}

struct Stage<'a> {
    scenario: &'a Scenario,
    material: Arc<Material>,
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    codec: gst::Element,
    sink: gst::Element,
    /// The state that was asked for last.
    wanted: gst::State,
    watch: Watch,
    /// Number of the next frame; a seek changes it.
    next: Arc<AtomicU64>,
    /// When the next frame of a live source is due.
    due: Option<Instant>,
    other_caps: bool,
    armed: bool,
}

impl<'a> Stage<'a> {
    fn new(scenario: &'a Scenario, material: Arc<Material>) -> Self {
        let live = scenario.source == Source::Live;
        let next = Arc::new(AtomicU64::new(0));
        let (pipeline, source, codec, sink) = build(scenario);
        source.set_caps(Some(&material.caps(false)));
        source.set_stream_type(gst_app::AppStreamType::Seekable);
        source.set_property("is-live", live);
        source.set_property("do-timestamp", live);
        let (position, keys) = (next.clone(), material.clone());
        let callbacks = gst_app::AppSrcCallbacks::builder().seek_data(move |_, to| {
            let number = keys.key_at(to / FRAME.nseconds());
            position.store(number, Ordering::SeqCst);
            true
        });
        source.set_callbacks(callbacks.build());
        let watch = Watch::default();
        watch.attach(&pipeline, &codec);
        Self {
            scenario,
            material,
            pipeline,
            source,
            codec,
            sink,
            wanted: gst::State::Null,
            watch,
            next,
            due: None,
            other_caps: false,
            armed: false,
        }
    }

    fn play(mut self) -> Life {
        for &step in &self.scenario.steps {
            println!("step: {step}");
            self.perform(step);
        }
        // However the steps end, a pipeline is not dropped while it plays.
        self.stop(gst::State::Null);
        println!("step: leave");
        let element = self.scenario.element;
        let outstanding = || {
            let holding = Holding::now(element);
            holding.abandoned - holding.reclaimed
        };
        if outstanding() == 0 {
            wait(GRACE, || Holding::now(element).codec_threads == 0);
        }
        drop(self.pipeline);
        let mut life = std::mem::take(&mut *self.watch.seen());
        life.after = Holding::now(element);
        life
    }

    fn perform(&mut self, step: Step) {
        let done = match step {
            Step::Pause => self.set_state(gst::State::Paused),
            Step::Play => self.set_state(gst::State::Playing),
            Step::Ready => self.stop(gst::State::Ready),
            Step::Null => self.stop(gst::State::Null),
            Step::Preroll => self.await_state(),
            Step::Push(frames) => self.push(frames, self.scenario.source == Source::Live),
            Step::Burst(frames) => self.push(frames, false),
            Step::Settle => self.settle(),
            Step::Arm => self.arm(),
            Step::AwaitStrike => self.await_strike(),
            Step::Flush => self.flush(),
            Step::Seek => self.seek(),
            Step::Caps => self.change_caps(),
            Step::Gap => self.gap(),
            Step::Key => self.request_key(),
            Step::Eos => self.source.end_of_stream().is_ok() || self.has_ended(),
            Step::Idle(milliseconds) => {
                std::thread::sleep(Duration::from_millis(milliseconds.into()));
                true
            }
            Step::AwaitEnd => self.wait(|stage| stage.has_ended()),
            Step::AwaitReclaim => self.wait(|stage| {
                let holding = Holding::now(stage.scenario.element);
                holding.abandoned == holding.reclaimed
            }),
        };
        if !done {
            self.watch.seen().vain.push(step.to_string());
        }
    }

    fn has_ended(&self) -> bool {
        let seen = self.watch.seen();
        seen.eos || !seen.errors.is_empty()
    }

    /// Waits until something holds; false if that takes longer than a scenario
    /// allows.
    ///
    /// Where the next state is asked for in the middle of a change, GStreamer now
    /// and then loses it (1.22, 1.28): the pipeline plays, and its sink is left in
    /// PAUSED with a buffer. Like an application that notices, this asks again.
    fn wait(&self, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut looks = 0;
        wait(self.scenario.bound, || {
            looks = if self.is_left_behind() { looks + 1 } else { 0 };
            if looks == LEFT_BEHIND {
                println!("the sink was left in PAUSED: play once more");
                let _ = self.pipeline.set_state(gst::State::Playing);
            }
            holds(self)
        })
    }

    fn is_left_behind(&self) -> bool {
        let (result, state, pending) = self.sink.state(gst::ClockTime::ZERO);
        self.wanted == gst::State::Playing
            && result.is_ok()
            && (state, pending) == (gst::State::Paused, gst::State::VoidPending)
    }

    fn is_changing(&self) -> bool {
        let (result, ..) = self.pipeline.state(gst::ClockTime::ZERO);
        result == Ok(gst::StateChangeSuccess::Async)
    }

    fn set_state(&mut self, state: gst::State) -> bool {
        self.due = None;
        self.wanted = state;
        // An element that has failed says so on the bus.
        self.pipeline.set_state(state).is_ok() || self.has_ended()
    }

    /// READY or NULL: the change of state that has to have an end.
    fn stop(&mut self, state: gst::State) -> bool {
        self.due = None;
        self.wanted = state;
        let began = Instant::now();
        let stopped = self.pipeline.set_state(state).is_ok();
        let took = began.elapsed().as_secs_f64() * 1e3;
        let mut seen = self.watch.seen();
        seen.stopped_in = Some(seen.stopped_in.unwrap_or(0.0).max(took));
        seen.failed = false;
        if state == gst::State::Ready {
            // What comes next is another stream.
            seen.eos = false;
            self.next.store(0, Ordering::SeqCst);
            drop(seen);
            // appsrc forgets caps that it had not sent yet.
            self.source.set_caps(None);
            self.source
                .set_caps(Some(&self.material.caps(self.other_caps)));
        }
        stopped
    }

    fn await_state(&self) -> bool {
        self.wait(|stage| !stage.is_changing() || stage.has_ended())
    }

    fn push(&mut self, frames: u32, paced: bool) -> bool {
        let live = self.scenario.source == Source::Live;
        for _ in 0..frames {
            if paced {
                let now = Instant::now();
                let due = self.due.unwrap_or(now).max(now - Duration::from_secs(1));
                std::thread::sleep(due.saturating_duration_since(now));
                self.due = Some(due + Duration::from_nanos(FRAME.nseconds()));
            }
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let mut buffer = self.material.buffer(number, self.other_caps);
            if !live {
                let buffer = buffer.make_mut();
                buffer.set_pts(FRAME * number);
                buffer.set_duration(FRAME);
            }
            if self.source.push_buffer(buffer).is_err() {
                // The element has failed, and the bus says why.
                return self.has_ended();
            }
            self.watch.seen().given += 1;
        }
        true
    }

    /// Nothing moves any more, however often one looks.
    fn settle(&self) -> bool {
        let mut last = None;
        let mut same = 0;
        self.wait(|stage| {
            let stats = stage.codec.property::<gst::Structure>("stats");
            let count = |name| stats.get::<u64>(name).unwrap_or(0);
            let standing = (
                count("frames-in"),
                count("frames-out"),
                stage.watch.seen().taken,
            );
            let held = stage.scenario.source == Source::Live
                && stage.pipeline.current_state() != gst::State::Playing;
            let resting = (held || stage.source.current_level_buffers() == 0)
                && stats.get::<u32>("queued").unwrap_or(0) == 0
                && matches!(stats.get::<&str>("verdict"), Ok("idle" | "backpressured"));
            same = if resting && last == Some(standing) {
                same + 1
            } else {
                0
            };
            last = Some(standing);
            same >= QUIET || stage.has_ended()
        })
    }

    fn arm(&mut self) -> bool {
        self.armed = true;
        std::fs::write(arm_file(), "").is_ok()
    }

    fn await_strike(&self) -> bool {
        let file = arm_file();
        self.wait(|_| !file.exists())
    }

    fn flush(&mut self) -> bool {
        // `send_event` holds the source's state lock. The pipeline, in the middle of
        // a change, waits for that, and what the sink posts at FLUSH_STOP waits for
        // the pipeline: a deadlock of GStreamer's own (1.22).
        wait(UNDER_WAY, || !self.is_changing());
        let begun = self.source.send_event(gst::event::FlushStart::new());
        let ended = self.source.send_event(gst::event::FlushStop::new(true));
        let next = self.next.load(Ordering::SeqCst);
        self.next
            .store(self.material.key_at(next), Ordering::SeqCst);
        begun && ended
    }

    fn seek(&mut self) -> bool {
        let to = FRAME * (self.next.load(Ordering::SeqCst) / 2);
        self.pipeline.seek_simple(gst::SeekFlags::FLUSH, to).is_ok() || self.has_ended()
    }

    fn change_caps(&mut self) -> bool {
        self.other_caps = !self.other_caps;
        self.source
            .set_caps(Some(&self.material.caps(self.other_caps)));
        if self.scenario.element == crate::scenario::Element::Decoder {
            // Another session begins with a key frame.
            let next = self.next.load(Ordering::SeqCst);
            self.next
                .store(self.material.key_at(next), Ordering::SeqCst);
        }
        true
    }

    fn gap(&mut self) -> bool {
        let at = FRAME * self.next.fetch_add(1, Ordering::SeqCst);
        let gap = gst::event::Gap::builder(at).duration(FRAME).build();
        self.source.send_event(gap) || self.has_ended()
    }

    fn request_key(&self) -> bool {
        let request = gst_video::UpstreamForceKeyUnitEvent::builder().build();
        // A decoder hands it on, and nobody is there to take it.
        self.codec.static_pad("src").unwrap().send_event(request);
        true
    }
}

fn build(scenario: &Scenario) -> (gst::Pipeline, gst_app::AppSrc, gst::Element, gst::Element) {
    let properties: Vec<_> = scenario
        .properties
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let description = format!(
        "appsrc name=in format=time max-bytes=0 max-buffers=0 \
         ! {} name=codec {} \
         ! queue max-size-buffers={} max-size-bytes=0 max-size-time=0 {} \
         ! fakesink name=out sync={}",
        scenario.element.name(),
        properties.join(" "),
        scenario.queue,
        if scenario.slow_sink {
            "! identity sleep-time=100000"
        } else {
            ""
        },
        scenario.source == Source::Live,
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("in").unwrap();
    let source = source.downcast::<gst_app::AppSrc>().unwrap();
    let codec = pipeline.by_name("codec").unwrap();
    let sink = pipeline.by_name("out").unwrap();
    (pipeline, source, codec, sink)
}

fn arm_file() -> PathBuf {
    PathBuf::from(std::env::var_os(ARM).unwrap())
}

fn wait(bound: Duration, holds: impl FnMut() -> bool) -> bool {
    let mut holds = holds;
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > bound {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Element;

    #[test]
    fn a_sink_that_was_left_in_paused_is_played_once_more() {
        support::init();
        let scenario = Scenario::new(Element::Encoder, Source::NonLive)
            .with("preset", 12)
            .with("low-latency", true)
            .then("null");
        let mut stage = Stage::new(&scenario, Arc::new(Material::of(&scenario)));
        for step in [Step::Play, Step::Push(9), Step::Preroll] {
            stage.perform(step);
        }
        // As if GStreamer had lost it: the pipeline does not see to this sink.
        stage.sink.set_locked_state(true);
        stage.sink.set_state(gst::State::Paused).unwrap();
        stage.perform(Step::Push(9));
        let (paused, ..) = stage.sink.state(gst::ClockTime::from_seconds(20));
        assert_eq!(paused, Ok(gst::StateChangeSuccess::Success));
        assert!(stage.is_left_behind());
        stage.sink.set_locked_state(false);
        for step in [Step::Eos, Step::AwaitEnd, Step::Null] {
            stage.perform(step);
        }
        let seen = stage.watch.seen();
        assert!(seen.vain.is_empty(), "{:?}", seen.vain);
        assert!(seen.eos);
    }
}
