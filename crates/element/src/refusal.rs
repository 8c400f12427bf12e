// SPDX-License-Identifier: MPL-2.0
//! Ends that are not the session's doing: what the guard refuses, and what an
//! element cannot go on from.

use std::time::Duration;

use codecwatch_supervisor::guard::Refusal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::{Role, Supervised, Supervision, report};

/// The outcome in the details of what the guard refuses.
const REFUSED: &str = "Refused";
/// The outcome in the details of a stream that has too many errors.
const FAILED: &str = "CodecFailed";

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Ends the stream because the codec's answers do not let it go on: posts the
    /// error, unless there was one already. From now on every buffer is answered
    /// with the error that this returns, and EOS is swallowed, until the element
    /// has been to READY.
    pub fn fail<T>(&self, imp: &T, text: &str) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        match T::ROLE {
            Role::Encoder => self.end_with(imp, gst::StreamError::Encode, FAILED, text),
            Role::Decoder => self.end_with(imp, gst::StreamError::Decode, FAILED, text),
        }
    }

    /// Ends the stream because the guard refuses it; otherwise as [`fail`](Self::fail).
    pub fn refuse<T>(&self, imp: &T, refusal: &Refusal) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        let text = refusal.to_string();
        match refusal {
            Refusal::Format(_) => self.end_with(imp, gst::StreamError::Format, REFUSED, &text),
            Refusal::Memory(_) => {
                self.end_with(imp, gst::ResourceError::NoSpaceLeft, REFUSED, &text)
            }
        }
    }

    /// The same with an error code of the element's choice, for what only the
    /// element can judge.
    pub fn refuse_with<T>(
        &self,
        imp: &T,
        code: impl gst::MessageErrorDomain + Send + 'static,
        text: &str,
    ) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.end_with(imp, code, REFUSED, text)
    }

    /// The guard's word on input number `number` (from 0), at `at` of running time.
    /// To be asked before anything else is made of a buffer: where caps were passed
    /// over because a stop, a flush or downstream cut their drain short, it is not
    /// in the format that the element knows.
    ///
    /// # Errors
    /// What [`submit`](Self::submit) would answer at the moment, or
    /// [`refuse`](Self::refuse)'s, above `max-frames` or `max-duration`.
    pub fn check_frame<T>(
        &self,
        imp: &T,
        number: u64,
        at: Option<gst::ClockTime>,
    ) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let at = at.map(|at| Duration::from_nanos(at.nseconds()));
        self.lock().check_open()?;
        let checked = self.settings().limits.check_frame(number, at);
        checked.map_err(|refusal| self.refuse(imp, &refusal))
    }

    /// The guard's word on the duration that upstream announces. Asks upstream:
    /// to be called without a lock.
    ///
    /// # Errors
    /// [`refuse`](Self::refuse)'s, for a duration that is none or above
    /// `max-duration`.
    pub fn check_duration<T>(&self, imp: &T) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let mut query = gst::query::Duration::new(gst::Format::Time);
        let element = imp.obj();
        let pad = element.upcast_ref::<gst::Element>().static_pad("sink");
        let known = pad.is_some_and(|pad| pad.peer_query(&mut query));
        let announced = match query.result() {
            gst::GenericFormattedValue::Time(Some(time)) if known => Some(time.nseconds()),
            _ => None,
        };
        let checked = self.settings().limits.check_duration(announced);
        checked.map_err(|refusal| self.refuse(imp, &refusal))
    }

    fn end_with<T>(
        &self,
        imp: &T,
        code: impl gst::MessageErrorDomain + Send + 'static,
        outcome: &'static str,
        text: &str,
    ) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        let stats = self.lock().shown().map(|run| run.stats());
        let element = imp.obj().clone().upcast::<gst::Element>();
        let text = text.to_owned();
        self.end(imp, move || {
            report::post_end(&element, code, outcome, &text, stats.as_ref());
        })
    }
}
