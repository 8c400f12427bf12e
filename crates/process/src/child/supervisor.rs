// SPDX-License-Identifier: MPL-2.0
//! What the lanes of the session do goes to the parent.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{Amount, CallKind, CodecError, Discarded, Name, RemoteSupervisor};
use serde::Serialize;

use super::context::ChildContext;
use crate::launch::printable;
use crate::link::Outgoing;
use crate::memory::{BlockId, Full, ReaderState, RingWriter, Telling};
use crate::message::{FromChild, LONGEST_NAME, LaneEvent, OUTPUTS, is_name};
use crate::remote::{OutputOf, Remote};
use crate::wire;

/// The way to the parent.
pub(super) struct ToParent {
    outgoing: Mutex<Outgoing>,
    /// How many outputs may be sent.
    room: (Mutex<u32>, Condvar),
}

impl ToParent {
    pub(super) fn new(outgoing: Outgoing) -> Self {
        Self {
            outgoing: Mutex::new(outgoing),
            room: (Mutex::new(OUTPUTS), Condvar::new()),
        }
    }

    /// Without a parent nothing is worth doing: the thread that reads ends the process.
    pub(super) fn send<O, F, A, N>(&self, message: &FromChild<O, F, A, N>)
    where
        O: Serialize,
        F: Serialize,
        A: Serialize,
        N: Serialize,
    {
        let outgoing = self.outgoing.lock();
        let mut outgoing = outgoing.unwrap_or_else(PoisonError::into_inner);
        let _ = outgoing.send(message, None);
    }

    /// A message without an output and facts.
    pub(super) fn say(&self, message: &FromChild<(), ()>) {
        self.send(message);
    }

    /// The parent has taken outputs.
    pub(super) fn taken(&self, outputs: u32) {
        let (room, changed) = &self.room;
        *room.lock().unwrap_or_else(PoisonError::into_inner) += outputs;
        changed.notify_all();
    }

    /// Waits until the parent takes an output.
    fn wait_for_room(&self) {
        let (room, changed) = &self.room;
        let room = room.lock().unwrap_or_else(PoisonError::into_inner);
        let room = changed.wait_while(room, |room| *room == 0);
        *room.unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

impl Telling for ToParent {
    fn needs_block(&self, len: u64) {
        self.say(&FromChild::NeedsBlock { len });
    }

    fn gives_up(&self, block: BlockId) {
        self.say(&FromChild::GivesUp(block));
    }

    fn returned(&self, lent: u32) {
        self.say(&FromChild::Returned { lent });
    }
}

/// What the lanes do, on its way to the parent.
struct LaneEvents {
    ring: RingWriter,
    /// Of the calls in flight, by lane.
    begun: HashMap<u8, Instant>,
    bytes: Vec<u8>,
}

/// A name that the parent takes: elements of a chain have any.
fn shown(name: Name) -> Name {
    if is_name(&name) {
        return name;
    }
    // A character has at most four bytes, the ellipsis three.
    printable(name.as_bytes(), LONGEST_NAME / 4 - 1, false).into()
}

/// How long is waited for room in the ring at a time.
const RING_IS_FULL: Duration = Duration::from_millis(1);

impl LaneEvents {
    /// Waits while the ring is full: the parent does not read it while its outbox is full.
    fn note(&mut self, parent: &ToParent, event: &LaneEvent) {
        self.bytes.clear();
        // With its short name an event is much shorter than a message may be.
        if wire::encode(&mut self.bytes, event).is_err() {
            return;
        }
        let mut written = self.ring.write(&self.bytes);
        if written != Ok(ReaderState::Awake) {
            parent.say(&FromChild::LaneEvents);
        }
        while written == Err(Full) {
            std::thread::sleep(RING_IS_FULL);
            written = self.ring.write(&self.bytes);
        }
    }
}

/// The session's supervisor, as its lanes see it.
pub(super) struct Supervisor<R: Remote> {
    parent: Arc<ToParent>,
    context: ChildContext<R>,
    events: Mutex<LaneEvents>,
}

impl<R: Remote> Supervisor<R> {
    pub(super) fn new(parent: Arc<ToParent>, context: ChildContext<R>, ring: RingWriter) -> Self {
        let events = LaneEvents {
            ring,
            begun: HashMap::new(),
            bytes: Vec::new(),
        };
        Self {
            parent,
            context,
            events: Mutex::new(events),
        }
    }

    fn events(&self) -> MutexGuard<'_, LaneEvents> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, message: &FromChild<(), ()>) {
        self.parent.say(message);
    }
}

/// A lane's number on its way to the parent, which refuses those that are too large.
fn number(lane: usize) -> u8 {
    u8::try_from(lane).unwrap_or(u8::MAX)
}

impl<R: Remote> RemoteSupervisor<OutputOf<R>> for Supervisor<R> {
    fn call_began(&self, lane: usize, name: Name, kind: CallKind) {
        let lane = number(lane);
        let waits = kind == CallKind::Waits;
        let name = shown(name);
        let mut events = self.events();
        events.begun.insert(lane, Instant::now());
        events.note(&self.parent, &LaneEvent::CallBegan { lane, name, waits });
    }

    fn call_moved(&self, lane: usize, name: Name) {
        let (lane, name) = (number(lane), shown(name));
        let moved = LaneEvent::CallMoved { lane, name };
        self.events().note(&self.parent, &moved);
    }

    fn call_ended(&self, lane: usize) {
        let lane = number(lane);
        let mut events = self.events();
        let begun = events.begun.remove(&lane);
        let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        events.note(&self.parent, &LaneEvent::CallEnded { lane, took });
    }

    /// The parent discards what nobody needs.
    fn emit(&self, output: OutputOf<R>, settles: Amount) -> Result<(), Discarded> {
        self.parent.wait_for_room();
        let output = R::pack_output(output, &self.context);
        if let Some(why) = R::lacks_memory(&output) {
            self.fail(CodecError::Resource(why.to_owned()));
            return Err(Discarded);
        }
        self.parent
            .send(&FromChild::<_, ()>::Output(output, settles));
        Ok(())
    }

    fn tell(&self, told: OutputOf<R>) {
        let told = R::pack_output(told, &self.context);
        self.parent.send(&FromChild::<_, ()>::Told(told));
    }

    fn publish(&self, facts: Arc<dyn Any + Send + Sync>) {
        if let Some(facts) = facts.downcast_ref::<R::Facts>() {
            self.parent.send(&FromChild::<(), _>::Facts(facts.clone()));
        }
    }

    fn set_delay(&self, delay: Option<usize>) {
        let delay = delay.map(|delay| u32::try_from(delay).unwrap_or(u32::MAX));
        self.say(&FromChild::Delay(delay));
    }

    fn discarding(&self) -> bool {
        false
    }

    fn fail(&self, error: CodecError) {
        self.say(&FromChild::Failed(error));
    }

    fn lane_began(&self, lane: usize, name: &str) {
        let (lane, name) = (number(lane), name.to_owned());
        let began = LaneEvent::Began { lane, name };
        self.events().note(&self.parent, &began);
    }

    fn lane_ended(&self, lane: usize, error: Option<CodecError>) {
        let lane = number(lane);
        self.say(&FromChild::LaneEnded { lane, error });
    }

    fn others_awaited(&self, begins: bool) {
        self.say(&FromChild::OthersAwaited(begins));
    }
}

/// Sends the lines of the codec's log to the parent.
#[derive(Clone)]
pub struct ChildLog(pub(super) Arc<ToParent>);

impl std::fmt::Debug for ChildLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChildLog").finish_non_exhaustive()
    }
}

/// Longest line of a log that is sent, in bytes.
const LONGEST_LINE: usize = 1000;

/// The log of this process's session, for libraries with one log for the whole process.
static OF_PROCESS: OnceLock<ChildLog> = OnceLock::new();

impl ChildLog {
    /// Sends a line. `level`: 0 is the most serious.
    pub fn line(&self, level: u8, line: &str) {
        let line = line.chars().take(LONGEST_LINE).collect();
        self.0.say(&FromChild::Log { level, line });
    }

    /// Makes this the log of [`line_of_process`](Self::line_of_process).
    pub fn of_process(&self) {
        // A child has one session.
        let _ = OF_PROCESS.set(self.clone());
    }

    /// Sends a line to the log of the process's session.
    pub fn line_of_process(level: u8, line: &str) {
        if let Some(log) = OF_PROCESS.get() {
            log.line(level, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use crate::link;
    use crate::memory::RingReader;
    use crate::wire::Decoder;

    struct Rig {
        parent: Arc<ToParent>,
        events: LaneEvents,
        ring: RingReader,
        heard: UnixStream,
    }

    impl Rig {
        fn new() -> Self {
            let (ours, heard) = UnixStream::pair().unwrap();
            heard.set_nonblocking(true).unwrap();
            let (ring, fd) = RingReader::create().unwrap();
            let events = LaneEvents {
                ring: RingWriter::new(&fd).unwrap(),
                begun: HashMap::new(),
                bytes: Vec::new(),
            };
            let parent = Arc::new(ToParent::new(Outgoing::new(OwnedFd::from(ours))));
            Self {
                parent,
                events,
                ring,
                heard,
            }
        }

        fn note(&mut self) {
            let event = LaneEvent::CallEnded {
                lane: 0,
                took: Duration::ZERO,
            };
            self.events.note(&self.parent, &event);
        }
    }

    /// Messages that have come on the socket.
    fn messages(heard: &UnixStream) -> usize {
        let mut bytes = [0; 4096];
        let Ok(len) = link::receive(heard, &mut bytes) else {
            return 0;
        };
        let mut decoder = Decoder::default();
        decoder.push(&bytes[..len]);
        let take = || decoder.take::<FromChild<(), ()>>().unwrap();
        std::iter::from_fn(take).count()
    }

    #[test]
    fn a_parent_is_woken_by_an_event_if_it_sleeps_and_only_then() {
        let mut rig = Rig::new();
        rig.note();
        assert_eq!(messages(&rig.heard), 0, "it is awake");
        rig.ring.read(&mut Vec::new()).unwrap();
        assert!(rig.ring.sleep());
        rig.note();
        rig.note();
        assert_eq!(messages(&rig.heard), 1, "it sleeps, and is woken once");
    }

    #[test]
    fn a_full_ring_wakes_the_parent_and_loses_nothing() {
        const EVENTS: usize = 10_000;
        let mut rig = Rig::new();
        let (heard, mut ring) = (
            rig.heard.try_clone().unwrap(),
            RingReader::create().unwrap().0,
        );
        std::mem::swap(&mut rig.ring, &mut ring);
        let noting = std::thread::spawn(move || (0..EVENTS).for_each(|_| rig.note()));
        let mut bytes = Vec::new();
        while messages(&heard) == 0 {
            std::thread::yield_now();
        }
        while !noting.is_finished() {
            ring.read(&mut bytes).unwrap();
        }
        noting.join().unwrap();
        ring.read(&mut bytes).unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        let events = std::iter::from_fn(|| decoder.take::<LaneEvent>().unwrap()).count();
        assert_eq!(events, EVENTS);
    }
}
