// SPDX-License-Identifier: MPL-2.0
//! Messages of inner elements that the outer one posts as they are.

use gst::glib::translate::{IntoGlib, IntoGlibPtr, Stash, ToGlibPtr, from_glib_full};
use gst::prelude::*;
use gst::{Element, MessageType as T};

/// Those whose content is about the stream or for the application. All others are about
/// the element that has posted them, or are the matter of a bin or a sink.
const PASSED_ON: [T; 8] = [
    T::Tag,
    T::Toc,
    T::Progress,
    T::Buffering,
    T::StreamCollection,
    T::StreamsSelected,
    T::Redirect,
    T::Application,
];

/// The content of such a message, without its source.
#[derive(Debug)]
pub struct Other {
    kind: T,
    structure: Option<gst::Structure>,
}

impl Other {
    /// `None` of a message that is not passed on.
    pub(crate) fn of(message: &gst::Message) -> Option<Self> {
        let kind = message.type_();
        let structure = message.structure().map(ToOwned::to_owned);
        PASSED_ON
            .contains(&kind)
            .then_some(Self { kind, structure })
    }

    pub(crate) fn new(kind: T, structure: gst::Structure) -> Self {
        Self {
            kind,
            structure: Some(structure),
        }
    }

    /// Which kind of message it is, and what it says.
    pub(crate) fn parts(&self) -> (T, Option<&gst::StructureRef>) {
        (self.kind, self.structure.as_deref())
    }

    /// The same message from another element.
    pub fn message(self, src: &Element) -> gst::Message {
        let structure = self.structure;
        let structure = structure.map_or(std::ptr::null_mut(), IntoGlibPtr::into_glib_ptr);
        let src: Stash<'_, *mut gst::ffi::GstObject, _> =
            src.upcast_ref::<gst::Object>().to_glib_none();
        // SAFETY: the kind is one that GStreamer knows, and the structure is of a message of
        // that kind; it is given away. The source is valid during the call, which takes a
        // reference of its own.
        let message =
            unsafe { gst::ffi::gst_message_new_custom(self.kind.into_glib(), src.0, structure) };
        // SAFETY: a new message, whose only reference is taken.
        unsafe { from_glib_full(message) }
    }
}
