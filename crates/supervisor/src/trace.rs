// SPDX-License-Identifier: MPL-2.0
//! Logs the way of inputs and outputs.

/// Logs inputs and outputs, with the number of their session. Called on the session's
/// threads, without a lock; must not wait.
#[derive(Debug)]
pub struct Trace<I, O> {
    /// The worker has taken an input and passes it to the codec.
    pub taken: fn(u64, &I),
    /// The codec has given an output.
    pub emitted: fn(u64, &O),
}
