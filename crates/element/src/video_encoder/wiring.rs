// SPDX-License-Identifier: MPL-2.0
//! The methods of `GstVideoEncoder` and its parents, for an element's implementation
//! struct. A macro, because they have to be implemented for that type itself.

/// Implements GObject, GstElement and GstVideoEncoder for a
/// [`SupervisedVideoEncoder`](crate::video_encoder::SupervisedVideoEncoder).
#[macro_export]
macro_rules! video_encoder {
    ($imp:ty) => {
        $crate::element_methods!($imp, $crate::video_encoder::constructed);

        impl $crate::Wired<<$imp as $crate::Supervised>::Output> for $imp {
            const BASE: $crate::BaseClass = $crate::BaseClass::VideoEncoder;

            fn deliver(
                &self,
                output: <$imp as $crate::Supervised>::Output,
            ) -> Option<Result<$crate::gst::FlowSuccess, $crate::gst::FlowError>> {
                $crate::video_encoder::SupervisedVideoEncoder::finish_output(self, output)
            }
        }

        impl $crate::gst_video::subclass::prelude::VideoEncoderImpl for $imp {
            fn stop(&self) -> Result<(), $crate::gst::ErrorMessage> {
                $crate::video_encoder::stop(self);
                Ok(())
            }

            fn set_format(
                &self,
                format: &$crate::video_encoder::InputState,
            ) -> Result<(), $crate::gst::LoggableError> {
                $crate::video_encoder::set_format(self, format)
            }

            fn handle_frame(
                &self,
                frame: $crate::gst_video::VideoCodecFrame<'_>,
            ) -> Result<$crate::gst::FlowSuccess, $crate::gst::FlowError> {
                $crate::video_encoder::handle_frame(self, frame)
            }

            fn finish(&self) -> Result<$crate::gst::FlowSuccess, $crate::gst::FlowError> {
                // Drained in `sink_event`, before the base class took its lock.
                Ok($crate::gst::FlowSuccess::Ok)
            }

            fn sink_event(&self, event: $crate::gst::Event) -> bool {
                $crate::video_encoder::sink_event(self, event)
            }

            fn src_event(&self, event: $crate::gst::Event) -> bool {
                $crate::video_encoder::src_event(self, event)
            }

            fn propose_allocation(
                &self,
                query: &mut $crate::gst::query::Allocation,
            ) -> Result<(), $crate::gst::LoggableError> {
                $crate::video_encoder::propose_allocation(self, query)
            }
        }
    };
}
