// SPDX-License-Identifier: MPL-2.0
//! What an element that looks like its codec does with properties and tags: those of the
//! codec go to the chain as those of a child do, and are kept for every later one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use codecwatch_element::{Supervised, properties};
use codecwatch_hosted::{ChainSession, Metadata, RemoteHosted, Tags, Values, spec};
use codecwatch_process::PlacedSession;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::children;
use super::imp::CodecWatch;
use crate::defaults;
use crate::wrapped::{Property, Wrapped};

/// Sets a property of such an element.
pub(super) fn set(
    imp: &CodecWatch,
    wrapped: &Wrapped,
    id: usize,
    value: &glib::Value,
    spec: &glib::ParamSpec,
) {
    match wrapped.property(id, spec) {
        Some(Property::Ours(spec)) if spec.name() == "codec" => {
            glib::g_warning!(
                "codecwatch",
                "{} always runs '{}': its property '{}' cannot be set",
                imp.obj().name(),
                wrapped.codec(),
                spec.name()
            );
        }
        Some(Property::Ours(spec)) => properties::set(imp, value, spec),
        Some(Property::Original) => {
            if let Some(values) = children::of_only(imp)
                && let Some(text) = spec::text_of(value, spec)
            {
                values.set(spec.name(), text);
            }
        }
        None => properties::complain_of_unknown(imp.obj().type_(), spec.name()),
    }
}

/// The value of a property of such an element.
pub(super) fn get(
    imp: &CodecWatch,
    wrapped: &Wrapped,
    id: usize,
    spec: &glib::ParamSpec,
) -> glib::Value {
    match wrapped.property(id, spec) {
        Some(Property::Ours(spec)) => properties::get(imp, spec),
        Some(Property::Original) => {
            let values = children::of_only(imp);
            let text = values.and_then(|values| values.get(spec.name()));
            let text = text.or_else(|| wrapped.initial_value(spec.name()));
            spec::value_from(text, spec)
        }
        None => {
            properties::complain_of_unknown(imp.obj().type_(), spec.name());
            spec.default_value().clone()
        }
    }
}

/// Gives a new element its name, if nobody has, and the defaults of the process.
pub(super) fn begin(imp: &CodecWatch, wrapped: &Wrapped) {
    let element = imp.obj();
    let of_class = element.type_().name().to_ascii_lowercase();
    let of_class = of_class.strip_prefix("gst").unwrap_or(&of_class);
    if element.name().starts_with(of_class) {
        let name = format!("{}{}", wrapped.object_name(), next(wrapped.object_name()));
        element.set_property("name", name);
    }
    for (spec, text) in defaults::of_process() {
        properties::set(imp, &spec::value_from(Some(text.clone()), spec), spec);
    }
}

/// What an application has set on such an element for the stream.
pub(super) fn metadata(imp: &CodecWatch) -> Metadata {
    let element = imp.obj();
    let tags = element.dynamic_cast_ref::<gst::TagSetter>();
    let tags = tags.and_then(|setter| {
        let (list, mode) = (setter.tag_list()?, setter.tag_merge_mode());
        Some(Tags { list, mode })
    });
    let toc = element.dynamic_cast_ref::<gst::TocSetter>();
    Metadata {
        tags,
        toc: toc.and_then(|setter| setter.toc()),
    }
}

/// Tells a codec that is open before the stream begins: a codec writes tags and chapters with
/// the first buffer.
pub(super) fn renew_metadata(imp: &CodecWatch) {
    let metadata = metadata(imp);
    if metadata.tags.is_some() || metadata.toc.is_some() {
        let set = move |session: &mut PlacedSession<RemoteHosted>, lane: &_| {
            session.set_metadata(lane, &metadata);
        };
        imp.supervision().notify(imp, set);
    }
}

/// It is for one stream, as elsewhere.
pub(super) fn forget_metadata(imp: &CodecWatch) {
    let element = imp.obj();
    if let Some(setter) = element.dynamic_cast_ref::<gst::TagSetter>() {
        setter.reset_tags();
    }
    if let Some(setter) = element.dynamic_cast_ref::<gst::TocSetter>() {
        setter.reset();
    }
}

/// Counts the elements that nobody has named.
fn next(name: &str) -> u32 {
    static COUNTS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(name.to_owned()).or_default();
    let number = *count;
    *count = count.wrapping_add(1);
    number
}
