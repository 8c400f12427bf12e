// SPDX-License-Identifier: MPL-2.0
//! dav1d's callbacks: picture memory and log. Nothing here unwinds or waits; release
//! and log may be called on any of dav1d's threads.

use std::{
    ffi::{c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Environment, PictureShape, picture_memory::Lent, sys};

/// Receives each line that dav1d logs, without its line feed. May be called on any
/// of dav1d's threads.
pub type LogSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The state behind the callbacks: dav1d's cookie for each of them.
pub(crate) struct Callbacks {
    environment: Environment,
    /// Why memory was refused last; dav1d itself reports only that it was.
    refusal: Mutex<Option<String>>,
}

impl Callbacks {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            refusal: Mutex::default(),
        }
    }

    /// Why memory was refused, if it was since the last call.
    pub(crate) fn take_allocation_failure(&self) -> Option<String> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// dav1d's view of `this`, which has to outlive the decoder.
    pub(crate) fn picture_allocator(this: ptr::NonNull<Self>) -> sys::Dav1dPicAllocator {
        sys::Dav1dPicAllocator {
            cookie: this.as_ptr().cast(),
            alloc_picture_callback: Some(allocate),
            release_picture_callback: Some(release),
        }
    }

    /// A logger that writes to the sink; without a sink, dav1d does not log.
    ///
    /// dav1d passes a `va_list`, which stable Rust can pass on to `vsnprintf` but has
    /// no type for on every machine: where bindgen generates no plain pointer for it
    /// (anything but x86-64), dav1d does not log either.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn logger(this: ptr::NonNull<Self>, hooked: bool) -> sys::Dav1dLogger {
        let callback = hooked.then_some(log as unsafe extern "C" fn(_, _, _));
        sys::Dav1dLogger {
            cookie: this.as_ptr().cast(),
            callback,
        }
    }

    /// As above.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn logger(_: ptr::NonNull<Self>, _: bool) -> sys::Dav1dLogger {
        sys::Dav1dLogger {
            cookie: ptr::null_mut(),
            callback: None,
        }
    }

    pub(crate) fn has_log(&self) -> bool {
        self.environment.log.is_some()
    }

    fn allocate(&self, shape: &PictureShape) -> Result<Lent, String> {
        let PictureShape { width, height, .. } = shape;
        match catch_unwind(AssertUnwindSafe(|| {
            self.environment.allocator.allocate(shape)
        })) {
            Ok(Some(allocation)) => Lent::new(shape, allocation).map_err(|flaw| {
                format!("the memory for a {width}x{height} picture is not usable: {flaw}")
            }),
            Ok(None) => Err(format!("no memory for a {width}x{height} picture")),
            Err(_panic) => Err(format!(
                "the allocator of a {width}x{height} picture panicked"
            )),
        }
    }
}

/// Memory for one picture. Called on the worker.
unsafe extern "C" fn allocate(picture: *mut sys::Dav1dPicture, cookie: *mut c_void) -> c_int {
    // SAFETY: the cookie is the `Callbacks` that outlives the decoder.
    let callbacks = unsafe { &*cookie.cast::<Callbacks>() };
    // SAFETY: dav1d passes a picture that nothing else accesses yet.
    let picture = unsafe { &mut *picture };
    // SAFETY: dav1d sets the sequence header before it asks for memory; null
    // becomes None.
    let sequence = unsafe { picture.seq_hdr.as_ref() };
    let Some(shape) = sequence.and_then(|header| PictureShape::from_native(&picture.p, header))
    else {
        return sys::error(libc::EINVAL);
    };
    match callbacks.allocate(&shape) {
        Ok(lent) => {
            for plane in 0..shape.planes() {
                picture.data[plane] = lent.plane(plane).as_ptr().cast();
            }
            let [luma, chroma, _] = lent.layout().strides;
            picture.stride = [luma as isize, chroma as isize];
            picture.allocator_data = Arc::into_raw(Arc::new(lent)).cast_mut().cast();
            0
        }
        Err(why) => {
            *callbacks
                .refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(why);
            sys::error(libc::ENOMEM)
        }
    }
}

/// dav1d no longer needs a picture's memory. Called on any thread.
unsafe extern "C" fn release(picture: *mut sys::Dav1dPicture, _cookie: *mut c_void) {
    // SAFETY: the picture that `allocate` filled.
    let shared = unsafe { (*picture).allocator_data }
        .cast::<Lent>()
        .cast_const();
    // SAFETY: the reference that `allocate` gave to dav1d, which returns it once.
    let lent = unsafe { Arc::from_raw(shared) };
    // A panic of the owner's drop must not unwind into C; the panic hook has
    // reported it, and nothing else can be done.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(lent)));
}

/// One line of log. Called on any thread.
#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn log(
    cookie: *mut c_void,
    format: *const std::ffi::c_char,
    arguments: *mut sys::__va_list_tag,
) {
    /// Longer lines are truncated.
    const LINE: usize = 512;
    let mut line = [0_u8; LINE];
    // SAFETY: room for LINE bytes, and dav1d's own format with its arguments.
    let len = unsafe { sys::vsnprintf(line.as_mut_ptr().cast(), LINE as _, format, arguments) };
    let Ok(len) = usize::try_from(len) else {
        return;
    };
    // SAFETY: the cookie is the `Callbacks` that outlives the decoder.
    let callbacks = unsafe { &*cookie.cast::<Callbacks>() };
    let Some(sink) = &callbacks.environment.log else {
        return;
    };
    let text = String::from_utf8_lossy(&line[..len.min(LINE - 1)]);
    // A panic must not unwind into C; the panic hook has reported it.
    let _ = catch_unwind(AssertUnwindSafe(|| sink(text.trim_end())));
}
