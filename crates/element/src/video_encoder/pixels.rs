// SPDX-License-Identifier: MPL-2.0
//! Returns pixels to upstream as soon as the codec has copied them.
//!
//! The base class keeps the input buffer of a frame until its packet is out: in random
//! access some seventy pictures. So it receives a shell instead, a buffer with times,
//! flags and metas but without memory; the buffer itself is stored here until
//! `handle_frame` takes it, in the same call on the same thread.
//!
//! The probe that creates the shell is moved behind all others for each buffer, so that
//! an application's probes on this pad see whole pictures.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::meta::tags::MemoryReference;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{SupervisedVideoEncoder, timestamps};

/// The buffer that belongs to the shell in the base class.
#[derive(Debug, Default)]
pub(super) struct Pixels(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The last probe on the sink pad.
    probe: Option<gst::PadProbeId>,
    buffer: Option<gst::Buffer>,
}

impl Pixels {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the buffer, to be mapped.
    pub(super) fn take(&self) -> Option<gst::Buffer> {
        self.lock().buffer.take()
    }

    /// Releases a buffer for which the base class created no frame. Must be called with
    /// whatever follows it.
    pub(super) fn release(&self) {
        drop(self.take());
    }

    /// Stores the buffer, and leaves a shell in its place.
    fn keep(&self, buffer: &mut gst::Buffer) {
        // Without a shell the base class keeps the pixels, which does no harm.
        let shell = shell(buffer).unwrap_or_else(|| buffer.clone());
        let pixels = std::mem::replace(buffer, shell);
        let before = self.lock().buffer.replace(pixels);
        drop(before);
    }
}

/// The buffer without its memory, and without metas that would keep the memory alive.
fn shell(buffer: &gst::BufferRef) -> Option<gst::Buffer> {
    use gst::BufferCopyFlags as Copy;
    use gst::buffer::BufferMetaForeachAction as Action;
    let parts = Copy::FLAGS | Copy::TIMESTAMPS | Copy::META;
    let mut shell = buffer.copy_region(parts, ..).ok()?;
    shell.get_mut()?.foreach_meta_mut(|meta| {
        ControlFlow::Continue(if meta.has_tag::<MemoryReference>() {
            Action::Remove
        } else {
            Action::Keep
        })
    });
    Some(shell)
}

/// Installs the probes on the sink pad. Must be called once, when the element is
/// constructed.
pub(super) fn install_probes<T: SupervisedVideoEncoder>(imp: &T) {
    let weak = imp.obj().downgrade();
    let probe = move |pad: &gst::Pad, _: &mut gst::PadProbeInfo| {
        if let Some(element) = weak.upgrade() {
            put_last(T::from_obj(&element), pad);
        }
        gst::PadProbeReturn::Ok
    };
    let element = imp.obj();
    if let Some(pad) = element.upcast_ref::<gst::Element>().static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, probe);
    }
}

/// Moves the last probe to the end again.
fn put_last<T: SupervisedVideoEncoder>(imp: &T, pad: &gst::Pad) {
    let pixels = &imp.stream().pixels;
    let before = pixels.lock().probe.take();
    if let Some(probe) = before {
        pad.remove_probe(probe);
    }
    let weak = imp.obj().downgrade();
    let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(element), Some(buffer)) = (weak.upgrade(), info.buffer_mut()) {
            let imp = T::from_obj(&element);
            imp.stream().pixels.keep(buffer);
            timestamps::settle(imp, buffer.make_mut());
        }
        gst::PadProbeReturn::Ok
    });
    pixels.lock().probe = probe;
}
