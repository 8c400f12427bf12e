// SPDX-License-Identifier: MPL-2.0
//! What a display has: configurations, surfaces, contexts, buffers and images.
#![allow(non_upper_case_globals, reason = "patterns with names of libva")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::picture::{Hash, Origin};
use crate::references::Parameters;
use crate::sys::*;

/// Bytes that the application may map while the driver draws.
pub(crate) type Memory = Arc<[AtomicU8]>;

pub(crate) fn memory(bytes: impl Iterator<Item = u8>) -> Memory {
    bytes.map(AtomicU8::new).collect()
}

fn copy(from: &[AtomicU8], to: &[AtomicU8]) {
    for (from, to) in from.iter().zip(to) {
        to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// What can be decoded.
pub(crate) const PROFILES: [VAProfile; 4] = [
    VAProfileH264ConstrainedBaseline,
    VAProfileH264Main,
    VAProfileH264High,
    VAProfileAV1Profile0,
];

/// The one layout of pixels.
pub(crate) const NV12: VAImageFormat = VAImageFormat {
    fourcc: VA_FOURCC_NV12,
    byte_order: VA_LSB_FIRST,
    bits_per_pixel: 12,
    depth: 0,
    red_mask: 0,
    green_mask: 0,
    blue_mask: 0,
    alpha_mask: 0,
    va_reserved: [0; 4],
};

pub(crate) type Answer<T> = Result<T, VAStatus>;

/// A status that libva's header declares as unsigned.
pub(crate) const fn status(code: u32) -> VAStatus {
    code as VAStatus
}

/// The rows of NV12 in memory: wider and higher than the picture, as a GPU's are.
#[derive(Debug, Clone, Copy)]
struct Layout {
    width: usize,
    height: usize,
}

impl Layout {
    fn pitch(self) -> usize {
        self.width.next_multiple_of(64)
    }

    fn luma_rows(self) -> usize {
        self.height.next_multiple_of(16)
    }

    fn size(self) -> usize {
        self.pitch() * self.luma_rows() / 2 * 3
    }

    fn image(self, image_id: VAImageID, buf: VABufferID) -> VAImage {
        let mut image = VAImage {
            image_id,
            format: NV12,
            buf,
            width: self.width as u16,
            height: self.height as u16,
            data_size: self.size() as u32,
            num_planes: 2,
            ..Default::default()
        };
        image.pitches[..2].fill(self.pitch() as u32);
        image.offsets[1] = (self.pitch() * self.luma_rows()) as u32;
        image
    }

    fn draw(self, origin: Origin, memory: &[AtomicU8]) {
        let chroma = self.pitch() * self.luma_rows();
        let planes = [(0, self.height), (chroma, self.height.div_ceil(2))];
        for (plane, (start, rows)) in planes.into_iter().enumerate() {
            for row in 0..rows {
                for column in 0..self.width.next_multiple_of(2) {
                    let place = start + row * self.pitch() + column;
                    memory[place].store(origin.sample(plane, row, column), Ordering::Relaxed);
                }
            }
        }
    }
}

struct Surface {
    layout: Layout,
    memory: Memory,
    origin: Origin,
}

struct Buffer {
    kind: VABufferType,
    memory: Memory,
}

impl Buffer {
    fn bytes(&self) -> Vec<u8> {
        let bytes = self.memory.iter();
        bytes.map(|byte| byte.load(Ordering::Relaxed)).collect()
    }
}

/// A picture that is being put together.
struct Picture {
    target: VASurfaceID,
    slices: Hash,
    parameters: Parameters,
}

struct Context {
    profile: VAProfile,
    picture: Option<Picture>,
}

/// See the module's description.
#[derive(Default)]
pub(crate) struct Objects {
    /// The number of the last object, whatever it is.
    last: u32,
    configs: HashMap<VAConfigID, VAProfile>,
    surfaces: HashMap<VASurfaceID, Surface>,
    contexts: HashMap<VAContextID, Context>,
    buffers: HashMap<VABufferID, Buffer>,
    images: HashMap<VAImageID, (VABufferID, Layout)>,
}

impl Objects {
    fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    pub(crate) fn create_config(&mut self, profile: VAProfile) -> Answer<VAConfigID> {
        if !PROFILES.contains(&profile) {
            return Err(status(VA_STATUS_ERROR_UNSUPPORTED_PROFILE));
        }
        let id = self.next();
        self.configs.insert(id, profile);
        Ok(id)
    }

    pub(crate) fn profile(&self, config: VAConfigID) -> Answer<VAProfile> {
        let known = self.configs.get(&config).copied();
        known.ok_or(status(VA_STATUS_ERROR_INVALID_CONFIG))
    }

    pub(crate) fn destroy_config(&mut self, config: VAConfigID) -> Answer<()> {
        let known = self.configs.remove(&config).map(drop);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_CONFIG))
    }

    pub(crate) fn create_surface(&mut self, width: u32, height: u32) -> VASurfaceID {
        let id = self.next();
        let (width, height) = (width as usize, height as usize);
        let layout = Layout { width, height };
        let surface = Surface {
            layout,
            memory: memory(std::iter::repeat_n(0, layout.size())),
            origin: Origin::default(),
        };
        self.surfaces.insert(id, surface);
        id
    }

    pub(crate) fn destroy_surface(&mut self, surface: VASurfaceID) -> Answer<()> {
        self.surface(surface)?;
        self.surfaces.remove(&surface);
        Ok(())
    }

    /// Whether there is this surface. Everything is drawn at once.
    pub(crate) fn sync(&self, surface: VASurfaceID) -> Answer<()> {
        self.surface(surface).map(drop)
    }

    fn surface(&self, surface: VASurfaceID) -> Answer<&Surface> {
        let known = self.surfaces.get(&surface);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_SURFACE))
    }

    pub(crate) fn create_context(&mut self, config: VAConfigID) -> Answer<VAContextID> {
        let profile = self.profile(config)?;
        let id = self.next();
        let picture = None;
        self.contexts.insert(id, Context { profile, picture });
        Ok(id)
    }

    pub(crate) fn destroy_context(&mut self, context: VAContextID) -> Answer<()> {
        let known = self.contexts.remove(&context).map(drop);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_CONTEXT))
    }

    fn context(&mut self, context: VAContextID) -> Answer<&mut Context> {
        let known = self.contexts.get_mut(&context);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_CONTEXT))
    }

    pub(crate) fn create_buffer(&mut self, kind: VABufferType, memory: Memory) -> VABufferID {
        let id = self.next();
        self.buffers.insert(id, Buffer { kind, memory });
        id
    }

    pub(crate) fn buffer(&self, buffer: VABufferID) -> Answer<&Memory> {
        let known = self.buffers.get(&buffer).map(|buffer| &buffer.memory);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_BUFFER))
    }

    pub(crate) fn destroy_buffer(&mut self, buffer: VABufferID) -> Answer<()> {
        let known = self.buffers.remove(&buffer).map(drop);
        known.ok_or(status(VA_STATUS_ERROR_INVALID_BUFFER))
    }

    // ---- pictures

    pub(crate) fn begin(&mut self, context: VAContextID, target: VASurfaceID) -> Answer<()> {
        self.surface(target)?;
        self.context(context)?.picture = Some(Picture {
            target,
            slices: Hash::default(),
            parameters: Parameters::default(),
        });
        Ok(())
    }

    pub(crate) fn render(&mut self, context: VAContextID, buffer: VABufferID) -> Answer<()> {
        let given = self.buffers.get(&buffer);
        let given = given.ok_or(status(VA_STATUS_ERROR_INVALID_BUFFER))?;
        let (kind, bytes) = (given.kind, given.bytes());
        let context = self.context(context)?;
        let invalid = status(VA_STATUS_ERROR_INVALID_PARAMETER);
        let picture = context.picture.as_mut().ok_or(invalid)?;
        match kind {
            VAPictureParameterBufferType => {
                let read = Parameters::read(context.profile, &bytes);
                picture.parameters = read.ok_or(invalid)?;
            }
            VASliceDataBufferType => picture.slices = picture.slices.with(&bytes),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn end(&mut self, context: VAContextID) -> Answer<()> {
        let picture = self.context(context)?.picture.take();
        let picture = picture.ok_or(status(VA_STATUS_ERROR_INVALID_CONTEXT))?;
        let slices = picture.slices.value();
        let mut lineage = Hash::default()
            .with(&slices.to_le_bytes())
            .with(&picture.parameters.order.to_le_bytes());
        for reference in &picture.parameters.references {
            let origin = self.surface(*reference)?.origin;
            lineage = lineage.with(&origin.lineage.to_le_bytes());
        }
        let lineage = lineage.value();
        let target = self.surfaces.get_mut(&picture.target);
        let target = target.ok_or(status(VA_STATUS_ERROR_INVALID_SURFACE))?;
        target.origin = Origin { slices, lineage };
        target.layout.draw(target.origin, &target.memory);
        Ok(())
    }

    // ---- images

    fn add_image(&mut self, layout: Layout, memory: Memory) -> VAImage {
        let buffer = self.create_buffer(VAImageBufferType, memory);
        let id = self.next();
        self.images.insert(id, (buffer, layout));
        layout.image(id, buffer)
    }

    /// The surface's own memory.
    pub(crate) fn derive_image(&mut self, surface: VASurfaceID) -> Answer<VAImage> {
        let surface = self.surface(surface)?;
        let (layout, memory) = (surface.layout, surface.memory.clone());
        Ok(self.add_image(layout, memory))
    }

    pub(crate) fn create_image(&mut self, width: u32, height: u32) -> VAImage {
        let (width, height) = (width as usize, height as usize);
        let layout = Layout { width, height };
        self.add_image(layout, memory(std::iter::repeat_n(0, layout.size())))
    }

    pub(crate) fn destroy_image(&mut self, image: VAImageID) -> Answer<()> {
        let known = self.images.remove(&image);
        let (buffer, _) = known.ok_or(status(VA_STATUS_ERROR_INVALID_IMAGE))?;
        self.destroy_buffer(buffer)
    }

    /// The memories of both, where they are equally large.
    fn both(&self, surface: VASurfaceID, image: VAImageID) -> Answer<(&Memory, &Memory)> {
        let surface = &self.surface(surface)?.memory;
        let known = self.images.get(&image);
        let (buffer, _) = known.ok_or(status(VA_STATUS_ERROR_INVALID_IMAGE))?;
        let image = self.buffer(*buffer)?;
        if surface.len() != image.len() {
            return Err(status(VA_STATUS_ERROR_INVALID_PARAMETER));
        }
        Ok((surface, image))
    }

    pub(crate) fn get_image(&self, surface: VASurfaceID, image: VAImageID) -> Answer<()> {
        let (surface, image) = self.both(surface, image)?;
        copy(surface, image);
        Ok(())
    }

    pub(crate) fn put_image(&self, surface: VASurfaceID, image: VAImageID) -> Answer<()> {
        let (surface, image) = self.both(surface, image)?;
        copy(image, surface);
        Ok(())
    }
}
