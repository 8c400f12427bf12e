// SPDX-License-Identifier: MPL-2.0
//! The methods of `GstVideoDecoder` and its parents, for an element's implementation
//! struct. A macro, because they have to be implemented for that type itself.

/// Implements GObject, GstElement and GstVideoDecoder for a
/// [`SupervisedVideoDecoder`](crate::video_decoder::SupervisedVideoDecoder). Further
/// methods of GstVideoDecoder follow the type, if the element has any.
#[macro_export]
macro_rules! video_decoder {
    ($imp:ty $(, $method:item)* $(,)?) => {
        $crate::element_methods!($imp, $crate::video_decoder::constructed);

        impl $crate::Wired<<$imp as $crate::Supervised>::Output> for $imp {
            const BASE: $crate::BaseClass = $crate::BaseClass::VideoDecoder;

            fn deliver(
                &self,
                output: <$imp as $crate::Supervised>::Output,
            ) -> Option<Result<$crate::gst::FlowSuccess, $crate::gst::FlowError>> {
                $crate::video_decoder::deliver(self, output)
            }
        }

        impl $crate::gst_video::subclass::prelude::VideoDecoderImpl for $imp {
            fn stop(&self) -> Result<(), $crate::gst::ErrorMessage> {
                $crate::video_decoder::stop(self);
                Ok(())
            }

            fn set_format(
                &self,
                format: &$crate::video_decoder::InputState,
            ) -> Result<(), $crate::gst::LoggableError> {
                $crate::video_decoder::set_format(self, format);
                Ok(())
            }

            fn handle_frame(
                &self,
                frame: $crate::gst_video::VideoCodecFrame<'_>,
            ) -> Result<$crate::gst::FlowSuccess, $crate::gst::FlowError> {
                $crate::video_decoder::handle_frame(self, frame)
            }

            fn flush(&self) -> bool {
                // Done in `sink_event`, before the base class took its lock; in reverse
                // playback the session is drained between two groups of pictures.
                true
            }

            fn drain(&self) -> Result<$crate::gst::FlowSuccess, $crate::gst::FlowError> {
                $crate::video_decoder::drain(self)
            }

            fn finish(&self) -> Result<$crate::gst::FlowSuccess, $crate::gst::FlowError> {
                $crate::video_decoder::drain(self)
            }

            fn sink_event(&self, event: $crate::gst::Event) -> bool {
                $crate::video_decoder::sink_event(self, event)
            }

            fn src_event(&self, event: $crate::gst::Event) -> bool {
                $crate::video_decoder::src_event(self, event)
            }

            $($method)*
        }
    };
}
