// SPDX-License-Identifier: MPL-2.0
//! Keeps the freeing of one encoder away from the opening of another.
//!
//! Before 4.0 every `svt_av1_enc_deinit_handle` frees a table of the whole
//! process that an encoder uses between its `svt_av1_enc_init_handle` and the
//! end of its `svt_av1_enc_init`: a crash. The supervisor already lets one
//! encoder open at a time; here an encoder that is to be freed during an open is
//! put aside until the next one is freed. Nothing waits long, and no lock is
//! held across a native call: a wedged open or close must not wedge the others.

use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use codecwatch_supervisor::CodecError;

use crate::encoder::Encoder;
use crate::version::Version;

/// An open that takes longer has been given up by its supervisor. Not waiting
/// for it risks a crash should it come back; waiting for it for ever would keep
/// every later encoder in memory.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// The longest that an open waits for a running free, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    opens: Vec<Instant>,
    frees: usize,
    aside: Vec<Encoder>,
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
            .wait_timeout_while(state(), PATIENCE, |state| state.frees > 0)
            .unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        state.opens.push(began);
        Self(began)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = state();
        if let Some(index) = state.opens.iter().position(|began| *began == self.0) {
            state.opens.swap_remove(index);
        }
    }
}

/// Frees an encoder with `free`, and those put aside before it; or puts it aside.
pub(crate) fn free(
    encoder: Encoder,
    free: impl Fn(Encoder) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    /// Also when `free` panics.
    struct Freeing;
    impl Drop for Freeing {
        fn drop(&mut self) {
            state().frees -= 1;
            FREED.notify_all();
        }
    }
    if Version::installed().at_least(4, 0) {
        return free(encoder);
    }
    let mut state = state();
    state.opens.retain(|began| began.elapsed() < GIVEN_UP);
    if !state.opens.is_empty() {
        state.aside.push(encoder);
        return Ok(());
    }
    state.frees += 1;
    let aside = std::mem::take(&mut state.aside);
    drop(state);
    let _freeing = Freeing;
    let freed = free(encoder);
    for encoder in aside {
        // It was closed long ago; nobody is left to hear of this.
        let _ = free(encoder);
    }
    freed
}
