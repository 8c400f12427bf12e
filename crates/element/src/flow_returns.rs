// SPDX-License-Identifier: MPL-2.0
//! The flow returns of downstream, and the frames for which they hold.

/// The flow return of downstream for a buffer.
pub(crate) type Flow = Result<gst::FlowSuccess, gst::FlowError>;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct FlowReturns {
    /// The last one.
    flow: Flow,
    /// Why downstream did not take the last output, other than EOS, NotLinked or
    /// Flushing.
    refused: Option<gst::FlowError>,
    /// The newest frame submitted to a session.
    newest: Option<u32>,
    /// Flow returns for frames up to this one do not hold for those to come: a new
    /// segment or stream has begun since.
    void: Option<u32>,
}

impl Default for FlowReturns {
    fn default() -> Self {
        Self {
            flow: Ok(gst::FlowSuccess::Ok),
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
        use gst::FlowError::{Eos, Flushing, NotLinked};
        self.refused = match flow {
            Ok(_) | Err(Eos | NotLinked | Flushing) => None,
            Err(error) => Some(error),
        };
        let is_void = id.is_some_and(|id| self.void.is_some_and(|void| id <= void));
        if !is_void {
            self.flow = flow;
        }
    }

    /// Flow returns for the frames so far no longer hold for those to come.
    pub(crate) fn void(&mut self) {
        self.void = self.newest;
        self.flow = Ok(gst::FlowSuccess::Ok);
    }

    /// Clears the refusal: the frames so far were dropped.
    pub(crate) fn forget_refusal(&mut self) {
        self.refused = None;
    }

    /// The last flow return.
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    /// Why downstream did not take the last output, even if its flow return is void.
    pub(crate) fn refused(&self) -> Option<gst::FlowError> {
        self.refused
    }
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
    fn a_refusal_is_known_until_output_is_taken_or_dropped() {
        let mut returns = FlowReturns::default();
        returns.note_submitted(1);
        returns.void();
        returns.note(Some(1), Err(gst::FlowError::NotNegotiated));
        assert_eq!(returns.flow(), Ok(gst::FlowSuccess::Ok));
        assert_eq!(returns.refused(), Some(gst::FlowError::NotNegotiated));
        returns.void();
        assert_eq!(returns.refused(), Some(gst::FlowError::NotNegotiated));
        returns.note(Some(2), Ok(gst::FlowSuccess::Ok));
        assert_eq!(returns.refused(), None);
        returns.note(Some(3), Err(gst::FlowError::Error));
        returns.forget_refusal();
        assert_eq!(returns.refused(), None);
    }
}
