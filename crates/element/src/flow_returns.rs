// SPDX-License-Identifier: MPL-2.0
//! The flow returns of downstream, and the frames for which they hold.

/// The flow return of downstream for a buffer.
pub(crate) type Flow = Result<gst::FlowSuccess, gst::FlowError>;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct FlowReturns {
    /// The last one; or one with which downstream has ended the stream, until upstream has
    /// got it: outputs that were on their way may be taken again meanwhile.
    flow: Flow,
    /// Whether upstream has got it.
    is_reported: bool,
    /// Why downstream did not take the last output, other than EOS, NotLinked or
    /// Flushing.
    refused: Option<gst::FlowError>,
    /// The newest frame submitted to a session.
    newest: Option<u32>,
    /// Flow returns for frames up to this one do not hold for those to come, because a new
    /// segment or stream has begun since; except errors, of which upstream would have got
    /// to know before it.
    void: Option<u32>,
}

impl Default for FlowReturns {
    fn default() -> Self {
        Self {
            flow: Ok(gst::FlowSuccess::Ok),
            is_reported: false,
            refused: None,
            newest: None,
            void: None,
        }
    }
}

impl FlowReturns {
    /// Notes that a frame was submitted to a session.
    pub(crate) fn note_submitted(&mut self, id: u32) {
        self.newest = Some(id);
    }

    /// Records the flow return for frame `id`.
    pub(crate) fn note(&mut self, id: Option<u32>, flow: Flow) {
        self.refused = flow.err().filter(ends_with_error);
        let is_error = self.refused.is_some();
        let is_void = id.is_some_and(|id| self.void.is_some_and(|void| id <= void));
        let outranks = match self.is_due() {
            true => is_error && !self.is_error(),
            false => is_error || !is_void,
        };
        if outranks {
            self.flow = flow;
            self.is_reported = false;
        }
    }

    /// Flow returns for the frames so far no longer hold for those to come.
    pub(crate) fn void(&mut self) {
        self.void = self.newest;
        if !(self.is_due() && self.is_error()) {
            self.flow = Ok(gst::FlowSuccess::Ok);
        }
    }

    /// A flush has dropped the frames so far.
    pub(crate) fn forget(&mut self) {
        self.void = self.newest;
        self.flow = Ok(gst::FlowSuccess::Ok);
        self.refused = None;
    }

    /// What to return for an input.
    pub(crate) fn report(&mut self) -> Flow {
        self.is_reported = true;
        self.flow
    }

    /// Whether upstream has yet to get that downstream has ended the stream.
    fn is_due(&self) -> bool {
        let has_ended = |error| error == gst::FlowError::Eos || ends_with_error(&error);
        !self.is_reported && self.flow.is_err_and(has_ended)
    }

    fn is_error(&self) -> bool {
        self.flow.is_err_and(|error| ends_with_error(&error))
    }

    /// What would be returned for one.
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// Why downstream did not take the last output, even if its flow return is void, or
    /// one before it of which upstream does not know.
    pub(crate) fn refused(&self) -> Option<gst::FlowError> {
        let unknown = self.flow.err().filter(ends_with_error);
        self.refused.or(unknown.filter(|_| self.is_due()))
    }
}

/// Whether downstream has ended the stream by an error.
fn ends_with_error(flow: &gst::FlowError) -> bool {
    use gst::FlowError::{Eos, Flushing, NotLinked};
    !matches!(flow, Eos | NotLinked | Flushing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_frames_before_a_new_segment_does_not_hold_after_it() {
        let mut returns = FlowReturns::default();
        returns.note_submitted(7);
        returns.note(Some(6), Err(gst::FlowError::NotLinked));
        assert_eq!(returns.flow(), Err(gst::FlowError::NotLinked));
        returns.void();
        returns.note(Some(7), Err(gst::FlowError::Eos));
        assert_eq!(returns.flow(), Ok(gst::FlowSuccess::Ok));
        returns.note_submitted(8);
        returns.note(Some(8), Err(gst::FlowError::Eos));
        assert_eq!(returns.flow(), Err(gst::FlowError::Eos));
    }

    #[test]
    fn an_end_is_not_forgotten_before_upstream_has_got_it() {
        for end in [gst::FlowError::Eos, gst::FlowError::Error] {
            let mut returns = FlowReturns::default();
            returns.note(Some(1), Err(end));
            returns.note(Some(2), Ok(gst::FlowSuccess::Ok));
            let refused = Some(end).filter(|end| *end == gst::FlowError::Error);
            assert_eq!(returns.refused(), refused);
            assert_eq!(returns.report(), Err(end));
            assert_eq!(returns.refused(), None);
            returns.note(Some(3), Ok(gst::FlowSuccess::Ok));
            assert_eq!(returns.report(), Ok(gst::FlowSuccess::Ok));
        }
        let mut returns = FlowReturns::default();
        returns.note(Some(1), Err(gst::FlowError::NotLinked));
        returns.note(Some(2), Ok(gst::FlowSuccess::Ok));
        assert_eq!(returns.report(), Ok(gst::FlowSuccess::Ok));
    }

    #[test]
    fn an_error_for_a_frame_before_a_new_segment_is_not_forgotten_until_upstream_has_got_it() {
        let (ok, error) = (Ok(gst::FlowSuccess::Ok), Err(gst::FlowError::Error));
        for is_late in [false, true] {
            let mut returns = FlowReturns::default();
            returns.note_submitted(1);
            if is_late {
                returns.void();
            }
            returns.note(Some(1), error);
            returns.void();
            returns.note_submitted(2);
            returns.note(Some(2), ok);
            assert_eq!(returns.refused(), Some(gst::FlowError::Error));
            assert_eq!(returns.report(), error);
            returns.void();
            assert_eq!(returns.report(), ok);
        }
    }

    #[test]
    fn an_error_outranks_an_end_that_upstream_has_not_got_yet() {
        let mut returns = FlowReturns::default();
        for flow in [
            gst::FlowError::Eos,
            gst::FlowError::Error,
            gst::FlowError::Eos,
        ] {
            returns.note(None, Err(flow));
        }
        assert_eq!(returns.report(), Err(gst::FlowError::Error));
    }

    #[test]
    fn a_refusal_is_known_until_output_is_taken_or_dropped() {
        let mut returns = FlowReturns::default();
        returns.note_submitted(1);
        returns.void();
        returns.note(Some(1), Err(gst::FlowError::NotNegotiated));
        assert_eq!(returns.report(), Err(gst::FlowError::NotNegotiated));
        returns.void();
        assert_eq!(returns.flow(), Ok(gst::FlowSuccess::Ok));
        assert_eq!(returns.refused(), Some(gst::FlowError::NotNegotiated));
        returns.note(Some(2), Ok(gst::FlowSuccess::Ok));
        assert_eq!(returns.refused(), None);
        returns.note(Some(3), Err(gst::FlowError::Error));
        returns.forget();
        assert_eq!(returns.refused(), None);
    }
}
