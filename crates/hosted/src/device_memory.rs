// SPDX-License-Identifier: MPL-2.0
//! Pictures that are in the memory of a device although their caps say system memory.
//!
//! Hardware decoders give such pictures to elements that do not know the device: the
//! memory asks the driver when it is mapped, unmapped and given back, on whichever thread
//! does so. If the driver hangs, that would be a thread of the pipeline. So the chain's
//! thread maps the picture, which waits for the device, and passes on the mapped bytes;
//! when nobody reads them any more, a thread of the chain gives the picture back. Nothing
//! is copied.

use std::sync::{OnceLock, mpsc};

use gst::glib::{GStr, gstr};

/// The memories whose mapping calls a driver.
const DEVICES: [&GStr; 4] = [
    gstr!("VAMemory"),
    gstr!("CUDAMemory"),
    gstr!("VulkanImage"),
    gstr!("VulkanBuffer"),
];

type Mapped = gst::MappedBuffer<gst::buffer::Readable>;

/// The way back of the pictures of a chain.
#[derive(Debug, Default)]
pub(crate) struct DevicePictures {
    /// To the thread that gives pictures back; `None` if there is none. It ends when
    /// the chain and its pictures are gone.
    returns: OnceLock<Option<mpsc::Sender<Mapped>>>,
}

/// The picture cannot be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

impl DevicePictures {
    /// The picture in a form that calls no driver: as it is, or mapped.
    pub(crate) fn readable(
        &self,
        caps: Option<&gst::CapsRef>,
        buffer: gst::Buffer,
    ) -> Result<gst::Buffer, Unreadable> {
        if !is_on_device(&buffer) || !is_said_to_be_in_system_memory(caps) {
            return Ok(buffer);
        }
        let Some(returns) = self.returns.get_or_init(start).clone() else {
            return Ok(buffer);
        };
        let mapped = buffer
            .into_mapped_buffer_readable()
            .map_err(|_| Unreadable)?;
        // With its times, flags and metas.
        let mut shown = mapped.buffer().copy();
        let mapped = Some(mapped);
        let bytes = gst::Memory::from_slice(Shown { mapped, returns });
        shown.make_mut().replace_all_memory(bytes);
        Ok(shown)
    }
}

/// Whether the buffer is in such a memory.
pub(crate) fn is_on_device(buffer: &gst::BufferRef) -> bool {
    let only = (buffer.n_memory() == 1).then(|| buffer.peek_memory(0));
    let allocator = only.and_then(|memory| memory.allocator());
    allocator.is_some_and(|allocator| DEVICES.contains(&allocator.memory_type()))
}

/// Whether these caps name system memory, as those without features do.
pub(crate) fn is_said_to_be_in_system_memory(caps: Option<&gst::CapsRef>) -> bool {
    let features = caps.and_then(|caps| caps.features(0));
    features.is_some_and(|features| features.contains(gst::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY))
}

/// Starts the thread that gives pictures back.
fn start() -> Option<mpsc::Sender<Mapped>> {
    let (returns, returned) = mpsc::channel::<Mapped>();
    let thread = std::thread::Builder::new().name("cw-pictures".into());
    let started = thread.spawn(move || returned.into_iter().for_each(drop));
    started.is_ok().then_some(returns)
}

/// The bytes of a picture, as long as anybody reads them.
struct Shown {
    mapped: Option<Mapped>,
    returns: mpsc::Sender<Mapped>,
}

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        self.mapped.as_ref().map_or(&[], |mapped| mapped.as_slice())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(mapped) = self.mapped.take() {
            // The thread lives as long as this end of the channel.
            let _ = self.returns.send(mapped);
        }
    }
}
