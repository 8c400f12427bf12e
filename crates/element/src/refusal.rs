// SPDX-License-Identifier: MPL-2.0
//! Ends that are not the session's doing: what the guard refuses, and what an
//! element cannot go on from.

use std::time::Duration;

use codecwatch_supervisor::guard::{self, Position, Refusal};
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

    /// Counts the next frame of the stream, which lies at `pts` of `segment`, and asks
    /// the guard. To be called before anything else is made of a buffer: where caps were
    /// passed over because a stop, a flush or downstream cut their drain short, it is
    /// not in the format that the element knows.
    ///
    /// # Errors
    /// What [`submit`](Self::submit) would answer at the moment, or
    /// [`refuse`](Self::refuse)'s: see [`guard::Limits::check`].
    pub(crate) fn check_frame<T>(
        &self,
        imp: &T,
        segment: &gst::Segment,
        pts: Option<gst::ClockTime>,
    ) -> Result<(), gst::FlowError>
    where
        T: Supervised<Input = I, Output = O>,
    {
        let length = self.length().add(position(segment, pts));
        self.lock().check_open()?;
        let checked = self.settings().limits.check(&length);
        checked.map_err(|refusal| self.refuse(imp, &refusal))
    }

    /// Has the guard know where the medium ends, as upstream announces it. Asks
    /// upstream: to be called without a lock.
    ///
    /// # Errors
    /// [`refuse`](Self::refuse)'s, for a sentinel.
    pub(crate) fn check_announced_duration<T>(&self, imp: &T) -> Result<(), gst::FlowError>
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
        let end = guard::announced_end(announced).map_err(|refusal| self.refuse(imp, &refusal))?;
        self.length().announce(end);
        Ok(())
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

/// Where a frame is that lies at `pts` of a segment.
fn position(segment: &gst::Segment, pts: Option<gst::ClockTime>) -> Position {
    let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else {
        return Position::default();
    };
    let duration = |time: gst::ClockTime| Duration::from_nanos(time.nseconds());
    let stream_time = |time| segment.to_stream_time(time);
    Position {
        running_time: segment.to_running_time(pts).map(duration),
        stream_time: pts.and_then(stream_time).or(segment.time()).map(duration),
        segment_end: segment.stop().and_then(stream_time).map(duration),
    }
}
