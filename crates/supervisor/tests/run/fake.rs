// SPDX-License-Identifier: MPL-2.0
//! A codec that misbehaves as scripted. Frames are numbers; each comes out as
//! it went in, once so many newer ones as the delay are in, or at a drain.

pub(crate) mod mute;
mod native;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use codecwatch_supervisor::{
    Amount, Codec, CodecError, Drained, Flush, Lane, Library, Name, RemoteCalls, Session, Sibling,
};

use self::native::{Frames, Gone, Native};
use crate::support::eventually;

/// What hangs, hangs here until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    pub(crate) fn pass(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

/// Whether sessions take inputs.
#[derive(Default)]
pub(crate) struct Room {
    is_there: AtomicBool,
    asked: AtomicUsize,
    calls: Mutex<Vec<RemoteCalls<u32>>>,
}

impl Room {
    /// How often a worker has asked for it.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }

    pub(crate) fn make(&self) {
        self.is_there.store(true, Ordering::Release);
        for calls in &*self.calls.lock().unwrap() {
            calls.made_room();
        }
    }
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// In the session's open, before its kill hook is there.
    BeforeHook,
    Open,
    Send,
    Get,
    Drain,
    Flush,
    /// In the session's flush, but in none of its native calls.
    AroundFlush,
    Close,
    /// In the question for the delay.
    Delay,
}

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Does not return until the gate opens.
    Hang,
    /// The same, but burns processor time meanwhile.
    Spin,
    /// Sleeps for so long each time, from that occurrence on.
    Slow(Duration),
    Fail,
    Panic,
    /// As a session in a child process does when that has died.
    Crash,
}

/// What an input weighs, and its output settles: an event from 2000 on, three
/// frames from 1000 on, otherwise one.
pub(crate) fn weight(input: u32) -> Amount {
    let frames = match input {
        0..1000 => 1,
        1000..2000 => 3,
        _ => 0,
    };
    Amount {
        frames,
        time: frames * Duration::from_millis(40),
    }
}

/// How a fake behaves. Clones share the gate and the journal.
#[derive(Clone)]
pub(crate) struct Fake {
    library: Name,
    delay: Option<usize>,
    /// What it declares when it is opened, and corrects at the first input.
    declared: Option<usize>,
    killed: Option<Arc<AtomicUsize>>,
    room: Option<Arc<Room>>,
    receive_lane: bool,
    drained: Drained,
    flush: Flush,
    faults: Vec<(Call, usize, Fault)>,
    pub(crate) gate: Gate,
    journal: Arc<Mutex<Vec<Call>>>,
    struck: Arc<AtomicBool>,
}

impl Fake {
    /// `library` has to be the test's own: the ledger is the process's.
    pub(crate) fn new(library: impl Into<Name>) -> Self {
        Self {
            library: library.into(),
            delay: Some(2),
            declared: None,
            killed: None,
            room: None,
            receive_lane: false,
            drained: Drained::Spent,
            flush: Flush::Done,
            faults: Vec::new(),
            gate: Gate::default(),
            journal: Arc::default(),
            struck: Arc::default(),
        }
    }

    /// Writes into the other one's journal.
    pub(crate) fn in_the_journal_of(mut self, other: &Self) -> Self {
        self.journal = other.journal.clone();
        self
    }

    /// Opens, flushes and closes that have returned, in their order.
    pub(crate) fn journal(&self) -> Vec<Call> {
        self.journal.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, call: Call) -> usize {
        self.journal().iter().filter(|&&made| made == call).count()
    }

    /// Waits until a fault has struck.
    #[track_caller]
    pub(crate) fn strikes(&self) {
        eventually("the fault strikes", || self.struck.load(Ordering::Acquire));
    }

    fn note(&self, call: Call) {
        self.journal.lock().unwrap().push(call);
    }

    /// Output comes from a thread of its own that blocks in the native get.
    pub(crate) fn with_receive_lane(mut self) -> Self {
        self.receive_lane = true;
        self
    }

    pub(crate) fn with_delay(mut self, delay: Option<usize>) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn that_declares_at_first(mut self, delay: usize) -> Self {
        self.declared = Some(delay);
        self
    }

    /// Whoever abandons it opens its gate.
    pub(crate) fn that_can_be_killed(mut self) -> Self {
        self.killed = Some(Arc::default());
        self
    }

    /// It takes no input before there is room.
    pub(crate) fn that_takes_inputs_in(mut self, room: &Arc<Room>) -> Self {
        self.room = Some(room.clone());
        self
    }

    /// How often it was killed.
    pub(crate) fn killed(&self) -> usize {
        let killed = self.killed.as_ref().unwrap();
        killed.load(Ordering::Relaxed)
    }

    pub(crate) fn reusable(mut self) -> Self {
        self.drained = Drained::Reusable;
        self
    }

    pub(crate) fn unflushable(mut self) -> Self {
        self.flush = Flush::NeedsNewSession;
        self
    }

    /// The fault strikes at the `occurrence`th such call of the session, from 1.
    pub(crate) fn with(mut self, call: Call, occurrence: usize, fault: Fault) -> Self {
        self.faults.push((call, occurrence, fault));
        self
    }
}

impl Codec for Fake {
    type Session = FakeSession;

    fn library(&self) -> Library {
        Library::new(&self.library)
    }

    fn open(self, lane: &Lane<u32>) -> Result<FakeSession, CodecError> {
        let native = Arc::new(Native {
            fake: self,
            calls: Mutex::default(),
            frames: Mutex::default(),
            changed: Condvar::new(),
        });
        native.struck(Call::BeforeHook)?;
        if let Some(killed) = native.fake.killed.clone() {
            let gate = native.fake.gate.clone();
            lane.set_kill_hook(move || {
                killed.fetch_add(1, Ordering::Relaxed);
                gate.open();
            });
        }
        lane.call("fake_open", || native.struck(Call::Open))?;
        native.fake.note(Call::Open);
        if let Some(room) = &native.fake.room {
            room.calls.lock().unwrap().push(lane.remote_calls());
        }
        let receiver = if native.fake.receive_lane {
            let native = native.clone();
            Some(lane.spawn("recv", move |lane| {
                let _gone = Gone(&native);
                while let Some(frame) = lane.wait("fake_get", || native.get(true))? {
                    let _ = lane.emit(frame, weight(frame));
                }
                Ok(())
            })?)
        } else {
            None
        };
        Ok(FakeSession { native, receiver })
    }
}

pub(crate) struct FakeSession {
    native: Arc<Native>,
    receiver: Option<Sibling>,
}

impl FakeSession {
    /// Inputs that were sent so far.
    pub(crate) fn sent(&self) -> usize {
        let calls = self.native.calls.lock().unwrap();
        calls.iter().filter(|&&made| made == Call::Send).count()
    }

    fn emit_ready(&self, lane: &Lane<u32>) -> Result<(), CodecError> {
        while let Some(frame) = lane.call("fake_get", || self.native.get(false))? {
            let _ = lane.emit(frame, weight(frame));
        }
        Ok(())
    }
}

impl Session for FakeSession {
    type Input = u32;
    type Output = u32;

    /// Not what a session has that says nothing.
    const QUEUE: usize = 3;

    fn weigh(input: &u32) -> Amount {
        weight(*input)
    }

    fn delay(&self) -> Option<usize> {
        self.native.struck(Call::Delay).unwrap();
        self.native.fake.declared.or(self.native.fake.delay)
    }

    fn has_room(&self) -> bool {
        let room = self.native.fake.room.as_ref();
        room.is_none_or(|room| {
            room.asked.fetch_add(1, Ordering::AcqRel);
            room.is_there.load(Ordering::Acquire)
        })
    }

    fn send(&mut self, lane: &Lane<u32>, input: u32) -> Result<(), CodecError> {
        if self.native.fake.declared.is_some() {
            lane.set_delay(self.native.fake.delay);
        }
        lane.call("fake_send", || self.native.send(input))?;
        match self.receiver {
            Some(_) => Ok(()),
            None => self.emit_ready(lane),
        }
    }

    fn drain(&mut self, lane: &Lane<u32>) -> Result<Drained, CodecError> {
        lane.call("fake_drain", || self.native.end(Call::Drain))?;
        match &self.receiver {
            Some(receiver) => receiver.finished(),
            None => self.emit_ready(lane)?,
        }
        self.native.frames.lock().unwrap().ended = false;
        Ok(self.native.fake.drained)
    }

    fn flush(&mut self, lane: &Lane<u32>) -> Result<Flush, CodecError> {
        self.native.struck(Call::AroundFlush)?;
        lane.call("fake_flush", || self.native.struck(Call::Flush))?;
        self.native.fake.note(Call::Flush);
        if self.native.fake.flush == Flush::Done {
            *self.native.frames.lock().unwrap() = Frames::default();
        }
        Ok(self.native.fake.flush)
    }

    fn close(self, lane: &Lane<u32>) -> Result<(), CodecError> {
        let closed = lane.call("fake_close", || self.native.end(Call::Close));
        if let Some(receiver) = &self.receiver {
            receiver.finished();
        }
        self.native.fake.note(Call::Close);
        closed
    }
}
