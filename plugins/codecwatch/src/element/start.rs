// SPDX-License-Identifier: MPL-2.0
//! What a program hears of a start that fails. Programs that choose among elements, such as
//! decodebin, take another one if a change to READY or PAUSED fails, or if the element does
//! not take the caps in READY. An element that looks like its original fails as that does.

use std::sync::Arc;
use std::time::Instant;

use codecwatch_element::Supervised;
use codecwatch_hosted::loading::LOAD;
use codecwatch_hosted::{Chain, Readiness, try_ready as look};
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst::{StateChange, StateChangeError};

use super::imp::CodecWatch;

/// Until when a state change that begins now may wait.
pub(super) fn deadline(imp: &CodecWatch) -> Instant {
    let budgets = imp.supervision().settings().budgets;
    let limits = [budgets.open, budgets.close].into_iter();
    // 0 is no limit.
    let bound = limits.filter(|limit| !limit.is_zero()).min();
    Instant::now() + bound.unwrap_or(LOAD)
}

/// On the way to READY: whether the original gets there, and what it takes then. Of one that
/// is to be isolated, nothing is created in this process.
pub(super) fn try_ready(imp: &CodecWatch, until: Instant) -> Result<(), StateChangeError> {
    let is_alike = imp.wrapped.is_some_and(|wrapped| wrapped.is_alike());
    if !is_alike || imp.supervision().settings().isolate {
        return Ok(());
    }
    let (chain, description) = {
        let state = imp.state();
        let Some(chain) = state.chain.clone() else {
            return Ok(());
        };
        let description = state.children.applied_to(&chain);
        (chain, description)
    };
    let Some(part) = description.parts.first() else {
        return Ok(());
    };
    let contexts = imp.obj().contexts();
    let left = until.saturating_duration_since(Instant::now());
    match look(part, contexts, left) {
        Some(Ok(readiness)) => {
            imp.state().chain = Some(Arc::new(chain_in_ready(&chain, readiness)));
            Ok(())
        }
        Some(Err(reason)) => {
            let text = format!("{} does not get to READY: {reason}", part.factory);
            Err(imp.refuse(gst::LibraryError::Init, &text))
        }
        // The session finds out, under supervision.
        None => Ok(()),
    }
}

/// The chain, with what its element takes in READY. It is checked again on the way to
/// PAUSED.
fn chain_in_ready(chain: &Chain, readiness: Readiness) -> Chain {
    let known = chain.clone();
    Chain {
        sink_caps: readiness.sink_caps.unwrap_or(known.sink_caps),
        src_caps: readiness.src_caps.unwrap_or(known.src_caps),
        ..known
    }
}

/// On the way to PAUSED: opens the session. One that looks like its original waits for it,
/// and fails with it. The errors of others come as messages.
pub(super) fn open(imp: &CodecWatch, until: Instant) -> Result<(), StateChangeError> {
    let supervision = imp.supervision();
    if imp.wrapped.is_none() {
        let _ = supervision.open_ahead(imp);
        return Ok(());
    }
    let left = until.saturating_duration_since(Instant::now());
    if supervision.open_within(imp, left).is_ok() {
        return Ok(());
    }
    // Back to READY, which nobody else does after a change that fails.
    supervision.before_state_change(StateChange::PausedToReady);
    let _ = imp.parent_change_state(StateChange::PausedToReady);
    imp.state().refused = true;
    Err(StateChangeError)
}
