// SPDX-License-Identifier: MPL-2.0
//! What goes in: frames that are made on the way, or the temporal units of
//! streams that were encoded once. Each in two formats.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use gst::prelude::*;

use crate::elements::{Element, Input};
use crate::scenario::Scenario;

/// A frame of 30 in a second.
pub(crate) const FRAME: gst::ClockTime = gst::ClockTime::from_nseconds(33_333_333);

/// Names the folder with the streams, for the process of a scenario.
pub(crate) const STREAMS: &str = "CODECWATCH_DRIVE_STREAMS";

/// Size of the streams that are decoded.
const STREAM_SIZE: (u32, u32) = (128, 96);

/// What goes into an element; the second of each is what comes after a change of
/// format.
#[derive(Debug)]
pub(crate) enum Material {
    /// Frames of these sizes.
    Frames(Box<[gst_video::VideoInfo; 2]>),
    /// Streams.
    Streams([Stream; 2]),
}

/// A stream that was encoded.
#[derive(Debug)]
pub(crate) struct Stream {
    caps: gst::Caps,
    /// Each temporal unit with whether it is a key frame.
    units: Vec<(bool, gst::Buffer)>,
}

/// The sizes of the two formats.
fn sizes((width, height): (u32, u32)) -> [(u32, u32); 2] {
    [(width, height), (width + 32, height)]
}

impl Material {
    /// What a scenario needs.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        match scenario.element.input {
            Input::Raw => {
                let info = |(width, height)| {
                    gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
                        .fps(gst::Fraction::new(30, 1))
                        .build()
                        .unwrap()
                };
                Material::Frames(Box::new(sizes(scenario.size).map(info)))
            }
            Input::Encoded { caps, .. } => {
                let folder = PathBuf::from(std::env::var_os(STREAMS).unwrap());
                let caps = gst::Caps::from_str(caps).unwrap();
                let stream = |other| {
                    let path = file(&folder, scenario.element, other);
                    let size = sizes(STREAM_SIZE)[usize::from(other)];
                    read(&std::fs::read(path).unwrap(), &caps, other.then_some(size))
                };
                Material::Streams([stream(false), stream(true)])
            }
        }
    }

    /// The caps; `other`: after a change of format.
    pub(crate) fn caps(&self, other: bool) -> gst::Caps {
        match self {
            Material::Frames(infos) => infos[usize::from(other)].to_caps().unwrap(),
            Material::Streams(streams) => streams[usize::from(other)].caps.clone(),
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
            Material::Streams(streams) => streams[usize::from(other)].unit(number).1.copy(),
        }
    }

    /// The first input at or after `number` that can be begun with.
    pub(crate) fn key_at(&self, number: u64, other: bool) -> u64 {
        match self {
            Material::Frames(_) => number,
            Material::Streams(streams) => {
                let stream = &streams[usize::from(other)];
                (number..).find(|&number| stream.unit(number).0).unwrap()
            }
        }
    }
}

impl Stream {
    /// Over and over.
    fn unit(&self, number: u64) -> &(bool, gst::Buffer) {
        &self.units[(number % self.units.len() as u64) as usize]
    }
}

fn file(folder: &Path, element: Element, other: bool) -> PathBuf {
    folder.join(format!("{}-{}", element.name, u8::from(other)))
}

/// Encodes the streams of all elements that take one into files: of each unit a
/// byte for key frames and four for the size; first, in the same form, the
/// `codec_data` (empty where there is none).
pub(crate) fn write(folder: &Path) {
    support::init();
    for element in Element::all() {
        if let Input::Encoded { encoder, .. } = element.input {
            let [one, other] = sizes(STREAM_SIZE);
            encode(&file(folder, element, false), encoder, one);
            encode(&file(folder, element, true), encoder, other);
        }
    }
}

fn encode(path: &Path, encoder: &str, (width, height): (u32, u32)) {
    let mut file = Vec::new();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers=64 pattern=ball \
         ! video/x-raw,format=I420,width={width},height={height},framerate=30/1 \
         ! {encoder} ! appsink name=out sync=false"
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
            let header = header.get::<gst::Buffer>("codec_data");
            record(&mut file, true, &header.unwrap_or_default());
        }
        let unit = sample.buffer().unwrap();
        let key = !unit.flags().contains(gst::BufferFlags::DELTA_UNIT);
        record(&mut file, key, unit);
    }
    assert!(sink.is_eos(), "a stream was not encoded");
    pipeline.set_state(gst::State::Null).unwrap();
    std::fs::write(path, file).unwrap();
}

fn record(file: &mut Vec<u8>, key: bool, buffer: &gst::BufferRef) {
    let bytes = buffer.map_readable().unwrap();
    file.push(u8::from(key));
    file.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    file.extend(bytes.iter());
}

/// `other`: the size after a change of format, by which caps without a header differ.
fn read(file: &[u8], caps: &gst::Caps, other: Option<(u32, u32)>) -> Stream {
    let mut units = Vec::new();
    let mut rest = file;
    while let Some((head, after)) = rest.split_at_checked(5) {
        let size = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let (unit, next) = after.split_at(size as usize);
        units.push((head[0] == 1, gst::Buffer::from_slice(unit.to_vec())));
        rest = next;
    }
    let (_, header) = units.remove(0);
    let mut caps = caps.clone();
    match other {
        Some(_) if header.size() > 0 => caps.make_mut().set("codec_data", header),
        Some((width, height)) => {
            caps.make_mut().set("width", width.cast_signed());
            caps.make_mut().set("height", height.cast_signed());
        }
        None => {}
    }
    Stream { caps, units }
}
