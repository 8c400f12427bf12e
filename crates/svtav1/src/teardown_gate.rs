// SPDX-License-Identifier: MPL-2.0
//! Keeps the freeing of one encoder away from the opening of another.
//!
//! Before 4.0 every `svt_av1_enc_deinit_handle` frees a table of the whole
//! process. An encoder uses it between its `svt_av1_enc_init_handle` and the end
//! of its `svt_av1_enc_init`, and two calls at once free it twice: a crash either
//! way. The supervisor already lets one encoder open at a time; here one encoder
//! at a time is freed, and not during an open. Who closes meanwhile does not wait:
//! its encoder is put aside, and freed by whoever is in the way, as soon as it is
//! not; its session is closed, and no thread is left that could do it. Nothing
//! waits long, and no lock is held across a native call: a wedged open or close
//! must not wedge the others, so nobody waits for a session that was given up.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CodecError, Lane};

use crate::encoder::Encoder;
use crate::version::Version;

/// A call that takes longer (the default of `slow-limit`) is in nobody's way any more:
/// its supervisor gave it up long ago. Not to wait for it risks a crash should it come
/// back; to wait for it for ever would keep every later encoder in memory. An open that
/// was given up keeps encoders from being freed for so long, too: it would use what
/// they free, and nobody waits meanwhile.
const LONGEST: Duration = Duration::from_secs(600);
/// The longest that an open waits for a running free whose supervisor has not given it
/// up: that of a worker that had been given up before and came back.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often who waits looks whether its own session is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// A call that runs.
#[derive(Debug)]
struct Call {
    number: u64,
    /// The number of the encoder whose session makes it.
    caller: Option<u64>,
    began: Instant,
    given_up: bool,
}

/// The running calls of a kind.
#[derive(Debug, Default)]
struct Running(Vec<Call>);

impl Running {
    fn begin(&mut self, number: u64, caller: Option<u64>) {
        self.0.push(Call {
            number,
            caller,
            began: Instant::now(),
            given_up: false,
        });
    }

    fn end(&mut self, number: u64) {
        self.0.retain(|call| call.number != number);
    }

    fn give_up(&mut self, caller: u64) {
        let calls = self.0.iter_mut();
        for call in calls.filter(|call| call.caller == Some(caller)) {
            call.given_up = true;
        }
    }

    /// Whether one runs that has not been given up.
    fn any_watched(&self) -> bool {
        self.0
            .iter()
            .any(|call| !call.given_up && call.began.elapsed() < LONGEST)
    }

    /// Whether one runs, or may come back.
    fn any(&self) -> bool {
        self.0.iter().any(|call| call.began.elapsed() < LONGEST)
    }
}

#[derive(Debug)]
struct Gate<E> {
    state: Mutex<State<E>>,
    freed: Condvar,
}

#[derive(Debug)]
struct State<E> {
    opens: Running,
    frees: Running,
    aside: Vec<E>,
    /// Calls so far.
    calls: u64,
}

impl<E> State<E> {
    fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }
}

static GATE: LazyLock<Gate<Encoder>> = LazyLock::new(Gate::new);

impl<E> Gate<E> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                opens: Running::default(),
                frees: Running::default(),
                aside: Vec::new(),
                calls: 0,
            }),
            freed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an open when no free is in its way. `None`: it is `unwanted`, which is
    /// asked without the lock.
    fn begin(&self, caller: Option<u64>, unwanted: impl Fn() -> bool) -> Option<u64> {
        let began = Instant::now();
        let mut state = self.lock();
        while state.frees.any_watched() && began.elapsed() < PATIENCE {
            drop(state);
            if unwanted() {
                return None;
            }
            state = self.lock();
            if state.frees.any_watched() {
                state = self
                    .freed
                    .wait_timeout(state, LOOK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
        let number = state.next_call();
        state.opens.begin(number, caller);
        Some(number)
    }

    fn end(&self, number: u64) {
        self.lock().opens.end(number);
    }

    fn give_up(&self, caller: u64) {
        self.lock().frees.give_up(caller);
        self.freed.notify_all();
    }

    fn put_aside(&self, encoder: E) {
        self.lock().aside.push(encoder);
    }

    /// Frees what was put aside, the latest first, unless somebody is in the way,
    /// who will do it. Answers how the first went.
    fn free_aside(
        &self,
        caller: Option<u64>,
        free: impl Fn(E) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let mut first = None;
        loop {
            let mut state = self.lock();
            if state.opens.any() || state.frees.any_watched() {
                break;
            }
            let Some(encoder) = state.aside.pop() else {
                break;
            };
            let number = state.next_call();
            state.frees.begin(number, caller);
            let freeing = Freeing(self, number);
            drop(state);
            first.get_or_insert(free(encoder));
            drop(freeing);
        }
        first.unwrap_or(Ok(()))
    }
}

/// One free that runs; ends also when it panics.
struct Freeing<'a, E>(&'a Gate<E>, u64);

impl<E> Drop for Freeing<'_, E> {
    fn drop(&mut self) {
        self.0.lock().frees.end(self.1);
        self.0.freed.notify_all();
    }
}

/// From before `svt_av1_enc_init_handle` until after `svt_av1_enc_init`.
#[derive(Debug)]
pub(crate) struct Opening {
    number: u64,
    /// The number of the encoder.
    encoder: Option<u64>,
}

impl Opening {
    /// Waits while an encoder is freed, until its session is given up. `None`: the
    /// open is `unwanted`.
    pub(crate) fn begin(encoder: Option<u64>, unwanted: impl Fn() -> bool) -> Option<Self> {
        let number = GATE.begin(encoder, unwanted)?;
        Some(Self { number, encoder })
    }

    /// Frees the encoders, too, that were put aside meanwhile: a matter of
    /// milliseconds, under the watch and the budget of the session that opens.
    pub(crate) fn end<O: Send + 'static>(self, lane: &Lane<O>) {
        let caller = self.encoder;
        drop(self);
        // They were closed long ago, and nobody is left to hear of them.
        let _ = GATE.free_aside(caller, |encoder| encoder.deinit_handle(lane));
    }
}

/// An open that panics ends, too.
impl Drop for Opening {
    fn drop(&mut self) {
        GATE.end(self.number);
    }
}

/// The session of this encoder was given up: nobody waits any longer for what it frees.
pub(crate) fn give_up(encoder: u64) {
    GATE.give_up(encoder);
}

/// Frees the encoder with this number, and those that others put aside meanwhile; or
/// puts it aside.
///
/// # Errors
/// What the library answered to the free of this one.
pub(crate) fn free<O: Send + 'static>(
    encoder: Encoder,
    number: Option<u64>,
    lane: &Lane<O>,
) -> Result<(), CodecError> {
    if Version::installed().at_least(4, 0) {
        return encoder.deinit_handle(lane);
    }
    // The caller's own is on top.
    GATE.put_aside(encoder);
    GATE.free_aside(number, |encoder| encoder.deinit_handle(lane))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::config::{Config, FrameRate};
    use crate::packet::Output;
    use crate::rules_against_library::turn;

    #[test]
    fn what_is_put_aside_during_an_open_is_freed_at_its_end() {
        let gate = Gate::new();
        let freed = RefCell::new(Vec::new());
        let free = || {
            gate.free_aside(None, |encoder: u32| {
                freed.borrow_mut().push(encoder);
                Ok(())
            })
        };
        let begin = || gate.begin(None, || false).unwrap();
        let (first, second) = (begin(), begin());
        for encoder in [1, 2] {
            gate.put_aside(encoder);
            free().unwrap();
        }
        gate.end(first);
        free().unwrap();
        assert_eq!(*freed.borrow(), []);
        gate.end(second);
        free().unwrap();
        assert_eq!(*freed.borrow(), [2, 1]);
    }

    #[test]
    fn what_is_put_aside_during_a_free_is_freed_after_it() {
        let gate = Gate::new();
        let freed = RefCell::new(Vec::new());
        gate.put_aside(1);
        gate.free_aside(None, |encoder| {
            if encoder == 1 {
                gate.put_aside(2);
                // As another thread would: it leaves it to who is freeing.
                gate.free_aside(None, |_| panic!("two at a time")).unwrap();
            }
            freed.borrow_mut().push(encoder);
            Ok(())
        })
        .unwrap();
        assert_eq!(*freed.borrow(), [1, 2]);
    }

    #[test]
    fn an_open_waits_for_a_free_until_that_is_given_up_or_the_open_is_unwanted() {
        let gate = Gate::<u32>::new();
        let (one, other) = (7, 8);
        let hung = {
            let mut state = gate.lock();
            let number = state.next_call();
            state.frees.begin(number, Some(one));
            number
        };
        std::thread::scope(|scope| {
            let opens = scope.spawn(|| gate.begin(Some(other), || false));
            std::thread::sleep(2 * LOOK);
            gate.give_up(other);
            std::thread::sleep(2 * LOOK);
            assert!(!opens.is_finished());
            assert_eq!(gate.begin(Some(other), || true), None);
            gate.give_up(one);
            let open = opens.join().unwrap().unwrap();
            gate.end(open);
        });
        // What is put aside behind it is freed by the next that can.
        gate.put_aside(1);
        gate.free_aside(None, |_| Ok(())).unwrap();
        assert!(gate.lock().aside.is_empty());
        gate.lock().frees.end(hung);
    }

    #[test]
    fn an_open_that_was_given_up_keeps_encoders_from_being_freed() {
        let gate = Gate::<u32>::new();
        gate.begin(Some(7), || false).unwrap();
        gate.give_up(7);
        gate.put_aside(1);
        gate.free_aside(None, |_| panic!("it would use what this frees"))
            .unwrap();
        assert_eq!(gate.lock().aside, [1]);
    }

    #[test]
    fn an_encoder_that_is_closed_during_an_open_is_freed_at_its_end() {
        if Version::installed().at_least(4, 0) {
            println!("skipped: this SVT-AV1 frees encoders at any time");
            return;
        }
        let _turn = turn();
        let (lane, _outputs) = Lane::<Output>::detached();
        let rate = FrameRate {
            numerator: 30,
            denominator: 1,
        };
        let (encoder, opening) =
            Encoder::configured(&lane, &Config::new(64, 64, rate), None).unwrap();
        encoder.destroy(&lane).unwrap();
        assert_eq!(GATE.lock().aside.len(), 1);
        opening.end(&lane);
        assert_eq!(GATE.lock().aside.len(), 0);
    }
}
