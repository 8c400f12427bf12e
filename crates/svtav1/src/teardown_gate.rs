// SPDX-License-Identifier: MPL-2.0
//! Keeps the freeing of one encoder away from the opening of another.
//!
//! Before 4.0 every `svt_av1_enc_deinit_handle` frees a table of the whole
//! process. An encoder uses it between its `svt_av1_enc_init_handle` and the end
//! of its `svt_av1_enc_init`, and two calls at once free it twice: a crash either
//! way. The supervisor already lets one encoder open at a time; here one encoder
//! at a time is freed, and not during an open: it is put aside, for whoever frees
//! the next. Nothing waits long, and no lock is held across a native call: a
//! wedged open or close must not wedge the others.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::CodecError;

use crate::encoder::Encoder;
use crate::version::Version;

/// An open or a free that takes longer has been given up by its supervisor. Not
/// to wait for it risks a crash should it come back; to wait for it for ever
/// would keep every later encoder in memory.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// The longest that an open waits for a running free, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

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

#[derive(Debug, Default)]
struct State {
    opens: Running,
    frees: Running,
    aside: Vec<Encoder>,
}

impl State {
    /// The next encoder to free, if one may be freed now.
    fn next(&mut self) -> Option<Encoder> {
        if self.opens.any() || self.frees.any() {
            return None;
        }
        self.aside.pop()
    }
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);
static FREED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From before `svt_av1_enc_init_handle` until after `svt_av1_enc_init`.
#[derive(Debug)]
pub(crate) struct Opening(Instant);

impl Opening {
    pub(crate) fn begin() -> Self {
        let (mut state, _) = FREED
            .wait_timeout_while(state(), PATIENCE, |state| state.frees.any())
            .unwrap_or_else(PoisonError::into_inner);
        Self(state.opens.begin())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        state().opens.end(self.0);
    }
}

/// Frees an encoder with `free`, and those that others put aside meanwhile; or
/// puts it aside.
pub(crate) fn free(
    encoder: Encoder,
    free: impl Fn(Encoder) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    if Version::installed().at_least(4, 0) {
        return free(encoder);
    }
    let mut first = None;
    let mut waiting = state();
    waiting.aside.push(encoder);
    while let Some(encoder) = waiting.next() {
        let freeing = Freeing(waiting.frees.begin());
        drop(waiting);
        // The caller's own is on top. The others were closed long ago, and
        // nobody is left to hear of them.
        first.get_or_insert(free(encoder));
        drop(freeing);
        waiting = state();
    }
    first.unwrap_or(Ok(()))
}

/// One free that runs; ends also when it panics.
struct Freeing(Instant);

impl Drop for Freeing {
    fn drop(&mut self) {
        state().frees.end(self.0);
        FREED.notify_all();
    }
}
