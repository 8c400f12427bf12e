// SPDX-License-Identifier: MPL-2.0
//! Flushes and stops. Both first make every wait return, because the flush or the state
//! change then waits for our threads.

use std::time::{Duration, Instant};

use codecwatch_supervisor::guard::Length;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::line::Line;
use crate::{CAT, Supervised, Supervision, output_task};

/// How long a stop waits for handlers that are running. They may wait for the stop
/// themselves.
const LAST_HANDLER: Duration = Duration::from_millis(100);

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Must be called before a state change is chained up. On the change to READY,
    /// requests the close of every session, so that `close-timeout` counts from here,
    /// and makes every wait return: pad deactivation waits for our threads.
    pub fn before_state_change(&self, transition: gst::StateChange) {
        match transition {
            gst::StateChange::PlayingToPaused => self.pending_report.post(),
            gst::StateChange::PausedToReady => {
                self.pending_report.post();
                let (runs, leaving) = {
                    let mut line = self.lock();
                    line.stopping = true;
                    (line.runs(), line.leaving().to_vec())
                };
                self.line_changed();
                for run in runs {
                    run.cancel();
                    run.request_close();
                }
                // The streaming thread may wait for one at the end of the stream.
                for run in leaving {
                    run.cancel();
                }
            }
            _ => {}
        }
    }

    /// Makes every wait return until [`flush`](Self::flush). Must be called before
    /// FLUSH_START is chained up.
    pub(crate) fn prepare_flush(&self) {
        let (runs, leaving) = {
            let mut line = self.lock();
            line.flushing = true;
            (line.runs(), line.leaving().to_vec())
        };
        self.line_changed();
        // At the end of the stream, the streaming thread may wait for one that leaves.
        for run in runs.iter().chain(&leaving) {
            run.cancel();
        }
    }

    /// Drops everything in flight; the element goes on with the next input.
    pub(crate) fn flush<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        if !self.lock().flushing {
            self.begin_flush(imp);
        }
        output_task::stop(imp);
        let runs = self.lock().runs();
        // All but the last drain for a successor: their remaining output is dropped.
        if let Some((last, others)) = runs.split_last() {
            for run in others {
                self.retire(imp, run);
            }
            last.flush();
            // It had completed before, and the flush has ended the wait for its close.
            self.retire_completed(imp, last);
        }
        // Running time restarts.
        self.length().restart();
        drop(self.take_lost());
        drop(self.take_carried());
        self.recorder().forget_inputs();
        let goes_on = {
            let mut line = self.lock();
            line.flushing = false;
            line.forget_frames();
            if line.stopping || line.has_failed() {
                return;
            }
            line.back().inspect(|run| run.resume()).is_some()
        };
        if goes_on {
            output_task::start(imp);
        }
    }

    /// Handles a FLUSH_STOP without its FLUSH_START. The output task may block in a
    /// push that only a flush ends, so FLUSH_START is sent downstream.
    fn begin_flush<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        gst::debug!(CAT, imp = imp, "FLUSH_STOP without FLUSH_START");
        self.prepare_flush();
        let element = imp.obj();
        if let Some(pad) = element.upcast_ref::<gst::Element>().static_pad("src") {
            pad.push_event(gst::event::FlushStart::new());
        }
    }

    /// Ends all sessions and resets the element. Blocks for `close-timeout` and 0.1 s at most,
    /// counted from the beginning of the state change, and a second longer if handlers of the
    /// application delay the report of a close that hangs. Must be called when the pads are
    /// inactive.
    pub fn stop<T>(&self, imp: &T)
    where
        T: Supervised<Input = I, Output = O>,
    {
        output_task::stop(imp);
        self.spare().drop_child();
        let runs = {
            let mut line = self.lock();
            line.clear();
            line.leaving().to_vec()
        };
        for run in &runs {
            run.stop_telling();
            run.request_close();
        }
        for run in &runs {
            self.close(imp, run);
        }
        // What a handler still does may be the application's, which goes on now.
        let until = Instant::now() + LAST_HANDLER;
        for run in &runs {
            run.wait_told(until.saturating_duration_since(Instant::now()));
        }
        *self.length() = Length::default();
        drop(self.take_lost());
        self.recorder().forget_inputs();
        let mut line = self.lock();
        let closed = line.take_closed();
        let closing = line.leaving().to_vec();
        let before = std::mem::replace(&mut *line, Line::after(closing));
        drop(line);
        drop((closed, before));
    }
}
