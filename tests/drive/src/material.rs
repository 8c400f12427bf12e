// SPDX-License-Identifier: MPL-2.0
//! What goes in: frames that are made on the way, or the temporal units of a
//! stream that was encoded once.

use std::path::Path;

use gst::prelude::*;

use crate::scenario::{Element, Scenario};

/// A frame of 30 in a second.
pub(crate) const FRAME: gst::ClockTime = gst::ClockTime::from_nseconds(33_333_333);

/// A frame in so many is a key frame in the stream that is decoded.
const KEY_EVERY: u32 = 8;

/// Names the file with the stream, for the process of a scenario.
pub(crate) const STREAM: &str = "CODECWATCH_DRIVE_STREAM";

/// What goes into an element.
#[derive(Debug)]
pub(crate) enum Material {
    /// Frames of this size, or of the other one.
    Frames(Box<[gst_video::VideoInfo; 2]>),
    /// Temporal units, and what is at the beginning of a file of them.
    Units {
        /// Each with whether it is a key frame.
        units: Vec<(bool, gst::Buffer)>,
        /// `codec_data`.
        header: gst::Buffer,
    },
}

impl Material {
    /// What a scenario needs.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        match scenario.element {
            Element::Encoder => {
                let (width, height) = scenario.size;
                let info = |width, height| {
                    gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
                        .fps(gst::Fraction::new(30, 1))
                        .build()
                        .unwrap()
                };
                Material::Frames(Box::new([info(width, height), info(width + 32, height)]))
            }
            Element::Decoder => {
                let path = std::env::var_os(STREAM).unwrap();
                read(&std::fs::read(path).unwrap())
            }
        }
    }

    /// The caps; `other`: after a change of format.
    pub(crate) fn caps(&self, other: bool) -> gst::Caps {
        match self {
            Material::Frames(infos) => infos[usize::from(other)].to_caps().unwrap(),
            Material::Units { header, .. } => {
                let mut caps = gst::Caps::builder("video/x-av1")
                    .field("stream-format", "obu-stream")
                    .field("alignment", "tu")
                    .field("framerate", gst::Fraction::new(30, 1));
                if other {
                    caps = caps.field("codec_data", header.copy());
                }
                caps.build()
            }
        }
    }

    /// Input number `number`, without a time.
    pub(crate) fn buffer(&self, number: u64, other: bool) -> gst::Buffer {
        match self {
            Material::Frames(infos) => {
                let mut bytes = vec![0; infos[usize::from(other)].size()];
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = ((at as u64 / 3 + 5 * number) % 200 + 20) as u8;
                }
                gst::Buffer::from_mut_slice(bytes)
            }
            Material::Units { units, .. } => units[(number % units.len() as u64) as usize].1.copy(),
        }
    }

    /// The first input at or after `number` that can be begun with.
    pub(crate) fn key_at(&self, number: u64) -> u64 {
        match self {
            Material::Frames(_) => number,
            Material::Units { units, .. } => (number..)
                .find(|number| units[(number % units.len() as u64) as usize].0)
                .unwrap(),
        }
    }
}

/// Encodes the stream for the decoder's scenarios into a file: of each unit a
/// byte for key frames and four for the size; first, in the same form, the
/// `codec_data`.
pub(crate) fn write(path: &Path) {
    support::init();
    let mut file = Vec::new();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers=64 pattern=ball \
         ! video/x-raw,format=I420,width=128,height=96,framerate=30/1 \
         ! svtav1watchenc preset=12 low-latency=true intra-period-length={} \
         ! appsink name=out sync=false",
        KEY_EVERY - 1
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    while let Ok(sample) = sink.pull_sample() {
        let caps = sample.caps().unwrap();
        if file.is_empty() {
            let header = caps.structure(0).unwrap();
            let header = header.get::<gst::Buffer>("codec_data").unwrap();
            record(&mut file, true, &header);
        }
        let unit = sample.buffer().unwrap();
        let key = !unit.flags().contains(gst::BufferFlags::DELTA_UNIT);
        record(&mut file, key, unit);
    }
    assert!(sink.is_eos(), "the stream for the decoder was not encoded");
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::write(path, file).unwrap();
}

fn record(file: &mut Vec<u8>, key: bool, buffer: &gst::BufferRef) {
    let bytes = buffer.map_readable().unwrap();
    file.push(u8::from(key));
    file.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    file.extend(bytes.iter());
}

fn read(file: &[u8]) -> Material {
    let mut units = Vec::new();
    let mut rest = file;
    while let Some((head, after)) = rest.split_at_checked(5) {
        let size = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let (unit, next) = after.split_at(size as usize);
        units.push((head[0] == 1, gst::Buffer::from_slice(unit.to_vec())));
        rest = next;
    }
    let (_, header) = units.remove(0);
    Material::Units { units, header }
}
