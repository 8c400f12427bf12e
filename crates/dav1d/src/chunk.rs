// SPDX-License-Identifier: MPL-2.0
//! Coded data on its way into dav1d, without a copy.

use std::{ffi::c_void, panic::AssertUnwindSafe, ptr::NonNull};

use crate::sys;

/// The owner of some coded bytes. They are requested once; the owner is dropped, on
/// any thread, when dav1d no longer needs them.
pub type Bytes = Box<dyn AsRef<[u8]> + Send>;

/// One input: OBUs of a temporal unit, or of one frame of it, in the
/// low-overhead format (AV1 specification, section 5).
pub struct Chunk {
    /// The caller's id; returned with the outputs of this input.
    pub id: u64,
    /// The OBUs. `None` for an input that the caller could not read: it must still be
    /// sent, because later ones may refer to it.
    pub bytes: Option<Bytes>,
    /// Inputs before this one are missing: they never became chunks. What it
    /// refers to may be lost.
    pub follows_loss: bool,
}

impl Chunk {
    /// An input of these bytes, without a loss before it.
    pub fn new(id: u64, bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self {
            id,
            bytes: Some(Box::new(bytes)),
            follows_loss: false,
        }
    }

    /// An input that could not be read.
    pub fn damaged(id: u64) -> Self {
        Self {
            id,
            bytes: None,
            follows_loss: false,
        }
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk")
            .field("id", &self.id)
            .field("is_damaged", &self.bytes.is_none())
            .field("follows_loss", &self.follows_loss)
            .finish_non_exhaustive()
    }
}

/// An owner and its bytes.
pub(crate) struct Borrowed {
    owner: NonNull<dyn AsRef<[u8]> + Send>,
    bytes: NonNull<[u8]>,
}

// SAFETY: the owner is Send, and the bytes move with it.
unsafe impl Send for Borrowed {}

impl Borrowed {
    pub(crate) fn new(owner: Bytes) -> Self {
        // Leaked from its box, the owner does not move, and only the pointer
        // reaches it.
        let owner = NonNull::from(Box::leak(owner));
        // SAFETY: just leaked, so valid; never borrowed mutably.
        let bytes = NonNull::from(unsafe { owner.as_ref() }.as_ref());
        Self { owner, bytes }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: borrowed from the owner, which is neither changed nor dropped
        // before `self`.
        unsafe { self.bytes.as_ref() }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // SAFETY: leaked from a box in `new`; what was borrowed from it ends
        // with `self`.
        drop(unsafe { Box::from_raw(self.owner.as_ptr()) });
    }
}

/// A reference to some bytes, held by dav1d.
pub(crate) struct Data(sys::Dav1dData);

impl Data {
    /// Lends `bytes`, which must not be empty, to dav1d with the mark `mark`;
    /// `None` when dav1d has no memory for it.
    pub(crate) fn wrap(bytes: Borrowed, mark: i64) -> Option<Self> {
        let mut data = Self(sys::Dav1dData::default());
        let (start, len) = (bytes.bytes().as_ptr(), bytes.bytes().len());
        let cookie = Box::into_raw(Box::new(bytes)).cast::<c_void>();
        // SAFETY: `data` is valid for writes; start and len are those of bytes
        // that live until `release` gets the cookie.
        let code =
            unsafe { sys::dav1d_data_wrap(&raw mut data.0, start, len, Some(release), cookie) };
        if code != 0 {
            // SAFETY: dav1d refused the cookie, so it is still ours.
            drop(unsafe { Box::from_raw(cookie.cast::<Borrowed>()) });
            return None;
        }
        data.0.m.timestamp = mark;
        Some(data)
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut sys::Dav1dData {
        &raw mut self.0
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        // SAFETY: wrapped, or emptied by dav1d when it took the reference, or
        // never filled: dav1d takes each of these.
        unsafe { sys::dav1d_data_unref(self.as_mut_ptr()) };
    }
}

/// dav1d's last reference is gone. Called on any thread.
unsafe extern "C" fn release(_bytes: *const u8, cookie: *mut c_void) {
    // SAFETY: the cookie is the box that `wrap` made, and dav1d calls once.
    let bytes = unsafe { Box::from_raw(cookie.cast::<Borrowed>()) };
    // A panic of the owner's drop must not unwind into C; the panic hook has
    // reported it, and nothing else can be done.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(bytes)));
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Counted(Vec<u8>, Arc<AtomicUsize>);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_owner_is_dropped_once_when_dav1d_lets_go() {
        let drops = Arc::new(AtomicUsize::new(0));
        let owner = Counted(vec![0x12, 0], drops.clone());
        let data = Data::wrap(Borrowed::new(Box::new(owner)), 1).unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(data);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_of_the_owner_does_not_reach_dav1d() {
        struct Bomb;
        impl AsRef<[u8]> for Bomb {
            fn as_ref(&self) -> &[u8] {
                &[0x12, 0]
            }
        }
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("an owner that panics");
            }
        }
        drop(Data::wrap(Borrowed::new(Box::new(Bomb)), 1).unwrap());
    }
}
