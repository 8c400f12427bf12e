// SPDX-License-Identifier: MPL-2.0
//! What parent and child ask each other besides inputs and outputs: questions of the
//! parent to the session, and inquiries of the child to the pipeline around the element.

use std::fmt::Debug;
use std::sync::Arc;

use codecwatch_supervisor::{Codec, Lane};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::parent::Beside;
use crate::remote::{OutputOf, Remote};

/// A message that travels.
pub trait Travels: Serialize + DeserializeOwned + Debug + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Debug + Send + 'static> Travels for T {}

/// See the module's description. [`NoTalk`] is for sessions that need none of it.
pub trait Talk<R: Remote>: 'static {
    /// Parent: what the session's element lends to it.
    type Parent: Clone + Send + Sync + 'static;
    /// Child: what its threads share.
    type Child: Default + Send + Sync + 'static;
    /// A question to the session.
    type Question: Travels;
    /// Its answer.
    type Answer: Travels;
    /// A question to the pipeline.
    type Inquiry: Travels;
    /// Its answer.
    type Finding: Travels;

    /// Parent: the session is open; `beside` asks it on other threads than its worker.
    fn opened(_parent: &Self::Parent, _beside: Beside<R>) {}

    /// Parent, on the worker, before each input.
    fn before_input(_parent: &Self::Parent, _lane: &Lane<OutputOf<R>>) {}

    /// Parent, on a thread of its own, which may block.
    fn inquire(parent: &Self::Parent, inquiry: Self::Inquiry) -> Self::Finding;

    /// Child, on the session's thread.
    fn answer(
        child: &Arc<Self::Child>,
        session: &mut <R::Codec as Codec>::Session,
        lane: &Lane<OutputOf<R>>,
        question: Self::Question,
    ) -> Self::Answer;

    /// Child, on a thread of its own, which may block.
    fn answer_beside(child: &Arc<Self::Child>, question: Self::Question) -> Self::Answer;
}

/// Nothing to ask.
#[derive(Debug)]
pub enum NoTalk {}

impl<R: Remote> Talk<R> for NoTalk {
    type Parent = ();
    type Child = ();
    type Question = ();
    type Answer = ();
    type Inquiry = ();
    type Finding = ();

    fn inquire(_parent: &(), _inquiry: ()) {}

    fn answer(
        _child: &Arc<()>,
        _session: &mut <R::Codec as Codec>::Session,
        _lane: &Lane<OutputOf<R>>,
        _question: (),
    ) {
    }

    fn answer_beside(_child: &Arc<()>, _question: ()) {}
}
