// SPDX-License-Identifier: MPL-2.0
//! A run, seen as an element sees it, over a codec that misbehaves as scripted.
//! Real threads and real time: budgets are short, upper bounds loose.
#![allow(
    clippy::disallowed_methods,
    reason = "tests read the clock, sleep and wait for their threads"
)]
#![cfg(test)]

mod amounts;
mod asking;
mod beside;
mod closing;
mod completion;
mod counters;
mod delivery;
mod failures;
mod fake;
mod flushing;
mod killing;
mod outlets;
mod patience;
mod retiring;
mod room;
mod stopping;
mod succession;
mod support;
mod telling;
mod wedges;
mod witnesses;
