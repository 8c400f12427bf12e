// SPDX-License-Identifier: MPL-2.0
//! What comes out of a source pad, in a form that can be compared between two runs.

use std::fmt;

use gst::prelude::*;
use gst_video::prelude::*;
use md5::{Digest, Md5};

/// One thing that came out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Buffer {
        bytes: String,
        size: usize,
        times: [Option<gst::ClockTime>; 3],
        offsets: [u64; 2],
        flags: gst::BufferFlags,
        metas: Vec<String>,
        /// It came in a list.
        listed: bool,
    },
    Event(String),
    /// A query that the test put, and its answer.
    Query(String),
}

impl Record {
    /// A buffer in these caps.
    pub(crate) fn buffer(buffer: &gst::BufferRef, caps: Option<&gst::Caps>, listed: bool) -> Self {
        let map = buffer.map_readable().unwrap();
        let raw = caps
            .filter(|caps| caps.structure(0).is_some_and(|s| s.name() == "video/x-raw"))
            .and_then(|caps| gst_video::VideoInfo::from_caps(caps).ok());
        let bytes = match &raw {
            Some(info) => digest_of_pixels(buffer, info),
            None => Md5::digest(map.as_slice()).to_vec(),
        };
        let mut metas: Vec<_> = buffer
            .iter_meta::<gst::Meta>()
            .map(|meta| meta.api().name().to_owned())
            // Where the memory comes from is no property of the stream, either.
            .filter(|name| name != "GstParentBufferMetaAPI")
            .collect();
        metas.sort();
        Self::Buffer {
            bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            size: map.size(),
            times: [buffer.pts(), buffer.dts(), buffer.duration()],
            offsets: [buffer.offset(), buffer.offset_end()],
            // Whether memory is somebody else's is no property of the stream.
            flags: buffer.flags() - gst::BufferFlags::TAG_MEMORY,
            metas,
            listed,
        }
    }

    /// The bytes of a buffer.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Buffer { size, .. } => Some(*size),
            Self::Event(_) | Self::Query(_) => None,
        }
    }

    /// An event without what differs from run to run: numbers that GStreamer counts in
    /// the process.
    pub(crate) fn event(event: &gst::Event) -> Self {
        let name = event.type_().name().to_string();
        let text = match event.view() {
            gst::EventView::StreamStart(start) => format!("{:?}", start.stream_flags()),
            gst::EventView::Caps(caps) => caps.caps().to_string(),
            gst::EventView::Segment(segment) => format!("{:?}", segment.segment()),
            gst::EventView::Tag(tag) => {
                format!("{:?} {}", tag.tag().scope(), without_version(tag.tag()))
            }
            _ => event
                .structure()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        Self::Event(format!("{name}: {text}"))
    }
}

impl Record {
    /// The record of this event, with the stream's ids: for events that the test has made.
    pub(crate) fn with_ids(self, event: &gst::EventRef) -> Self {
        match (self, event.view()) {
            (Self::Event(text), gst::EventView::StreamStart(start)) => {
                let (stream, group) = (start.stream_id(), start.group_id());
                Self::Event(format!("{text} {stream} {group:?}"))
            }
            (record, _) => record,
        }
    }
}

/// What is seen of a picture: the bytes between its rows may be anything.
fn digest_of_pixels(buffer: &gst::BufferRef, info: &gst_video::VideoInfo) -> Vec<u8> {
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    let mut digest = Md5::new();
    for plane in 0..frame.n_planes() {
        let component = (0..frame.n_components())
            .find(|&component| frame.format_info().plane()[component as usize] == plane)
            .unwrap();
        let row = frame.comp_width(component) as usize
            * frame.format_info().pixel_stride()[component as usize] as usize;
        let stride = frame.plane_stride()[plane as usize] as usize;
        let data = frame.plane_data(plane).unwrap();
        for line in data
            .chunks(stride)
            .take(frame.comp_height(component) as usize)
        {
            digest.update(&line[..row.min(line.len())]);
        }
    }
    digest.finalize().to_vec()
}

/// Speex writes a number here that it has not set.
fn without_version(tags: &gst::TagListRef) -> gst::TagList {
    let mut tags = tags.to_owned();
    tags.make_mut().remove::<gst::tags::EncoderVersion>();
    tags
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffer {
                bytes,
                size,
                times: [pts, dts, duration],
                offsets,
                flags,
                metas,
                listed,
            } => write!(
                f,
                "buffer {} of {size} bytes, pts {}, dts {}, duration {}, offsets {offsets:?}, \
                 {flags:?} {metas:?}{}",
                &bytes[..8],
                pts.display(),
                dts.display(),
                duration.display(),
                if *listed { " in a list" } else { "" }
            ),
            Self::Event(text) | Self::Query(text) => f.write_str(text),
        }
    }
}

/// Compares two runs; shows where they part.
pub(crate) fn assert_same(what: &str, bare: &[Record], hosted: &[Record]) {
    let part = bare.iter().zip(hosted).position(|(a, b)| a != b);
    let part = part.unwrap_or(bare.len().min(hosted.len()));
    if part == bare.len() && part == hosted.len() {
        return;
    }
    let show = |run: &[Record]| {
        let from = part.saturating_sub(2);
        let lines = run.iter().enumerate().skip(from).take(6);
        let lines = lines.map(|(at, record)| format!("  {at}: {record:?}\n"));
        lines.collect::<String>()
    };
    panic!(
        "{what}: the runs part at {part} of {} (bare) and {} (hosted).\nbare:\n{}hosted:\n{}",
        bare.len(),
        hosted.len(),
        show(bare),
        show(hosted)
    );
}
