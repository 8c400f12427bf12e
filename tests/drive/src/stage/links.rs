// SPDX-License-Identifier: MPL-2.0
//! The steps that have to do with the pads of the element.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use gst::prelude::*;

use super::input::owes_nothing;
use super::watch::now;
use super::{Stage, UNDER_WAY, wait};
use crate::steps::Step;

impl Stage<'_> {
    pub(super) fn unlink(&self) -> bool {
        self.codec.unlink(&self.behind);
        true
    }

    pub(super) fn link(&self) -> bool {
        // What is still with the source was given while nothing was linked.
        wait(UNDER_WAY, || self.source.current_level_buffers() == 0);
        let _ = self.between_two_inputs(|_| ()).recv_timeout(UNDER_WAY);
        self.go_on_with_a_key();
        self.watch.linked();
        self.codec.link(&self.behind).is_ok()
    }

    /// FLUSH_STOP alone, as an element upstream would send it: it is ordered with
    /// the buffers, and the segment comes again after it.
    pub(super) fn flush_stop(&mut self) -> bool {
        if self.waits_for_a_paused_sink() {
            return true;
        }
        let took = self.between_two_inputs(|pad| {
            let began = Instant::now();
            pad.send_event(gst::event::FlushStop::new(false));
            let took = began.elapsed();
            let upstream = pad.peer();
            let segment = upstream.and_then(|pad| pad.sticky_event::<gst::event::Segment>(0));
            if let Some(segment) = segment {
                pad.send_event(segment);
            }
            took
        });
        self.go_on_with_a_key();
        let Some(took) = self.receive(&took) else {
            return false;
        };
        let took = took.as_secs_f64() * 1e3;
        let longest = &mut self.watch.seen().life.flush_stopped_in;
        *longest = Some(longest.unwrap_or(0.0).max(took));
        true
    }

    /// Whether the last input has not returned because the pipeline is paused: new caps,
    /// which drain what goes before them. Nobody upstream could send anything then.
    fn waits_for_a_paused_sink(&self) -> bool {
        if self.pipeline.current_state() == gst::State::Playing {
            return false;
        }
        let idle = self.between_two_inputs(|_| ());
        if idle.recv_timeout(UNDER_WAY).is_ok() {
            return false;
        }
        let stats = self.codec.property::<gst::Structure>("stats");
        stats.get::<&str>("verdict").is_ok_and(owes_nothing)
    }

    /// A query on a thread of its own, as one that another element puts.
    pub(super) fn ask(&mut self) -> bool {
        let (sender, receiver) = channel();
        let pad = self.codec.static_pad("sink").unwrap();
        let caps = self.material.caps(self.other_caps);
        std::thread::spawn(move || {
            let began = Instant::now();
            pad.query_accept_caps(&caps);
            let _ = sender.send(began.elapsed());
        });
        self.asked.push(receiver);
        true
    }

    /// Every query has been answered.
    pub(super) fn await_answers(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            match self.receive(&asked) {
                Some(took) => {
                    let took = took.as_secs_f64() * 1e3;
                    let longest = &mut self.watch.seen().life.query_answered_in;
                    *longest = Some(longest.unwrap_or(0.0).max(took));
                }
                None => self.watch.seen().life.vain.push(Step::Query.to_string()),
            }
        }
    }

    /// Whatever was given has been answered, EOS too.
    pub(super) fn await_source(&self) -> bool {
        let pad = self.source.static_pad("src").unwrap();
        let given = self.wait(|stage| {
            let came_back = pad.task_state() == gst::TaskState::Paused;
            came_back || (!stage.ended && stage.source.current_level_buffers() == 0)
        });
        let answered = self.between_two_inputs(|_| ());
        let answered = given && self.receive(&answered).is_some();
        self.watch.seen().life.answered = answered.then(now);
        answered
    }

    /// Waits for what another thread finds.
    fn receive<T>(&self, found: &Receiver<T>) -> Option<T> {
        let mut received = None;
        self.wait(|_| {
            received = found.try_recv().ok();
            received.is_some()
        });
        received
    }

    /// Does something to the sink pad of the element while nothing is being pushed
    /// into it, and gives what came of it. Where the element hangs, it never comes.
    fn between_two_inputs<T: Send + 'static>(
        &self,
        act: impl FnOnce(&gst::Pad) -> T + Send + 'static,
    ) -> Receiver<T> {
        let (sender, receiver) = channel();
        let pad = self.codec.static_pad("sink").unwrap();
        let act = Mutex::new(Some(act));
        // A pad that is idle calls back at once.
        std::thread::spawn(move || {
            let upstream = pad.peer().unwrap();
            upstream.add_probe(gst::PadProbeType::IDLE, move |_, _| {
                let act = act.lock().unwrap().take();
                if let Some(act) = act {
                    let _ = sender.send(act(&pad));
                }
                gst::PadProbeReturn::Remove
            });
        });
        receiver
    }
}
