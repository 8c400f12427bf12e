// SPDX-License-Identifier: MPL-2.0
//! Pipelines that end in an `appsink`, and what pictures come out of them.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_video::{VideoFrameExt, VideoInfo};
use md5::{Digest, Md5};

/// The longest that a pipeline may take.
const BOUND: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// What downstream knows of the layout of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downstream {
    /// It takes any.
    TakesVideoMeta,
    /// It knows the plain one only.
    TakesPlain,
}

/// What came out of a pipeline.
#[derive(Debug)]
pub struct Played {
    /// Every buffer with its caps.
    pub samples: Vec<gst::Sample>,
    /// Warnings and errors that were posted, in their order.
    pub complaints: Vec<gst::Message>,
    /// Whether EOS came.
    pub complete: bool,
}

/// Plays `DESCRIPTION ! appsink` to its end, be it EOS or an error.
pub fn play(description: &str, downstream: Downstream) -> Played {
    play_pipeline(&pipeline(description), downstream)
}

/// `DESCRIPTION ! appsink`, in NULL.
pub fn pipeline(description: &str) -> gst::Pipeline {
    crate::init();
    gst::parse::launch(&format!("{description} ! appsink name=out sync=false"))
        .unwrap()
        .downcast()
        .unwrap()
}

/// Plays a pipeline made by [`pipeline`] to its end, be it EOS or an error.
pub fn play_pipeline(pipeline: &gst::Pipeline, downstream: Downstream) -> Played {
    let samples = collect(pipeline, downstream);
    let bus = pipeline.bus().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut complaints = Vec::new();
    let complete = loop {
        let message = bus
            .timed_pop_filtered(
                BOUND,
                &[
                    gst::MessageType::Eos,
                    gst::MessageType::Error,
                    gst::MessageType::Warning,
                ],
            )
            .expect("the pipeline hangs");
        match message.type_() {
            gst::MessageType::Eos => break true,
            _ => complaints.push(message),
        }
        if complaints
            .last()
            .is_some_and(|last| last.type_() == gst::MessageType::Error)
        {
            break false;
        }
    };
    pipeline.set_state(gst::State::Null).unwrap();
    let samples = std::mem::take(&mut *samples.lock().unwrap());
    Played {
        samples,
        complaints,
        complete,
    }
}

/// Has the sink called `out` put by what it gets.
pub fn collect(pipeline: &gst::Pipeline, downstream: Downstream) -> Arc<Mutex<Vec<gst::Sample>>> {
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    let samples = Arc::new(Mutex::new(Vec::new()));
    let collected = samples.clone();
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        collected.lock().unwrap().push(own(&sample));
        Ok(gst::FlowSuccess::Ok)
    });
    if downstream == Downstream::TakesVideoMeta {
        take_video_meta(&sink.static_pad("sink").unwrap());
    }
    sink.set_callbacks(callbacks.build());
    samples
}

/// A sample with what another has. After a flush, appsink 1.22 writes to its own
/// even where somebody else holds it, too: a critical message, and no caps.
fn own(sample: &gst::Sample) -> gst::Sample {
    gst::Sample::builder()
        .buffer_if_some(sample.buffer_owned().as_ref())
        .caps_if_some(sample.caps_owned().as_ref())
        .segment_if_some(sample.segment())
        .build()
}

/// Answers allocation queries as a sink does that takes any layout.
pub fn take_video_meta(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Query(query)) = &mut info.data
            && let gst::QueryViewMut::Allocation(query) = query.view_mut()
        {
            query.add_allocation_meta::<gst_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

impl Played {
    /// The presentation times in milliseconds.
    pub fn times(&self) -> Vec<u64> {
        let pts = |sample: &gst::Sample| sample.buffer().unwrap().pts().unwrap().mseconds();
        self.samples.iter().map(pts).collect()
    }

    /// The formats, each where it begins.
    pub fn formats(&self) -> Vec<VideoInfo> {
        let mut formats: Vec<_> = self.samples.iter().map(info).collect();
        formats.dedup();
        formats
    }
}

/// The format of a sample.
pub fn info(sample: &gst::Sample) -> VideoInfo {
    VideoInfo::from_caps(sample.caps().unwrap()).unwrap()
}

/// The MD5 of the samples of all pictures, as dav1d's md5 muxer computes it.
/// `planes`: how many of each picture count.
pub fn md5(samples: &[gst::Sample], planes: usize) -> String {
    let mut sum = Md5::new();
    for sample in samples {
        for plane in 0..planes {
            plane_rows(sample, plane, |row| sum.update(row));
        }
    }
    let hex = |byte: &u8| format!("{byte:02x}");
    sum.finalize().iter().map(hex).collect()
}

/// Shows each row of a plane, cropped to the picture.
pub fn plane_rows(sample: &gst::Sample, plane: usize, mut show: impl FnMut(&[u8])) {
    let info = info(sample);
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info)
        .unwrap();
    // In all formats that a decoder gives, component and plane have one number,
    // but for GBR, whose planes are alike.
    let component = u8::try_from(plane).unwrap();
    let row = info.comp_width(component) as usize * info.comp_depth(component).div_ceil(8) as usize;
    let stride = usize::try_from(frame.plane_stride()[plane]).unwrap();
    let data = frame.plane_data(u32::try_from(plane).unwrap()).unwrap();
    for line in data
        .chunks(stride)
        .take(info.comp_height(component) as usize)
    {
        show(&line[..row]);
    }
}
