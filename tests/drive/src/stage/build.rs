// SPDX-License-Identifier: MPL-2.0
//! The pipeline of a scenario.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use super::Stage;
use super::position::Position;
use super::watch::Watch;
use crate::material::{FRAME, Material};
use crate::scenario::{Scenario, Source, Step};

/// Loads the plugins of the elements in a launch line. `codecwatch` waits for them as long as
/// its timeouts allow, which a scenario sets to a second; how long a loaded machine needs to
/// read them is no part of any scenario.
fn load_plugins(launch: &str) {
    let words = launch.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    for factory in words.filter_map(gst::ElementFactory::find) {
        let _ = factory.load();
    }
}

impl<'a> Stage<'a> {
    pub(super) fn new(scenario: &'a Scenario, material: Arc<Material>) -> Self {
        let live = scenario.source == Source::Live;
        let position = Arc::new(Position::default());
        load_plugins(scenario.element.launch);
        let pipeline = gst::parse::launch(&description(scenario)).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let named = |name| pipeline.by_name(name).unwrap();
        let codec = named("codec");
        let source = named("in").downcast::<gst_app::AppSrc>().unwrap();
        source.set_caps(Some(&material.caps(false)));
        source.set_stream_type(gst_app::AppStreamType::Seekable);
        source.set_property("is-live", live);
        source.set_property("do-timestamp", live);
        let (next, keys) = (position.clone(), material.clone());
        let callbacks = gst_app::AppSrcCallbacks::builder().seek_data(move |_, to| {
            let number = to / FRAME.nseconds();
            next.begin(keys.key_at(number, false));
            true
        });
        source.set_callbacks(callbacks.build());
        end_flushes_that_did_not_begin(&codec);
        Self {
            scenario,
            material,
            watch: Watch::of(&pipeline, &codec, scenario.element.is_hosted),
            source,
            behind: named("behind"),
            sink: named("out"),
            codec,
            wanted: gst::State::Null,
            stopped: false,
            pipeline,
            position,
            due: None,
            other_caps: false,
            held: Vec::new(),
            ended: false,
            asked: Vec::new(),
        }
    }
}

/// A sink that waits with a buffer holds whoever brings it a FLUSH_STOP without a
/// FLUSH_START before it: a wait of GStreamer's own. So such an event goes no
/// further than the element.
fn end_flushes_that_did_not_begin(codec: &gst::Element) {
    let began = AtomicBool::new(false);
    codec
        .static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::EVENT_FLUSH, move |_, info| {
            match info.event().map(|event| event.type_()) {
                Some(gst::EventType::FlushStart) => began.store(true, Ordering::SeqCst),
                Some(gst::EventType::FlushStop) if !began.swap(false, Ordering::SeqCst) => {
                    return gst::PadProbeReturn::Drop;
                }
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
}

fn description(scenario: &Scenario) -> String {
    let properties: Vec<_> = scenario
        .properties
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "appsrc name=in format=time max-bytes=0 max-buffers=0 {} \
         ! {} name=codec {} \
         ! queue name=behind max-size-buffers={} max-size-bytes=0 max-size-time=0 {} \
         ! fakesink name=out sync={}",
        // A source gives up when nothing is linked; an application with other
        // branches does not.
        if scenario.steps.contains(&Step::Unlink) {
            "! tee allow-not-linked=true"
        } else {
            ""
        },
        scenario.element.launch,
        properties.join(" "),
        scenario.queue,
        if scenario.slow_sink {
            "! identity sleep-time=100000"
        } else {
            ""
        },
        scenario.source == Source::Live,
    )
}
