// SPDX-License-Identifier: MPL-2.0
//! The tracer `codecwatch`, which puts elements under supervision in any program, and
//! serves the health of those that are:
//! `GST_TRACERS="codecwatch(wrap=avdec_h264;x264enc,listen=127.0.0.1:9848)"`. It traces
//! nothing: GStreamer creates tracers at the end of its initialisation, before the program
//! creates any element.

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

mod entries;
mod name;
mod parameters;
mod pieces;
mod serving;
mod wrapping;

pub(crate) use name::register_if_awaited;

/// What it is called.
const NAME: &str = "codecwatch";
/// The environment variable that names tracers.
const VARIABLE: &str = "GST_TRACERS";

mod imp {
    use super::*;

    /// See the module's description.
    #[derive(Debug, Default)]
    pub struct Tracer;

    #[glib::object_subclass]
    impl ObjectSubclass for Tracer {
        const NAME: &'static str = "GstCodecWatchTracer";
        type Type = super::Tracer;
        type ParentType = gst::Tracer;
    }

    impl ObjectImpl for Tracer {
        fn constructed(&self) {
            self.parent_constructed();
            let given = self.obj().property::<Option<String>>("params");
            pieces::begin(&given.unwrap_or_default());
        }
    }

    impl GstObjectImpl for Tracer {}

    impl TracerImpl for Tracer {}
}

glib::wrapper! {
    /// The tracer.
    pub struct Tracer(ObjectSubclass<imp::Tracer>)
        @extends gst::Tracer, gst::Object;
}

/// Says on stderr that something cannot be done as the variable says.
fn complain(text: &str) {
    glib::g_warning!("codecwatch", "{VARIABLE}={NAME}(...): {text}");
}
