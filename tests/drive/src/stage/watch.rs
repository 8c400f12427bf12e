// SPDX-License-Identifier: MPL-2.0
//! What is seen of a pipeline while the steps are done: on its bus and on the
//! pads of the element, each at the moment that it happens.

use std::sync::{Arc, Mutex, MutexGuard};

use gst::prelude::*;

use super::complaint::{complaint, is_own};
use crate::facts::{Format, Life, Restart, Stream};

/// What has been seen so far.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Arc<Mutex<Seen>>);

/// What has been seen, and what is being seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) life: Life,
    is_hosted: bool,
    /// FLUSH_START has reached the element, FLUSH_STOP has not.
    flushing: bool,
}

impl Seen {
    /// The stream at present.
    pub(crate) fn stream(&mut self) -> &mut Stream {
        self.life.streams.last_mut().unwrap()
    }
}

impl Watch {
    /// Watches a pipeline whose element under test is `codec`. `is_hosted`: it is `codecwatch`.
    pub(crate) fn of(pipeline: &gst::Pipeline, codec: &gst::Element, is_hosted: bool) -> Self {
        let seen = Seen {
            is_hosted,
            ..Seen::default()
        };
        let watch = Self(Arc::new(Mutex::new(seen)));
        watch.begin_stream();
        let this = watch.clone();
        let bus = pipeline.bus().unwrap();
        bus.set_sync_handler(move |_, message| {
            this.message(message);
            gst::BusSyncReply::Drop
        });
        let this = watch.clone();
        codec.static_pad("src").unwrap().add_probe(
            gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM,
            move |_, info| {
                this.output(info);
                gst::PadProbeReturn::Ok
            },
        );
        let input = codec.static_pad("sink").unwrap();
        // Not on the pad of the element, which has probes of its own.
        let this = watch.clone();
        input
            .peer()
            .unwrap()
            .add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                this.seen().stream().entered += 1;
                gst::PadProbeReturn::Ok
            });
        let this = watch.clone();
        input.add_probe(
            gst::PadProbeType::EVENT_BOTH | gst::PadProbeType::EVENT_FLUSH,
            move |_, info| {
                this.input(info);
                gst::PadProbeReturn::Ok
            },
        );
        watch
    }

    /// What has been seen, to look at or to add to.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// The pipeline is about to be started.
    pub(crate) fn begin_stream(&self) {
        self.seen().life.streams.push(Stream::default());
    }

    /// From now on downstream takes what comes.
    pub(crate) fn linked(&self) {
        let mut seen = self.seen();
        seen.life.linked = Some(now());
        seen.stream().excuse();
    }

    fn input(&self, info: &gst::PadProbeInfo<'_>) {
        let Some(event) = info.event() else { return };
        let mut seen = self.seen();
        match event.view() {
            gst::EventView::FlushStart(_) => seen.flushing = true,
            gst::EventView::FlushStop(_) if std::mem::take(&mut seen.flushing) => {
                seen.stream().forget();
            }
            gst::EventView::FlushStop(_) => seen.stream().excuse(),
            gst::EventView::Gap(_) => seen.stream().gaps += 1,
            _ if gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok() => {
                seen.life.key_requests += 1;
            }
            _ => {}
        }
    }

    fn output(&self, info: &gst::PadProbeInfo<'_>) {
        let mut seen = self.seen();
        if let Some(buffer) = info.buffer() {
            seen.buffer(buffer);
        }
        let Some(event) = info.event() else { return };
        match event.view() {
            gst::EventView::Eos(_) => {
                seen.life.eos_after_error |= seen.stream().failed;
                seen.stream().eos_out = true;
                // A process that is about to crash says nothing later.
                println!("eos");
            }
            gst::EventView::Gap(_) => seen.stream().gaps_out += 1,
            gst::EventView::Caps(caps) => {
                let size = caps.caps().structure(0).map(|structure| {
                    let side = |name| structure.get::<i32>(name).unwrap_or(0);
                    (side("width"), side("height"))
                });
                let formats = &mut seen.stream().formats;
                // Sent again after a flush, or to what was linked.
                if let Some(size) = size
                    && formats.last().map(|format| format.size) != Some(size)
                {
                    formats.push(Format { size, taken: 0 });
                }
            }
            _ => {}
        }
    }

    /// A message on the bus, in the thread that posts it.
    pub(super) fn message(&self, message: &gst::Message) {
        let mut seen = self.seen();
        match message.view() {
            gst::MessageView::Error(error) => {
                let complaint = complaint(message, &error.error(), error.details());
                eprintln!("error: {} {}", complaint.code, error.error());
                seen.stream().errors += 1;
                seen.stream().failed |= complaint.own;
                seen.life.errors.push(complaint);
            }
            gst::MessageView::Warning(warning) => {
                let complaint = complaint(message, &warning.error(), warning.details());
                eprintln!("warning: {} {}", complaint.code, warning.error());
                seen.life.warnings.push(complaint);
            }
            gst::MessageView::Eos(_) => seen.stream().eos = true,
            // Of a native element they are of the base class, for frames that were lost.
            gst::MessageView::Qos(_) if seen.is_hosted => {
                seen.stream().dropped += u64::from(is_own(message));
            }
            gst::MessageView::Element(element) => {
                let Some(structure) = element.structure() else {
                    return;
                };
                match structure.name().as_str() {
                    "codecwatch-slow" => seen.life.slow += 1,
                    "codecwatch-restarted" => seen.restarted(structure),
                    "codecwatch-skipped" => {
                        let buffers = structure.get::<u64>("buffers");
                        seen.stream().lost += buffers.unwrap_or(0);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Seen {
    fn buffer(&mut self, buffer: &gst::Buffer) {
        self.life.taken += 1;
        let stream = self.stream();
        stream.taken += 1;
        if let Some(format) = stream.formats.last_mut() {
            format.taken += 1;
        }
        self.life.taken_after_error += u64::from(self.stream().failed);
        let flags = buffer.flags();
        if flags.contains(gst::BufferFlags::DISCONT)
            && let Some(restart) = self.life.restarts.last_mut()
        {
            let key = !flags.contains(gst::BufferFlags::DELTA_UNIT);
            restart.begins_with_key.get_or_insert(key);
        }
    }

    fn restarted(&mut self, structure: &gst::StructureRef) {
        let lost = structure.get("frames-lost").ok();
        let stream = self.stream();
        stream.lost += lost.unwrap_or(0);
        let after_eos = stream.eos_out;
        self.life.restarts.push(Restart {
            at: now(),
            lost,
            after_eos,
            begins_with_key: None,
        });
    }
}

impl Stream {
    /// Nothing need come of what is inside.
    fn excuse(&mut self) {
        self.excused = self.missing().max(0).cast_unsigned();
    }

    /// Nothing of what is inside may come any more.
    fn forget(&mut self) {
        (self.entered, self.taken, self.excused) = (0, 0, 0);
        (self.lost, self.dropped) = (0, 0);
    }
}

/// Seconds of the monotonic clock, as the fault shim has them.
pub(crate) fn now() -> f64 {
    gst::SystemClock::obtain().time().nseconds() as f64 / 1e9
}
