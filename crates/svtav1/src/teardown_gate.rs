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
//! must not wedge the others.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{CodecError, Lane};

use crate::encoder::Encoder;
use crate::version::Version;

/// An open or a free that takes longer (the default of `slow-limit`) has been given up
/// by its supervisor. Not to wait for it risks a crash should it come back; to wait for
/// it for ever would keep every later encoder in memory.
const GIVEN_UP: Duration = Duration::from_secs(600);
/// The longest that an open waits for a running free. That takes milliseconds, or
/// longer on a machine that is starved; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// When each running call of a kind began.
#[derive(Debug, Default)]
struct Running(Vec<Instant>);

impl Running {
    fn begin(&mut self) -> Instant {
        let began = Instant::now();
        self.0.push(began);
        began
    }

    fn end(&mut self, began: Instant) {
        if let Some(index) = self.0.iter().position(|other| *other == began) {
            self.0.swap_remove(index);
        }
    }

    fn any(&self) -> bool {
        self.0.iter().any(|began| began.elapsed() < GIVEN_UP)
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
}

static GATE: LazyLock<Gate<Encoder>> = LazyLock::new(Gate::new);

impl<E> Gate<E> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                opens: Running::default(),
                frees: Running::default(),
                aside: Vec::new(),
            }),
            freed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Instant {
        let (mut state, _) = self
            .freed
            .wait_timeout_while(self.lock(), PATIENCE, |state| state.frees.any())
            .unwrap_or_else(PoisonError::into_inner);
        state.opens.begin()
    }

    fn end(&self, began: Instant) {
        self.lock().opens.end(began);
    }

    fn put_aside(&self, encoder: E) {
        self.lock().aside.push(encoder);
    }

    /// Frees what was put aside, the latest first, unless somebody is in the way,
    /// who will do it. Answers how the first went.
    fn free_aside(&self, free: impl Fn(E) -> Result<(), CodecError>) -> Result<(), CodecError> {
        let mut first = None;
        loop {
            let mut state = self.lock();
            if state.opens.any() || state.frees.any() {
                break;
            }
            let Some(encoder) = state.aside.pop() else {
                break;
            };
            let freeing = Freeing(self, state.frees.begin());
            drop(state);
            first.get_or_insert(free(encoder));
            drop(freeing);
        }
        first.unwrap_or(Ok(()))
    }
}

/// One free that runs; ends also when it panics.
struct Freeing<'a, E>(&'a Gate<E>, Instant);

impl<E> Drop for Freeing<'_, E> {
    fn drop(&mut self) {
        self.0.lock().frees.end(self.1);
        self.0.freed.notify_all();
    }
}

/// From before `svt_av1_enc_init_handle` until after `svt_av1_enc_init`.
#[derive(Debug)]
pub(crate) struct Opening(Instant);

impl Opening {
    pub(crate) fn begin() -> Self {
        Self(GATE.begin())
    }

    /// Frees the encoders, too, that were put aside meanwhile: a matter of
    /// milliseconds, under the watch and the budget of the session that opens.
    pub(crate) fn end<O: Send + 'static>(self, lane: &Lane<O>) {
        drop(self);
        // They were closed long ago, and nobody is left to hear of them.
        let _ = GATE.free_aside(|encoder| encoder.deinit_handle(lane));
    }
}

/// An open that panics ends, too.
impl Drop for Opening {
    fn drop(&mut self) {
        GATE.end(self.0);
    }
}

/// Frees an encoder, and those that others put aside meanwhile; or puts it aside.
///
/// # Errors
/// What the library answered to the free of this one.
pub(crate) fn free<O: Send + 'static>(encoder: Encoder, lane: &Lane<O>) -> Result<(), CodecError> {
    if Version::installed().at_least(4, 0) {
        return encoder.deinit_handle(lane);
    }
    // The caller's own is on top.
    GATE.put_aside(encoder);
    GATE.free_aside(|encoder| encoder.deinit_handle(lane))
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
            gate.free_aside(|encoder: u32| {
                freed.borrow_mut().push(encoder);
                Ok(())
            })
        };
        let (first, second) = (gate.begin(), gate.begin());
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
        gate.free_aside(|encoder| {
            if encoder == 1 {
                gate.put_aside(2);
                // As another thread would: it leaves it to who is freeing.
                gate.free_aside(|_| panic!("two at a time")).unwrap();
            }
            freed.borrow_mut().push(encoder);
            Ok(())
        })
        .unwrap();
        assert_eq!(*freed.borrow(), [1, 2]);
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
        let (encoder, opening) = Encoder::configured(&lane, &Config::new(64, 64, rate)).unwrap();
        encoder.destroy(&lane).unwrap();
        assert_eq!(GATE.lock().aside.len(), 1);
        opening.end(&lane);
        assert_eq!(GATE.lock().aside.len(), 0);
    }
}
