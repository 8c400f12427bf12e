// SPDX-License-Identifier: MPL-2.0
//! The locks, conditions and threads that runs use: those of the standard library, and
//! in this crate's unit tests those of a scheduler that tries many interleavings.

#[cfg(not(test))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread,
};

#[cfg(test)]
pub(crate) use crate::interleavings::model::{Condvar, Mutex, MutexGuard, thread};
