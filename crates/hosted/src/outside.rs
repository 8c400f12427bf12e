// SPDX-License-Identifier: MPL-2.0
//! What a chain asks of the pipeline around it. Each question has a time limit, and the
//! time that it takes is not the codec's.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use codecwatch_supervisor::Outlet;

use crate::io::Output;

/// The longest that a chain waits for an answer of the pipeline around it. The answers
/// come from other elements' pads at once; a pipeline that needs longer is stuck.
const BOUND: Duration = Duration::from_secs(5);
/// How often the wait looks whether the session has to end.
const LOOK: Duration = Duration::from_millis(20);

/// The pipeline around a chain, as its element sees it. Called on threads of their own,
/// which may block.
pub trait Outside: Send + Sync + 'static {
    /// Sends a query to the peer upstream.
    fn query_upstream(&self, query: &mut gst::QueryRef) -> bool;
    /// Sends a query to the peer downstream.
    fn query_downstream(&self, query: &mut gst::QueryRef) -> bool;
    /// Sends an event upstream.
    fn send_upstream(&self, event: gst::Event) -> bool;
    /// Asks the application for a context, by the message.
    fn need_context(&self, context_type: &str);
    /// The contexts that the element has.
    fn contexts(&self) -> Vec<gst::Context>;
    /// The element's clock and base time.
    fn clock(&self) -> (Option<gst::Clock>, Option<gst::ClockTime>);
}

/// Asks on a thread of its own, and waits for the answer. `None` if there is none in
/// time: then the thread is left to itself, and its answer is dropped.
pub(crate) fn ask<R: Send + 'static>(
    outside: &Arc<dyn Outside>,
    outlet: &Outlet<Output>,
    question: impl FnOnce(&dyn Outside) -> R + Send + 'static,
) -> Option<R> {
    let answer = put(outside, question)?;
    outlet.wait_for_others(|| wait(outlet, &answer, Some(BOUND)))
}

/// The same for what makes upstream flush: that ends no wait for it.
pub(crate) fn ask_through_flush<R: Send + 'static>(
    outside: &Arc<dyn Outside>,
    outlet: &Outlet<Output>,
    question: impl FnOnce(&dyn Outside) -> R + Send + 'static,
) -> Option<R> {
    let answer = put(outside, question)?;
    outlet.wait_for_others(|| answer.recv_timeout(BOUND).ok())
}

/// Puts a question on a thread of its own.
fn put<R: Send + 'static>(
    outside: &Arc<dyn Outside>,
    question: impl FnOnce(&dyn Outside) -> R + Send + 'static,
) -> Option<mpsc::Receiver<R>> {
    let outside = outside.clone();
    let (sender, answer) = mpsc::channel();
    let asked = std::thread::Builder::new()
        .name("cw-outside".into())
        .spawn(move || {
            let _ = sender.send(question(&*outside));
        });
    asked.is_ok().then_some(answer)
}

/// Waits for an answer until the session discards its outputs, or `bound` has passed.
pub(crate) fn wait<R>(
    outlet: &Outlet<Output>,
    answer: &mpsc::Receiver<R>,
    bound: Option<Duration>,
) -> Option<R> {
    let mut waited = Duration::ZERO;
    loop {
        match answer.recv_timeout(LOOK) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        waited += LOOK;
        if outlet.discarding() || bound.is_some_and(|bound| waited >= bound) {
            return None;
        }
    }
}
