// SPDX-License-Identifier: MPL-2.0
//! The functions that libva calls.
#![allow(non_upper_case_globals, reason = "patterns with names of libva")]

use std::collections::HashMap;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::objects::{Answer, NV12, Objects, PROFILES, memory, status};
use crate::pointers::{list, list_mut, put, put_list};
use crate::script::rehearse;
use crate::sys::*;

include!(concat!(env!("OUT_DIR"), "/entry.rs"));

const OK: VAStatus = VA_STATUS_SUCCESS as VAStatus;
const ENTRYPOINTS: [VAEntrypoint; 1] = [VAEntrypointVLD];
const LARGEST: u32 = 4096;

/// The displays that are open, by the address of libva's context.
static DISPLAYS: LazyLock<Mutex<HashMap<usize, Arc<Mutex<Objects>>>>> =
    LazyLock::new(Mutex::default);

fn displays() -> std::sync::MutexGuard<'static, HashMap<usize, Arc<Mutex<Objects>>>> {
    DISPLAYS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rehearses the call; if it goes on, makes it.
fn call(
    context: VADriverContextP,
    name: &'static str,
    work: impl FnOnce(&mut Objects) -> Answer<()>,
) -> VAStatus {
    let done = rehearse(name).and_then(|()| {
        let objects = displays().get(&context.addr()).cloned();
        let objects = objects.ok_or(status(VA_STATUS_ERROR_INVALID_DISPLAY))?;
        work(&mut objects.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.err().unwrap_or(OK)
}

/// Tells libva what there is.
///
/// # Safety
/// `context` is libva's, and nothing else uses it during this call.
unsafe fn initialize(context: VADriverContextP) -> VAStatus {
    if let Err(status) = rehearse("vaInitialize") {
        return status;
    }
    displays().insert(context.addr(), Arc::default());
    // SAFETY: as promised.
    let context = unsafe { &mut *context };
    context.version_major = VA_MAJOR_VERSION as c_int;
    context.version_minor = VA_MINOR_VERSION as c_int;
    context.max_profiles = PROFILES.len() as c_int;
    context.max_entrypoints = ENTRYPOINTS.len() as c_int;
    context.max_attributes = 8;
    context.max_image_formats = 1;
    context.max_subpic_formats = 1;
    context.max_display_attributes = 1;
    context.str_vendor = c"gst-codecwatch test driver".as_ptr();
    // SAFETY: libva has made the table, for this context alone.
    fill(unsafe { &mut *context.vtable });
    OK
}

fn fill(table: &mut VADriverVTable) {
    table.vaTerminate = Some(terminate);
    table.vaQueryConfigProfiles = Some(query_config_profiles);
    table.vaQueryConfigEntrypoints = Some(query_config_entrypoints);
    table.vaGetConfigAttributes = Some(get_config_attributes);
    table.vaCreateConfig = Some(create_config);
    table.vaDestroyConfig = Some(destroy_config);
    table.vaQueryConfigAttributes = Some(query_config_attributes);
    table.vaCreateSurfaces = Some(create_surfaces);
    table.vaCreateSurfaces2 = Some(create_surfaces_2);
    table.vaDestroySurfaces = Some(destroy_surfaces);
    table.vaQuerySurfaceAttributes = Some(query_surface_attributes);
    table.vaCreateContext = Some(create_context);
    table.vaDestroyContext = Some(destroy_context);
    table.vaCreateBuffer = Some(create_buffer);
    table.vaMapBuffer = Some(map_buffer);
    table.vaUnmapBuffer = Some(unmap_buffer);
    table.vaDestroyBuffer = Some(destroy_buffer);
    table.vaBeginPicture = Some(begin_picture);
    table.vaRenderPicture = Some(render_picture);
    table.vaEndPicture = Some(end_picture);
    table.vaSyncSurface = Some(sync_surface);
    table.vaQuerySurfaceStatus = Some(query_surface_status);
    table.vaQueryImageFormats = Some(query_image_formats);
    table.vaCreateImage = Some(create_image);
    table.vaDeriveImage = Some(derive_image);
    table.vaDestroyImage = Some(destroy_image);
    table.vaGetImage = Some(get_image);
    table.vaPutImage = Some(put_image);
    table.vaQuerySubpictureFormats = Some(query_subpicture_formats);
    table.vaQueryDisplayAttributes = Some(query_display_attributes);
    // libva refuses a driver without these.
    table.vaBufferSetNumElements = Some(buffer_set_num_elements);
    table.vaPutSurface = Some(put_surface);
    table.vaSetImagePalette = Some(set_image_palette);
    table.vaCreateSubpicture = Some(create_subpicture);
    table.vaDestroySubpicture = Some(destroy_subpicture);
    table.vaSetSubpictureImage = Some(set_subpicture_image);
    table.vaSetSubpictureChromakey = Some(set_subpicture_chromakey);
    table.vaSetSubpictureGlobalAlpha = Some(set_subpicture_global_alpha);
    table.vaAssociateSubpicture = Some(associate_subpicture);
    table.vaDeassociateSubpicture = Some(deassociate_subpicture);
    table.vaGetDisplayAttributes = Some(get_display_attributes);
    table.vaSetDisplayAttributes = Some(set_display_attributes);
}

unsafe extern "C" fn terminate(context: VADriverContextP) -> VAStatus {
    let done = call(context, "vaTerminate", |_| Ok(()));
    displays().remove(&context.addr());
    done
}

// ---- configurations

unsafe extern "C" fn query_config_profiles(
    context: VADriverContextP,
    profiles: *mut VAProfile,
    count: *mut c_int,
) -> VAStatus {
    call(context, "vaQueryConfigProfiles", |_| {
        // SAFETY: there is room for `max_profiles`.
        unsafe { put_list(profiles, count, &PROFILES) };
        Ok(())
    })
}

unsafe extern "C" fn query_config_entrypoints(
    context: VADriverContextP,
    profile: VAProfile,
    entrypoints: *mut VAEntrypoint,
    count: *mut c_int,
) -> VAStatus {
    call(context, "vaQueryConfigEntrypoints", |_| {
        if !PROFILES.contains(&profile) {
            return Err(status(VA_STATUS_ERROR_UNSUPPORTED_PROFILE));
        }
        // SAFETY: there is room for `max_entrypoints`.
        unsafe { put_list(entrypoints, count, &ENTRYPOINTS) };
        Ok(())
    })
}

unsafe extern "C" fn get_config_attributes(
    context: VADriverContextP,
    profile: VAProfile,
    entrypoint: VAEntrypoint,
    attributes: *mut VAConfigAttrib,
    count: c_int,
) -> VAStatus {
    call(context, "vaGetConfigAttributes", |_| {
        if !PROFILES.contains(&profile) || !ENTRYPOINTS.contains(&entrypoint) {
            return Err(status(VA_STATUS_ERROR_UNSUPPORTED_PROFILE));
        }
        // SAFETY: the caller's list, of this length.
        for attribute in unsafe { list_mut(attributes, count.into()) } {
            attribute.value = match attribute.type_ {
                VAConfigAttribRTFormat => VA_RT_FORMAT_YUV420,
                VAConfigAttribMaxPictureWidth | VAConfigAttribMaxPictureHeight => LARGEST,
                _ => VA_ATTRIB_NOT_SUPPORTED,
            };
        }
        Ok(())
    })
}

unsafe extern "C" fn create_config(
    context: VADriverContextP,
    profile: VAProfile,
    entrypoint: VAEntrypoint,
    _attributes: *mut VAConfigAttrib,
    _count: c_int,
    config: *mut VAConfigID,
) -> VAStatus {
    call(context, "vaCreateConfig", |objects| {
        if !ENTRYPOINTS.contains(&entrypoint) {
            return Err(status(VA_STATUS_ERROR_UNSUPPORTED_ENTRYPOINT));
        }
        let id = objects.create_config(profile)?;
        // SAFETY: where the caller wants the result.
        unsafe { put(config, id) };
        Ok(())
    })
}

unsafe extern "C" fn destroy_config(context: VADriverContextP, config: VAConfigID) -> VAStatus {
    call(context, "vaDestroyConfig", |objects| {
        objects.destroy_config(config)
    })
}

unsafe extern "C" fn query_config_attributes(
    context: VADriverContextP,
    config: VAConfigID,
    profile: *mut VAProfile,
    entrypoint: *mut VAEntrypoint,
    attributes: *mut VAConfigAttrib,
    count: *mut c_int,
) -> VAStatus {
    call(context, "vaQueryConfigAttributes", |objects| {
        let known = objects.profile(config)?;
        let format = VAConfigAttrib {
            type_: VAConfigAttribRTFormat,
            value: VA_RT_FORMAT_YUV420,
        };
        // SAFETY: where the caller wants the result.
        unsafe { put(profile, known) };
        // SAFETY: the same.
        unsafe { put(entrypoint, VAEntrypointVLD) };
        // SAFETY: there is room for `max_attributes`.
        unsafe { put_list(attributes, count, &[format]) };
        Ok(())
    })
}

// ---- surfaces

unsafe extern "C" fn create_surfaces(
    context: VADriverContextP,
    width: c_int,
    height: c_int,
    format: c_int,
    count: c_int,
    surfaces: *mut VASurfaceID,
) -> VAStatus {
    let [width, height, format, count] =
        [width, height, format, count].map(|number| number.unsigned_abs());
    let (attributes, none) = (std::ptr::null_mut(), 0);
    // SAFETY: the caller's list.
    unsafe {
        create_surfaces_2(
            context, format, width, height, surfaces, count, attributes, none,
        )
    }
}

unsafe extern "C" fn create_surfaces_2(
    context: VADriverContextP,
    format: c_uint,
    width: c_uint,
    height: c_uint,
    surfaces: *mut VASurfaceID,
    count: c_uint,
    _attributes: *mut VASurfaceAttrib,
    _attribute_count: c_uint,
) -> VAStatus {
    call(context, "vaCreateSurfaces", |objects| {
        if format & VA_RT_FORMAT_YUV420 == 0 {
            return Err(status(VA_STATUS_ERROR_UNSUPPORTED_RT_FORMAT));
        }
        // SAFETY: where the caller wants the results.
        for surface in unsafe { list_mut(surfaces, count.into()) } {
            *surface = objects.create_surface(width, height);
        }
        Ok(())
    })
}

unsafe extern "C" fn destroy_surfaces(
    context: VADriverContextP,
    surfaces: *mut VASurfaceID,
    count: c_int,
) -> VAStatus {
    call(context, "vaDestroySurfaces", |objects| {
        // SAFETY: the caller's list, of this length.
        let surfaces = unsafe { list(surfaces, count.into()) };
        surfaces
            .iter()
            .try_for_each(|surface| objects.destroy_surface(*surface))
    })
}

unsafe extern "C" fn query_surface_attributes(
    context: VADriverContextP,
    config: VAConfigID,
    attributes: *mut VASurfaceAttrib,
    count: *mut c_uint,
) -> VAStatus {
    call(context, "vaQuerySurfaceAttributes", |objects| {
        objects.profile(config)?;
        let known = [
            (VASurfaceAttribPixelFormat, VA_FOURCC_NV12),
            (VASurfaceAttribMinWidth, 16),
            (VASurfaceAttribMinHeight, 16),
            (VASurfaceAttribMaxWidth, LARGEST),
            (VASurfaceAttribMaxHeight, LARGEST),
            (VASurfaceAttribMemoryType, VA_SURFACE_ATTRIB_MEM_TYPE_VA),
        ];
        let known = known.map(|(type_, value)| {
            let mut number = VAGenericValue {
                type_: VAGenericValueTypeInteger,
                ..Default::default()
            };
            number.value.i = value.cast_signed();
            VASurfaceAttrib {
                type_,
                flags: VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE,
                value: number,
            }
        });
        // SAFETY: the caller asks for the number first, and then has room for them.
        unsafe { put_list(attributes, count, &known) };
        Ok(())
    })
}

unsafe extern "C" fn sync_surface(context: VADriverContextP, surface: VASurfaceID) -> VAStatus {
    call(context, "vaSyncSurface", |objects| objects.sync(surface))
}

unsafe extern "C" fn query_surface_status(
    context: VADriverContextP,
    surface: VASurfaceID,
    answer: *mut VASurfaceStatus,
) -> VAStatus {
    call(context, "vaQuerySurfaceStatus", |objects| {
        objects.sync(surface)?;
        // SAFETY: where the caller wants the result.
        unsafe { put(answer, VASurfaceReady) };
        Ok(())
    })
}

// ---- contexts, buffers and pictures

unsafe extern "C" fn create_context(
    context: VADriverContextP,
    config: VAConfigID,
    _width: c_int,
    _height: c_int,
    _flags: c_int,
    _targets: *mut VASurfaceID,
    _count: c_int,
    created: *mut VAContextID,
) -> VAStatus {
    call(context, "vaCreateContext", |objects| {
        let id = objects.create_context(config)?;
        // SAFETY: where the caller wants the result.
        unsafe { put(created, id) };
        Ok(())
    })
}

unsafe extern "C" fn destroy_context(
    context: VADriverContextP,
    destroyed: VAContextID,
) -> VAStatus {
    call(context, "vaDestroyContext", |objects| {
        objects.destroy_context(destroyed)
    })
}

unsafe extern "C" fn create_buffer(
    context: VADriverContextP,
    _of: VAContextID,
    kind: VABufferType,
    size: c_uint,
    count: c_uint,
    data: *mut c_void,
    created: *mut VABufferID,
) -> VAStatus {
    call(context, "vaCreateBuffer", |objects| {
        let size = size as usize * count as usize;
        // SAFETY: the caller's bytes, as many as it says, or none.
        let given = unsafe { list(data.cast::<u8>(), size as i64) };
        let rest = std::iter::repeat_n(0, size - given.len());
        let id = objects.create_buffer(kind, memory(given.iter().copied().chain(rest)));
        // SAFETY: where the caller wants the result.
        unsafe { put(created, id) };
        Ok(())
    })
}

unsafe extern "C" fn map_buffer(
    context: VADriverContextP,
    buffer: VABufferID,
    place: *mut *mut c_void,
) -> VAStatus {
    call(context, "vaMapBuffer", |objects| {
        let bytes = objects.buffer(buffer)?.as_ptr();
        // SAFETY: where the caller wants the result.
        unsafe { put(place, bytes.cast_mut().cast()) };
        Ok(())
    })
}

unsafe extern "C" fn unmap_buffer(context: VADriverContextP, buffer: VABufferID) -> VAStatus {
    call(context, "vaUnmapBuffer", |objects| {
        objects.buffer(buffer).map(drop)
    })
}

unsafe extern "C" fn destroy_buffer(context: VADriverContextP, buffer: VABufferID) -> VAStatus {
    call(context, "vaDestroyBuffer", |objects| {
        objects.destroy_buffer(buffer)
    })
}

unsafe extern "C" fn begin_picture(
    context: VADriverContextP,
    of: VAContextID,
    target: VASurfaceID,
) -> VAStatus {
    call(context, "vaBeginPicture", |objects| {
        objects.begin(of, target)
    })
}

unsafe extern "C" fn render_picture(
    context: VADriverContextP,
    of: VAContextID,
    buffers: *mut VABufferID,
    count: c_int,
) -> VAStatus {
    call(context, "vaRenderPicture", |objects| {
        // SAFETY: the caller's list, of this length.
        let buffers = unsafe { list(buffers, count.into()) };
        buffers
            .iter()
            .try_for_each(|buffer| objects.render(of, *buffer))
    })
}

unsafe extern "C" fn end_picture(context: VADriverContextP, of: VAContextID) -> VAStatus {
    call(context, "vaEndPicture", |objects| objects.end(of))
}

// ---- images

unsafe extern "C" fn query_image_formats(
    context: VADriverContextP,
    formats: *mut VAImageFormat,
    count: *mut c_int,
) -> VAStatus {
    call(context, "vaQueryImageFormats", |_| {
        // SAFETY: there is room for `max_image_formats`.
        unsafe { put_list(formats, count, &[NV12]) };
        Ok(())
    })
}

unsafe extern "C" fn create_image(
    context: VADriverContextP,
    format: *mut VAImageFormat,
    width: c_int,
    height: c_int,
    created: *mut VAImage,
) -> VAStatus {
    call(context, "vaCreateImage", |objects| {
        // SAFETY: the caller's.
        let format = unsafe { list(format, 1) };
        if format
            .first()
            .is_none_or(|format| format.fourcc != VA_FOURCC_NV12)
        {
            return Err(status(VA_STATUS_ERROR_INVALID_IMAGE_FORMAT));
        }
        let image = objects.create_image(width.unsigned_abs(), height.unsigned_abs());
        // SAFETY: where the caller wants the result.
        unsafe { put(created, image) };
        Ok(())
    })
}

unsafe extern "C" fn derive_image(
    context: VADriverContextP,
    surface: VASurfaceID,
    created: *mut VAImage,
) -> VAStatus {
    call(context, "vaDeriveImage", |objects| {
        let image = objects.derive_image(surface)?;
        // SAFETY: where the caller wants the result.
        unsafe { put(created, image) };
        Ok(())
    })
}

unsafe extern "C" fn destroy_image(context: VADriverContextP, image: VAImageID) -> VAStatus {
    call(context, "vaDestroyImage", |objects| {
        objects.destroy_image(image)
    })
}

unsafe extern "C" fn get_image(
    context: VADriverContextP,
    surface: VASurfaceID,
    _x: c_int,
    _y: c_int,
    _width: c_uint,
    _height: c_uint,
    image: VAImageID,
) -> VAStatus {
    call(context, "vaGetImage", |objects| {
        objects.get_image(surface, image)
    })
}

unsafe extern "C" fn put_image(
    context: VADriverContextP,
    surface: VASurfaceID,
    image: VAImageID,
    _src_x: c_int,
    _src_y: c_int,
    _src_width: c_uint,
    _src_height: c_uint,
    _dest_x: c_int,
    _dest_y: c_int,
    _dest_width: c_uint,
    _dest_height: c_uint,
) -> VAStatus {
    call(context, "vaPutImage", |objects| {
        objects.put_image(surface, image)
    })
}

// ---- what there is none of

unsafe extern "C" fn query_subpicture_formats(
    context: VADriverContextP,
    _formats: *mut VAImageFormat,
    _flags: *mut c_uint,
    count: *mut c_uint,
) -> VAStatus {
    call(context, "vaQuerySubpictureFormats", |_| {
        // SAFETY: where the caller wants the result.
        unsafe { put(count, 0) };
        Ok(())
    })
}

unsafe extern "C" fn query_display_attributes(
    context: VADriverContextP,
    _attributes: *mut VADisplayAttribute,
    count: *mut c_int,
) -> VAStatus {
    call(context, "vaQueryDisplayAttributes", |_| {
        // SAFETY: where the caller wants the result.
        unsafe { put(count, 0) };
        Ok(())
    })
}

/// Functions that answer that they are not there.
macro_rules! absent {
    ($($name:ident($($argument:ty),*);)*) => {
        $(unsafe extern "C" fn $name(_: VADriverContextP $(, _: $argument)*) -> VAStatus {
            status(VA_STATUS_ERROR_UNIMPLEMENTED)
        })*
    };
}

absent! {
    buffer_set_num_elements(VABufferID, c_uint);
    put_surface(
        VASurfaceID, *mut c_void, i16, i16, u16, u16, i16, i16, u16, u16, *mut VARectangle, c_uint,
        c_uint
    );
    set_image_palette(VAImageID, *mut u8);
    create_subpicture(VAImageID, *mut VASubpictureID);
    destroy_subpicture(VASubpictureID);
    set_subpicture_image(VASubpictureID, VAImageID);
    set_subpicture_chromakey(VASubpictureID, c_uint, c_uint, c_uint);
    set_subpicture_global_alpha(VASubpictureID, f32);
    associate_subpicture(
        VASubpictureID, *mut VASurfaceID, c_int, i16, i16, u16, u16, i16, i16, u16, u16, c_uint
    );
    deassociate_subpicture(VASubpictureID, *mut VASurfaceID, c_int);
    get_display_attributes(*mut VADisplayAttribute, c_int);
    set_display_attributes(*mut VADisplayAttribute, c_int);
}
