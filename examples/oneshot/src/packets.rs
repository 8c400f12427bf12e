// SPDX-License-Identifier: MPL-2.0
//! What comes out of a job, in pieces.
//!
//! The queue of `appsink` is all that lies between muxer and client. While it is full,
//! the muxer waits, and so does the codec behind it, which its supervisor does not take
//! for a wedge; a stop of the pipeline ends that wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use codecwatch_transcode::{Reader, Taken};
use gst::prelude::*;
use gst_app::{AppSink, AppSinkCallbacks};

/// The most that the queue holds, in buffers of the muxer: two for each frame.
const QUEUE: u32 = 32;
/// The same in bytes, where GStreamer knows that limit (1.24).
const QUEUE_BYTES: u64 = 4 * 1024 * 1024;

/// The end of the output that is read. When there will be no more, the job says so.
///
/// The stream that `AppSink` itself offers is of no use: it has ended before the pipeline
/// begins to play.
pub(crate) struct Packets {
    sink: AppSink,
    waker: Arc<Mutex<Option<Waker>>>,
    /// Bytes that came to the sink.
    came: Arc<AtomicU64>,
    /// What was taken from it.
    taken: Arc<Taken>,
}

impl Packets {
    /// Both ends of an output.
    pub(crate) fn new() -> (Self, Reader) {
        let waker = Arc::new(Mutex::new(None));
        let waits = waker.clone();
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |_| {
                wake(&waits);
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        let sink = AppSink::builder()
            .sync(false)
            .max_buffers(QUEUE)
            .callbacks(callbacks)
            .build();
        sink.set_property("enable-last-sample", false);
        if sink.find_property("max-bytes").is_some() {
            sink.set_property("max-bytes", QUEUE_BYTES);
        }
        let came = Arc::new(AtomicU64::new(0));
        if let Some(pad) = sink.static_pad("sink") {
            count(&pad, &came);
        }
        let taken = Arc::new(Taken::default());
        let reader = Reader {
            sink: sink.clone().upcast(),
            taken: taken.clone(),
        };
        let packets = Self {
            sink,
            waker,
            came,
            taken,
        };
        (packets, reader)
    }

    /// The next piece, which is not empty.
    pub(crate) fn poll_next(&mut self, context: &Context<'_>) -> Poll<Bytes> {
        // Before it is looked, so that nothing comes between.
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        while let Some(sample) = self.sink.try_pull_sample(gst::ClockTime::ZERO) {
            // Memory that cannot be mapped is missed in `is_all`.
            let mapped = sample
                .buffer_owned()
                .and_then(|buffer| buffer.into_mapped_buffer_readable().ok());
            if let Some(mapped) = mapped.filter(|mapped| !mapped.is_empty()) {
                let bytes = mapped.len() as u64;
                self.taken.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.taken.waits.store(false, Ordering::Relaxed);
                return Poll::Ready(Bytes::from_owner(mapped));
            }
        }
        self.taken.waits.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// Whether everything was taken that came to the sink.
    pub(crate) fn is_all(&self) -> bool {
        self.taken.bytes.load(Ordering::Relaxed) == self.came.load(Ordering::Relaxed)
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(waker) = waker {
        waker.wake();
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
