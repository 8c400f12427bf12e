// SPDX-License-Identifier: MPL-2.0
//! A codec for the explorations. Frames are numbers and come out unchanged, at once or
//! at the drain.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::sync::{Condvar, Mutex, thread};
use crate::{
    Codec, CodecError, Drained, Flush, Lane, Library, Sample, Session, Sibling, Source,
    ThreadTimes, Witness,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Open,
    Send,
    Get,
    Drain,
    Flush,
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Until [`Plan::release`].
    Hang,
    Fail,
}

/// How a session is to behave.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) library: &'static str,
    /// Frames kept until more come in.
    pub(crate) delay: usize,
    pub(crate) receive_lane: bool,
    pub(crate) drained: Drained,
    pub(crate) flush: Flush,
    /// The simulated activity of its threads; by default there are none.
    pub(crate) threads: Option<Arc<Load>>,
    /// Abandoning the session releases it; counts how often.
    pub(crate) kills: Option<Arc<AtomicUsize>>,
    /// The fault, and at which such call it happens, counted from 0.
    pub(crate) fault: Option<(Call, usize, Fault)>,
    pub(crate) native: Arc<Native>,
}

impl Plan {
    pub(crate) fn new(library: &'static str) -> Self {
        Self {
            library,
            delay: 1,
            receive_lane: false,
            drained: Drained::Spent,
            flush: Flush::Done,
            threads: None,
            kills: None,
            fault: None,
            native: Arc::default(),
        }
    }

    /// Makes the hanging call return, now or later.
    pub(crate) fn release(&self) {
        self.native.state.lock().unwrap().released = true;
        self.native.changed.notify_all();
    }

    /// Hangs, recorded as a flush.
    pub(crate) fn hang(&self) {
        let _ = self.call(Call::Flush);
    }

    /// Opens and closes that succeeded.
    pub(crate) fn opened_and_closed(&self) -> (usize, usize) {
        let state = self.native.state.lock().unwrap();
        (state.opened, state.closed)
    }

    /// Calls of this kind so far, returned or not.
    pub(crate) fn begun(&self, call: Call) -> usize {
        let state = self.native.state.lock().unwrap();
        state.calls.iter().filter(|&&made| made == call).count()
    }

    fn call(&self, call: Call) -> Result<(), CodecError> {
        let mut state = self.native.state.lock().unwrap();
        let before = state.calls.iter().filter(|&&made| made == call).count();
        state.calls.push(call);
        match self.fault {
            Some((at, occurrence, fault)) if at == call && occurrence == before => match fault {
                Fault::Fail => Err(CodecError::Resource("planned".into())),
                Fault::Hang => {
                    while !state.released {
                        state = self.native.changed.wait(state).unwrap();
                    }
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }

    fn get(&self, wait: bool) -> Result<Option<u32>, CodecError> {
        self.call(Call::Get)?;
        let mut state = self.native.state.lock().unwrap();
        loop {
            if state.ended || state.inside.len() > self.delay {
                return Ok(state.inside.pop_front());
            }
            if !wait {
                return Ok(None);
            }
            state = self.native.changed.wait(state).unwrap();
        }
    }

    fn end(&self) {
        self.native.state.lock().unwrap().ended = true;
        self.native.changed.notify_all();
    }
}

/// Threads that work all the time, or sleep.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) works: AtomicBool,
    cpu: AtomicU64,
}

impl Witness for Load {
    fn sample(&self) -> Sample {
        // Other threads may run during the sample.
        thread::yield_now();
        let hours = u64::from(self.works.load(Ordering::Relaxed));
        let hours = self.cpu.fetch_add(hours, Ordering::Relaxed) + hours;
        Sample {
            source: Source::Schedstat,
            threads: vec![ThreadTimes {
                tid: 1,
                cpu: Duration::from_secs(3600 * hours),
                run_delay: Duration::ZERO,
                runnable: false,
            }],
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Native {
    state: Mutex<NativeState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct NativeState {
    calls: Vec<Call>,
    inside: VecDeque<u32>,
    ended: bool,
    released: bool,
    opened: usize,
    closed: usize,
}

impl Codec for Plan {
    type Session = Planned;

    fn library(&self) -> Library {
        Library::new(self.library)
    }

    fn open(self, lane: &Lane<u32>) -> Result<Planned, CodecError> {
        if let Some(threads) = &self.threads {
            lane.set_witness(threads.clone());
        }
        if let Some(kills) = self.kills.clone() {
            let plan = self.clone();
            lane.set_kill_hook(move || {
                kills.fetch_add(1, Ordering::Relaxed);
                plan.release();
            });
        }
        lane.call("open", || self.call(Call::Open))?;
        self.native.state.lock().unwrap().opened += 1;
        let receiver = if self.receive_lane {
            let plan = self.clone();
            Some(lane.spawn("recv", move |lane| {
                while let Some(frame) = lane.wait("get", || plan.get(true))? {
                    let _ = lane.emit(frame, 1);
                }
                Ok(())
            })?)
        } else {
            None
        };
        Ok(Planned {
            plan: self,
            receiver,
        })
    }
}

pub(crate) struct Planned {
    plan: Plan,
    receiver: Option<Sibling>,
}

impl Planned {
    fn emit_ready(&self, lane: &Lane<u32>) -> Result<(), CodecError> {
        while let Some(frame) = lane.call("get", || self.plan.get(false))? {
            let _ = lane.emit(frame, 1);
        }
        Ok(())
    }
}

impl Session for Planned {
    type Input = u32;
    type Output = u32;

    fn delay(&self) -> Option<usize> {
        Some(self.plan.delay)
    }

    fn send(&mut self, lane: &Lane<u32>, input: u32) -> Result<(), CodecError> {
        lane.call("send", || self.plan.call(Call::Send))?;
        self.plan
            .native
            .state
            .lock()
            .unwrap()
            .inside
            .push_back(input);
        self.plan.native.changed.notify_all();
        match self.receiver {
            Some(_) => Ok(()),
            None => self.emit_ready(lane),
        }
    }

    fn drain(&mut self, lane: &Lane<u32>) -> Result<Drained, CodecError> {
        lane.call("drain", || self.plan.call(Call::Drain))?;
        self.plan.end();
        match &self.receiver {
            Some(receiver) => receiver.finished(),
            None => self.emit_ready(lane)?,
        }
        self.plan.native.state.lock().unwrap().ended = false;
        Ok(self.plan.drained)
    }

    fn flush(&mut self, lane: &Lane<u32>) -> Result<Flush, CodecError> {
        lane.call("flush", || self.plan.call(Call::Flush))?;
        if self.plan.flush == Flush::Done {
            self.plan.native.state.lock().unwrap().inside.clear();
        }
        Ok(self.plan.flush)
    }

    fn close(self, lane: &Lane<u32>) -> Result<(), CodecError> {
        let closed = lane.call("close", || self.plan.call(Call::Close));
        self.plan.end();
        if let Some(receiver) = &self.receiver {
            receiver.finished();
        }
        self.plan.native.state.lock().unwrap().closed += 1;
        closed
    }
}
