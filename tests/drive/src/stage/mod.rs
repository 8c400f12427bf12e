// SPDX-License-Identifier: MPL-2.0
//! The process of a scenario: it builds the pipeline and does the steps. Every
//! wait of its own is bounded; where the element hangs, the process does, and
//! whoever started it sees at which step.

mod build;
mod complaint;
mod held;
mod input;
mod links;
mod position;
mod standstill;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use codecwatch_supervisor::Account;
use gst::prelude::*;

use crate::facts::{Facts, Holding, Life, Stop};
use crate::material::Material;
use crate::scenario::{Scenario, Source, Step};
use position::Position;
use watch::Watch;

/// Names the file that arms the script's `@armed`.
pub(crate) const ARM: &str = "CODECWATCH_REHEARSE_ARM";

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks at which a sink was left behind for PLAYING to be asked for again.
const LEFT_BEHIND: u32 = 200;

/// What is under way, such as a state change, has so long to finish before a step
/// that cannot come in the middle of it.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// What the threads of a codec have to end after the session was closed, which may
/// take its time in the background.
const GRACE: Duration = Duration::from_secs(4);

/// Does what the scenario says.
pub fn act(scenario: &Scenario) -> Facts {
    support::init();
    // A thread of GLib's pool keeps the name of what it has done last: one that idles could
    // not be told from one of the codec that is left.
    gst::glib::ThreadPool::set_max_unused_threads(Some(0));
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
    /// What is right behind it.
    behind: gst::Element,
    sink: gst::Element,
    /// The state that was asked for last.
    wanted: gst::State,
    /// The next start begins another stream.
    stopped: bool,
    watch: Watch,
    /// Of the next frame.
    position: Arc<Position>,
    /// When the next frame of a live source is due.
    due: Option<Instant>,
    other_caps: bool,
    /// For a live source, in PAUSED.
    held: Vec<held::Item>,
    /// The source was told that the stream ends.
    ended: bool,
    /// Queries and how long each took.
    asked: Vec<Receiver<Duration>>,
}

impl Stage<'_> {
    fn play(mut self) -> Life {
        for &step in &self.scenario.steps {
            println!("step: {step}");
            self.perform(step);
        }
        // However the steps end, a pipeline is not dropped while it plays.
        self.stop(gst::State::Null);
        self.await_answers();
        println!("step: leave");
        let element = self.scenario.element;
        // What was given up in this process may never end; a child is killed.
        if element.is_isolated || Holding::now(element).outstanding() == 0 {
            wait(GRACE, || {
                let now = Holding::now(element);
                now.codec_threads + now.children == 0
            });
        }
        drop(self.pipeline);
        let mut life = std::mem::take(&mut self.watch.seen().life);
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
            Step::Arm => std::fs::write(arm_file(), "").is_ok(),
            Step::AwaitStrike => self.await_strike(),
            Step::Flush => self.flush(),
            Step::FlushStop => self.flush_stop(),
            Step::Seek => self.seek(),
            Step::Caps => self.change_caps(),
            Step::Gap => self.gap(),
            Step::Key => self.request_key(),
            Step::Query => self.ask(),
            Step::Back(frames) => {
                self.position.step_back(frames.into());
                true
            }
            Step::Unlink => self.unlink(),
            Step::Link => self.link(),
            Step::Eos => self.end(),
            Step::Idle(milliseconds) => {
                std::thread::sleep(Duration::from_millis(milliseconds.into()));
                true
            }
            Step::AwaitEnd => self.wait(|stage| stage.has_ended()),
            Step::AwaitSource => self.await_source(),
            Step::AwaitReclaim => {
                // A session that retires may be abandoned yet, and come back after that.
                self.wait(|stage| Account::of(stage.scenario.element.library).outstanding() == 0)
            }
        };
        if !done {
            self.watch.seen().life.vain.push(step.to_string());
        }
    }

    fn has_ended(&self) -> bool {
        let mut seen = self.watch.seen();
        let stream = seen.stream();
        stream.eos || stream.errors > 0
    }

    /// Waits until something holds; false if that takes longer than a scenario
    /// allows. Plays once more where GStreamer has lost PLAYING; see
    /// [`play_once_more`](Self::play_once_more).
    fn wait(&self, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let mut looks = 0;
        let held = wait(self.scenario.bound, || {
            looks = if self.is_left_behind() { looks + 1 } else { 0 };
            if looks == LEFT_BEHIND {
                looks = 0;
                self.play_once_more();
            }
            holds(self)
        });
        if !held {
            let lines = standstill::describe(&self.pipeline);
            self.watch.seen().life.standstill.extend(lines);
        }
        held
    }

    /// Where the next state is asked for in the middle of a change, GStreamer now and
    /// then loses it (1.22, 1.28): the sink is left in PAUSED with a buffer. Whatever
    /// waits for it to play waits for ever, the new caps of the element included: their
    /// allocation query is answered behind the buffers in the queue.
    ///
    /// There are two such states. In one the pipeline plays, and asking again helps. In
    /// the other it is in PAUSED and on its way to PLAYING, and every state that is asked
    /// for is put off until it arrives. PAUSED came when its first change was complete,
    /// before the thread that was to continue it to PLAYING: that thread gave up, and no
    /// other continues. The sink's message that it is done makes the pipeline continue.
    fn play_once_more(&self) {
        println!("the sink was left in PAUSED: play once more");
        self.watch.seen().life.played_again += 1;
        if self.is_changing() {
            let done = gst::message::AsyncDone::builder().src(&self.sink).build();
            let _ = self.sink.post_message(done);
        } else {
            let _ = self.pipeline.set_state(gst::State::Playing);
        }
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
        if std::mem::take(&mut self.stopped) {
            self.watch.begin_stream();
        }
        // An element that has failed says so on the bus.
        if self.pipeline.set_state(state).is_err() {
            return self.has_ended();
        }
        state != gst::State::Playing || self.give_held()
    }

    /// READY or NULL: the change of state that has to have an end.
    fn stop(&mut self, state: gst::State) -> bool {
        self.due = None;
        self.wanted = state;
        let began = Instant::now();
        let stopped = self.pipeline.set_state(state).is_ok();
        let took = began.elapsed().as_secs_f64() * 1e3;
        self.watch.seen().life.stops.push(Stop {
            at: watch::now(),
            took,
            outstanding: Holding::now(self.scenario.element).outstanding(),
        });
        // What comes next is another stream.
        self.stopped = true;
        self.ended = false;
        self.held.clear();
        self.position.begin(0);
        // appsrc forgets caps that it had not sent yet.
        self.source.set_caps(None);
        self.source
            .set_caps(Some(&self.material.caps(self.other_caps)));
        stopped
    }

    fn await_state(&self) -> bool {
        self.wait(|stage| !stage.is_changing() || stage.has_ended())
    }

    fn await_strike(&self) -> bool {
        let file = arm_file();
        self.wait(|_| !file.exists())
    }
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
    use crate::elements::{Element, Input};

    #[test]
    fn a_sink_that_was_left_in_paused_is_played_once_more() {
        support::init();
        let raw = Element::all().find(|element| element.input == Input::Raw);
        let raw = raw.unwrap();
        let scenario = Scenario::new(raw, Source::NonLive)
            .with_all(raw.quick)
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
        let life = &stage.watch.seen().life;
        assert!(life.vain.is_empty(), "{:?}", life.vain);
        assert!(life.eos());
    }

    /// PAUSED comes between the end of the pipeline's first change and the thread that
    /// continues it.
    #[test]
    fn a_pipeline_whose_way_to_playing_was_lost_is_brought_on_its_way() {
        support::init();
        let raw = Element::all().find(|element| element.input == Input::Raw);
        let raw = raw.unwrap();
        let scenario = Scenario::new(raw, Source::NonLive).with_all(raw.quick);
        let mut stage = Stage::new(&scenario, Arc::new(Material::of(&scenario)));
        let (complete, is_complete) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = std::sync::Mutex::new(may_go_on);
        let watch = stage.watch.clone();
        let bus = stage.pipeline.bus().unwrap();
        bus.unset_sync_handler();
        bus.set_sync_handler(move |_, message| {
            watch.message(message);
            if message.type_() == gst::MessageType::AsyncDone {
                let _ = complete.send(());
                let _ = may_go_on.lock().unwrap().recv();
            }
            gst::BusSyncReply::Drop
        });
        stage.perform(Step::Play);
        stage.perform(Step::Push(9));
        is_complete.recv().unwrap();
        stage.perform(Step::Pause);
        drop(go_on);
        stage.perform(Step::Play);
        // Their allocation query waits for the sink, and with it all output, EOS too.
        stage.perform(Step::Caps);
        stage.perform(Step::Push(9));
        for step in [Step::Eos, Step::AwaitEnd, Step::Null] {
            stage.perform(step);
        }
        let life = &stage.watch.seen().life;
        assert!(life.vain.is_empty(), "{life:#?}");
        assert!(life.eos());
        assert_eq!(life.played_again, 1);
    }

    #[test]
    fn a_wait_in_vain_writes_down_where_everything_stands() {
        support::init();
        let raw = Element::all().find(|element| element.input == Input::Raw);
        let mut scenario = Scenario::new(raw.unwrap(), Source::NonLive);
        scenario.bound = Duration::from_millis(100);
        let mut stage = Stage::new(&scenario, Arc::new(Material::of(&scenario)));
        for step in [Step::Pause, Step::AwaitEnd, Step::Null] {
            stage.perform(step);
        }
        let life = &stage.watch.seen().life;
        assert_eq!(life.vain, ["await-end"]);
        for what in ["out: Ready, pending Paused", "codecwatch-stats"] {
            let mut lines = life.standstill.iter();
            assert!(lines.any(|line| line.contains(what)), "{life:#?}");
        }
    }
}
