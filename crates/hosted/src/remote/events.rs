// SPDX-License-Identifier: MPL-2.0
//! Events on their way between parent and child.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use gst::glib::translate::{IntoGlib, IntoGlibPtr, from_glib_full};
use serde::{Deserialize, Serialize};

use super::text::{structure, text_of};
use super::{fields, values};

/// How many sticky events are remembered.
const KNOWN: usize = 32;

/// An event as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedEvent {
    kind: i32,
    seqnum: u32,
    running_time_offset: i64,
    structure: Option<String>,
    /// Tells two events of the same content apart.
    key: u64,
}

impl PackedEvent {
    /// The event as data.
    pub(super) fn new(event: &gst::Event) -> Self {
        Self {
            kind: event.type_().into_glib(),
            seqnum: event.seqnum().into_glib(),
            running_time_offset: event.running_time_offset(),
            structure: event.structure().map(text_of),
            key: event.as_ptr().addr() as u64,
        }
    }

    /// The same, of an event that another process can have: whose content has a text
    /// form. `None` of any other.
    pub(super) fn of_portable(event: &gst::Event) -> Option<Self> {
        let packed = Self::new(event);
        packed.unpack().is_some().then_some(packed)
    }

    /// The event. `None` if this is none.
    pub(super) fn unpack(&self) -> Option<gst::Event> {
        let kind = known_kind(self.kind)?;
        let said = structure(self.structure.as_deref())?;
        let is_global = said.as_ref().is_some_and(|said| said.name() == GLOBAL_TAGS);
        let mut structure = fields::of_event(kind, said)?;
        if kind == gst::EventType::Tag && is_global {
            structure.as_mut().map(make_global);
        }
        let structure = structure.map_or(std::ptr::null_mut(), IntoGlibPtr::into_glib_ptr);
        // SAFETY: the kind is one that GStreamer knows; the structure is new, and given
        // away.
        let event = unsafe { gst::ffi::gst_event_new_custom(kind.into_glib(), structure) };
        if event.is_null() {
            return None;
        }
        // SAFETY: a new event, whose only reference is taken.
        let mut event: gst::Event = unsafe { from_glib_full(event) };
        if !values::is_sensible(&event) {
            return None;
        }
        let fresh = event.make_mut();
        fresh.set_running_time_offset(self.running_time_offset);
        if self.seqnum != 0 {
            let pointer = fresh.as_mut_ptr();
            // SAFETY: the event is writable, since it has just been made so; a number of
            // 0 is none and was left out.
            unsafe { gst::ffi::gst_event_set_seqnum(pointer, self.seqnum) };
        }
        Some(event)
    }

    /// The length of its text.
    pub(super) fn length(&self) -> usize {
        self.structure.as_ref().map_or(0, String::len)
    }

    #[cfg(test)]
    pub(super) fn raw(
        kind: i32,
        seqnum: u32,
        running_time_offset: i64,
        structure: Option<String>,
    ) -> Self {
        Self {
            kind,
            seqnum,
            running_time_offset,
            structure,
            key: 0,
        }
    }
}

/// The structure of an event with tags that are not a stream's alone.
const GLOBAL_TAGS: &str = "GstTagList-global";

/// Gives tags their scope again, which their text form has not.
fn make_global(structure: &mut gst::Structure) {
    structure.set_name(GLOBAL_TAGS);
    if let Ok(mut tags) = structure.get::<gst::TagList>("taglist") {
        tags.make_mut().set_scope(gst::TagScope::Global);
        structure.set("taglist", tags);
    }
}

/// The kind of event with this number.
fn known_kind(number: i32) -> Option<gst::EventType> {
    use gst::EventType as T;
    let kinds = [
        T::FlushStart,
        T::FlushStop,
        T::StreamStart,
        T::Caps,
        T::Segment,
        T::Tag,
        T::Buffersize,
        T::StreamGroupDone,
        T::Eos,
        T::Protection,
        T::SegmentDone,
        T::Gap,
        T::InstantRateChange,
        T::Qos,
        T::Seek,
        T::Navigation,
        T::Latency,
        T::Step,
        T::Reconfigure,
        T::TocSelect,
        T::SelectStreams,
        T::InstantRateSyncTime,
        T::CustomUpstream,
        T::CustomDownstream,
        T::CustomDownstreamOob,
        T::CustomDownstreamSticky,
        T::CustomBoth,
        T::CustomBothOob,
    ];
    kinds.into_iter().find(|kind| kind.into_glib() == number)
}

/// Child: sticky events that have come, so that one which comes again is the same object.
/// A chain is not sent again what its pad has.
#[derive(Debug, Default)]
pub(super) struct KnownEvents(Mutex<VecDeque<(PackedEvent, gst::Event)>>);

impl KnownEvents {
    pub(super) fn unpack(&self, packed: &PackedEvent) -> Option<gst::Event> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, event)) = known.iter().find(|(known, _)| known == packed) {
            return Some(event.clone());
        }
        let event = packed.unpack()?;
        if event.is_sticky() {
            if known.len() >= KNOWN {
                known.pop_front();
            }
            known.push_back((packed.clone(), event.clone()));
        }
        Some(event)
    }
}
