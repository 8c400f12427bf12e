// SPDX-License-Identifier: MPL-2.0
//! Prevents that one encoder is freed while another opens.
//!
//! Before 4.0 every `svt_av1_enc_deinit_handle` frees a table of the whole
//! process. An encoder uses it between its `svt_av1_enc_init_handle` and the end
//! of its `svt_av1_enc_init`, and two concurrent calls free it twice: a crash either
//! way. The supervisor already lets one encoder open at a time; here one encoder
//! at a time is freed, and not during an open. A session that closes meanwhile does
//! not wait: its encoder is stored, and the session that blocks the free frees it
//! afterwards, because the closed session has no thread left to do it. No wait is
//! long, and no lock is held across a native call: a wedged open or close must not
//! wedge the others, so an open does not wait for an abandoned session.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CodecError, Lane};

use crate::handle::Handle;
use crate::version::Version;

/// A call that takes longer (the default of `slow-limit`) no longer blocks others: its
/// supervisor abandoned it long ago. Ignoring it risks a crash if it returns; waiting
/// for it for ever would keep every later encoder in memory. An abandoned open blocks
/// frees for this long, too: it would use what they free, and no thread waits
/// meanwhile.
const LONGEST: Duration = Duration::from_secs(600);
/// Longest wait of an open for a running free that its supervisor has not reported as
/// abandoned: that of a worker that had been abandoned before and whose call returned.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a waiting session checks whether it was told to close.
const LOOK: Duration = Duration::from_millis(50);

/// A running call.
#[derive(Debug)]
struct Call {
    number: u64,
    /// The number of the encoder whose session makes the call.
    caller: Option<u64>,
    began: Instant,
    abandoned: bool,
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
            abandoned: false,
        });
    }

    fn end(&mut self, number: u64) {
        self.0.retain(|call| call.number != number);
    }

    fn abandon(&mut self, caller: u64) {
        let calls = self.0.iter_mut();
        for call in calls.filter(|call| call.caller == Some(caller)) {
            call.abandoned = true;
        }
    }

    /// Whether a call runs that has not been abandoned.
    fn any_watched(&self) -> bool {
        self.0
            .iter()
            .any(|call| !call.abandoned && call.began.elapsed() < LONGEST)
    }

    /// Whether a call runs, or is abandoned but may return.
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

static GATE: LazyLock<Gate<Handle>> = LazyLock::new(Gate::new);

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

    /// Begins an open as soon as no free blocks it. `None` if the open is `unwanted`,
    /// which is called without holding the lock.
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

    fn abandon(&self, caller: u64) {
        self.lock().frees.abandon(caller);
        self.freed.notify_all();
    }

    fn put_aside(&self, encoder: E) {
        self.lock().aside.push(encoder);
    }

    /// Frees the stored encoders, the latest first, unless another call blocks that, which
    /// will then do it. Returns the result of the first free.
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

/// One running free; ends also when it panics.
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
    /// Waits while an encoder is freed, until its session is abandoned. `None` if the
    /// open is `unwanted`.
    pub(crate) fn begin(encoder: Option<u64>, unwanted: impl Fn() -> bool) -> Option<Self> {
        let number = GATE.begin(encoder, unwanted)?;
        Some(Self { number, encoder })
    }

    /// Also frees the encoders that were stored meanwhile, which takes milliseconds,
    /// under the supervision and the budget of the session that opens.
    pub(crate) fn end<O: Send + 'static>(self, lane: &Lane<O>) {
        let caller = self.encoder;
        drop(self);
        // Their sessions have closed, so errors have no receiver.
        let _ = GATE.free_aside(caller, |encoder| encoder.free(lane));
    }
}

/// An open that panics ends, too.
impl Drop for Opening {
    fn drop(&mut self) {
        GATE.end(self.number);
    }
}

/// The session of this encoder was abandoned: no open waits for its frees any longer.
pub(crate) fn abandon(encoder: u64) {
    GATE.abandon(encoder);
}

/// Frees the encoder with this number, and those that others stored meanwhile; or
/// stores it.
///
/// # Errors
/// The library's error of freeing this encoder.
pub(crate) fn free<O: Send + 'static>(
    encoder: Handle,
    number: Option<u64>,
    lane: &Lane<O>,
) -> Result<(), CodecError> {
    if Version::installed().at_least(4, 0) {
        return encoder.free(lane);
    }
    // The caller's encoder is on top.
    GATE.put_aside(encoder);
    GATE.free_aside(number, |encoder| encoder.free(lane))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::config::{Config, FrameRate};
    use crate::encoder::Encoder;
    use crate::packet::Output;
    use crate::rules_against_library::one_at_a_time;

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
        assert!(freed.borrow().is_empty());
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
                // Like another thread: leaves it to the running free.
                gate.free_aside(None, |_| panic!("two at a time")).unwrap();
            }
            freed.borrow_mut().push(encoder);
            Ok(())
        })
        .unwrap();
        assert_eq!(*freed.borrow(), [1, 2]);
    }

    #[test]
    fn an_open_waits_for_a_free_until_that_is_abandoned_or_the_open_is_unwanted() {
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
            gate.abandon(other);
            std::thread::sleep(2 * LOOK);
            assert!(!opens.is_finished());
            assert_eq!(gate.begin(Some(other), || true), None);
            gate.abandon(one);
            let open = opens.join().unwrap().unwrap();
            gate.end(open);
        });
        // An encoder stored behind the hanging free is freed by the next call that can.
        gate.put_aside(1);
        gate.free_aside(None, |_| Ok(())).unwrap();
        assert!(gate.lock().aside.is_empty());
        gate.lock().frees.end(hung);
    }

    #[test]
    fn an_open_that_was_abandoned_keeps_encoders_from_being_freed() {
        let gate = Gate::<u32>::new();
        gate.begin(Some(7), || false).unwrap();
        gate.abandon(7);
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
        let _alone = one_at_a_time();
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
