// SPDX-License-Identifier: MPL-2.0
//! What comes out of a job, in pieces.
//!
//! The queue of `appsink` is all that lies between muxer and client. While it is full,
//! the muxer waits, and so does the codec behind it, which its supervisor does not take
//! for a wedge; a stop of the pipeline ends that wait.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use codecwatch_transcode::Reader;
use futures_core::Stream;
use gst::prelude::*;

/// The most that the queue holds, in buffers of the muxer: two for each frame.
const QUEUE: u32 = 32;
/// The same in bytes, where GStreamer knows that limit (1.24).
const QUEUE_BYTES: u64 = 4 * 1024 * 1024;

/// The end of the output that is read.
pub(crate) struct Packets {
    stream: gst_app::app_sink::AppSinkStream,
    waits: Arc<AtomicBool>,
    /// Bytes that came to the sink.
    came: Arc<AtomicU64>,
    /// Bytes that were taken from it.
    taken: u64,
}

impl Packets {
    /// Both ends of an output.
    pub(crate) fn new() -> (Self, Reader) {
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .max_buffers(QUEUE)
            .build();
        sink.set_property("enable-last-sample", false);
        if sink.find_property("max-bytes").is_some() {
            sink.set_property("max-bytes", QUEUE_BYTES);
        }
        let came = Arc::new(AtomicU64::new(0));
        if let Some(pad) = sink.static_pad("sink") {
            count(&pad, &came);
        }
        let waits = Arc::new(AtomicBool::new(false));
        let packets = Self {
            stream: sink.stream(),
            waits: waits.clone(),
            came,
            taken: 0,
        };
        let sink = sink.upcast();
        (packets, Reader { sink, waits })
    }

    /// The next piece, which is not empty; `None` when there will be none.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let next = Pin::new(&mut self.stream).poll_next(context);
            self.waits.store(next.is_pending(), Ordering::Relaxed);
            let Poll::Ready(Some(sample)) = next else {
                return next.map(|_| None);
            };
            // Memory that cannot be mapped is missed in `is_all`.
            let mapped = sample
                .buffer_owned()
                .and_then(|buffer| buffer.into_mapped_buffer_readable().ok());
            if let Some(mapped) = mapped.filter(|mapped| !mapped.is_empty()) {
                self.taken += mapped.len() as u64;
                return Poll::Ready(Some(Bytes::from_owner(mapped)));
            }
        }
    }

    /// Whether everything was taken that came to the sink.
    pub(crate) fn is_all(&self) -> bool {
        self.taken == self.came.load(Ordering::Relaxed)
    }
}

fn count(pad: &gst::Pad, came: &Arc<AtomicU64>) {
    let came = came.clone();
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(kinds, move |_, info| {
        let bytes = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => buffer.size(),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.iter().map(|buffer| buffer.size()).sum()
            }
            _ => 0,
        };
        came.fetch_add(bytes as u64, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
}
