// SPDX-License-Identifier: MPL-2.0
//! Ends of a stream that no fault of its session causes: refusals of the guard, and
//! errors from which an element cannot go on.

use std::time::Duration;

use codecwatch_supervisor::Run;
use codecwatch_supervisor::guard::{self, Position, Refusal};
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::report::EndReason;
use crate::{Role, Supervised, Supervision, report};

impl<I: Send + 'static, O: Send + 'static> Supervision<I, O> {
    /// Ends the stream because it cannot go on with what the codec returned: posts the
    /// error, unless there was one already. From now on every buffer gets the error
    /// that this returns, and EOS is swallowed, until the element goes to READY.
    pub fn fail<T>(&self, imp: &T, text: &str) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        match imp.role() {
            Role::Encoder => {
                self.end_with(imp, gst::StreamError::Encode, EndReason::CodecFailed, text)
            }
            Role::Decoder => {
                self.end_with(imp, gst::StreamError::Decode, EndReason::CodecFailed, text)
            }
            Role::Other => {
                self.end_with(imp, gst::StreamError::Failed, EndReason::CodecFailed, text)
            }
        }
    }

    /// Ends the stream because the guard refuses it; otherwise as [`fail`](Self::fail).
    pub fn refuse<T>(&self, imp: &T, refusal: &Refusal) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        let text = refusal.to_string();
        match refusal {
            Refusal::Format(_) => {
                self.end_with(imp, gst::StreamError::Format, EndReason::Refused, &text)
            }
            Refusal::Memory(_) => self.end_with(
                imp,
                gst::ResourceError::NoSpaceLeft,
                EndReason::Refused,
                &text,
            ),
        }
    }

    /// The same with an error code that the element chooses, for checks of its own.
    pub fn refuse_with<T>(
        &self,
        imp: &T,
        code: impl gst::MessageErrorDomain + Send + 'static,
        text: &str,
    ) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        self.end_with(imp, code, EndReason::Refused, text)
    }

    /// Counts the next frame of the stream, at `pts` in `segment`, and checks it with
    /// the guard. Must be called before any other use of a buffer: if caps were
    /// swallowed because a stop, a flush or downstream cancelled their drain, the buffer
    /// is not in the format that the element knows.
    ///
    /// # Errors
    /// What [`submit`](Self::submit) would return now, or the error of
    /// [`refuse`](Self::refuse): see [`guard::Limits::check`].
    pub fn check_frame<T>(
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

    /// Queries upstream for the duration, and passes the announced end to the guard.
    /// The caller must hold no lock.
    ///
    /// # Errors
    /// The error of [`refuse`](Self::refuse), if the duration is a sentinel value.
    pub fn check_announced_duration<T>(&self, imp: &T) -> Result<(), gst::FlowError>
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

    /// Ends the stream for this reason: see [`fail`](Self::fail).
    pub(crate) fn end_with<T>(
        &self,
        imp: &T,
        code: impl gst::MessageErrorDomain + Send + 'static,
        reason: EndReason,
        text: &str,
    ) -> gst::FlowError
    where
        T: Supervised<Input = I, Output = O>,
    {
        let run = self.lock().shown();
        let stats = run.as_ref().map(Run::stats);
        let evidence = run
            .as_ref()
            .filter(|_| reason == EndReason::CodecFailed)
            .and_then(|run| self.keep_end(imp, run, reason.outcome(), text));
        let element = imp.obj().clone().upcast::<gst::Element>();
        let text = text.to_owned();
        self.end(imp, move || {
            let (stats, evidence) = (stats.as_ref(), evidence.as_deref());
            report::post_end(&element, code, reason, &text, stats, evidence);
        })
    }
}

/// The position of a frame at `pts` in a segment.
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
