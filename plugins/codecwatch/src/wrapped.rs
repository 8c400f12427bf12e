// SPDX-License-Identifier: MPL-2.0
//! Elements that run one codec and look like it: subclasses of `codecwatch`, made at
//! run time, with the pads, the metadata and the properties of an original element.
//!
//! A property of the original keeps its name. A property of `codecwatch` with the same
//! name is called `codecwatch-NAME` there.

use std::collections::BTreeMap;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Instant;

use codecwatch_element::properties;
use codecwatch_hosted::class::{NewProperty, Subclass};
use codecwatch_hosted::loading::LOAD;
use codecwatch_hosted::signals::{Signal, signals_of};
use codecwatch_hosted::{CheckError, check, originals, spec};
use gst::glib;
use gst::glib::subclass::SignalId;
use gst::prelude::*;

use crate::element::{CodecWatch, imp};

/// What the names of the classes begin with; the element's name follows.
const CLASS: &str = "GstCodecwatch+";
/// What a property of `codecwatch` is called if the original has one with its name:
/// this before the name.
const OURS: &str = "codecwatch-";
/// The numbers of the original's properties begin here, far from those of `codecwatch`.
const ORIGINAL_IDS: u32 = 0x1_0000;
/// The numbers of the renamed properties begin here.
const RENAMED_IDS: u32 = 0x2_0000;

/// Why an element cannot be wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrapError {
    /// It cannot be hosted.
    Check(CheckError),
    /// Its pads are not called `sink` and `src`, or it has further ones.
    Pads(String),
    /// GLib or GStreamer has refused to register the class.
    Register(String),
}

impl std::fmt::Display for WrapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Check(error) => write!(f, "{error}"),
            Self::Pads(factory) => write!(
                f,
                "'{factory}' has other pads than 'sink' and 'src', which are always there"
            ),
            Self::Register(name) => write!(f, "the class of '{name}' cannot be registered"),
        }
    }
}

impl std::error::Error for WrapError {}

/// What a class of wrapped elements is.
#[derive(Debug)]
pub struct Wrapped {
    codec: String,
    /// What an element is called if nobody names it, as far as the number.
    object_name: String,
    /// The renamed properties of `codecwatch`, by their place in the numbers.
    renamed: Vec<glib::ParamSpec>,
    /// `None` if the class does not have its properties.
    original: Option<gst::ElementFactory>,
    /// Read when they are first asked for.
    initial_values: OnceLock<BTreeMap<String, String>>,
}

/// What a number stands for.
#[derive(Debug)]
pub(crate) enum Property<'a> {
    /// A property of `codecwatch`, with the spec that `codecwatch` has.
    Ours(&'a glib::ParamSpec),
    /// A property of the original.
    Original,
}

impl Wrapped {
    /// The factory that it runs, as `codec` names it.
    pub(crate) fn codec(&self) -> &str {
        &self.codec
    }

    /// Whether the class looks like its original, so that programs may choose it for that.
    pub(crate) fn is_alike(&self) -> bool {
        self.original.is_some()
    }

    pub(crate) fn object_name(&self) -> &str {
        &self.object_name
    }

    /// The value that a property of the original has at the beginning, as text. `None`
    /// if it is not known: usually it is the default.
    pub(crate) fn initial_value(&self, property: &str) -> Option<String> {
        if let Some(values) = self.initial_values.get() {
            return values.get(property).cloned();
        }
        // What could not be read in time is asked for again.
        let values = originals::initial_values(self.original.as_ref()?)?;
        let values = self.initial_values.get_or_init(|| values);
        values.get(property).cloned()
    }

    /// The property that has a number in this class; `spec` is the class's.
    pub(crate) fn property<'a>(
        &'a self,
        id: usize,
        spec: &'a glib::ParamSpec,
    ) -> Option<Property<'a>> {
        let id = u32::try_from(id).ok()?;
        if let Some(place) = id.checked_sub(RENAMED_IDS) {
            return self.renamed.get(place as usize).map(Property::Ours);
        }
        Some(match id {
            ORIGINAL_IDS.. => Property::Original,
            _ => Property::Ours(spec),
        })
    }
}

static WRAPPED: RwLock<BTreeMap<glib::Type, &'static Wrapped>> = RwLock::new(BTreeMap::new());

/// What a class of wrapped elements is; `None` if it is no such class.
pub(crate) fn of_type(class: glib::Type) -> Option<&'static Wrapped> {
    let wrapped = WRAPPED.read().unwrap_or_else(PoisonError::into_inner);
    wrapped.get(&class).copied()
}

/// Registers an element `name` that runs `original` under supervision and looks like it.
/// If the original has this name, it has to be kept first
/// ([`codecwatch_hosted::originals`]).
///
/// # Errors
/// The original cannot be hosted, or the class cannot be registered.
pub fn register(
    plugin: Option<&gst::Plugin>,
    original: &gst::ElementFactory,
    name: &str,
    rank: gst::Rank,
) -> Result<(), WrapError> {
    let refused = || WrapError::Register(name.to_owned());
    let codec = original.name().to_string();
    check(&codec, Instant::now() + LOAD).map_err(WrapError::Check)?;
    let original = original.load().map_err(|_| {
        let factory = codec.clone();
        WrapError::Check(CheckError::NotLoaded { factory })
    })?;
    let templates = original.static_pad_templates();
    let templates = templates.iter().filter_map(|template| {
        let (name, direction) = (template.name_template(), template.direction());
        gst::PadTemplate::new(name, direction, template.presence(), &template.caps()).ok()
    });
    let templates: Vec<_> = templates.collect();
    let named = |template: &gst::PadTemplate| matches!(template.name_template(), "sink" | "src");
    if templates.len() != 2 || !templates.iter().all(named) {
        return Err(WrapError::Pads(codec));
    }
    let specs = spec::properties_of(original.element_type()).ok_or_else(refused)?;
    let taken = |spec: &glib::ParamSpec| specs.iter().any(|known| known.name() == spec.name());
    let renamed: Vec<_> = properties::specs::<imp::CodecWatch>()
        .into_iter()
        .filter(taken)
        .collect();
    let original_properties = (ORIGINAL_IDS..).zip(&specs).map(|(id, like)| NewProperty {
        id,
        name: like.name().to_owned(),
        like: like.clone(),
    });
    let renamed_properties = (RENAMED_IDS..).zip(&renamed).map(|(id, like)| NewProperty {
        id,
        name: format!("{OURS}{}", like.name()),
        like: like.clone(),
    });
    let has = |interface| original.element_type().is_a(interface);
    let mut interfaces = vec![gst::TagSetter::static_type(), gst::TocSetter::static_type()];
    interfaces.retain(|interface| has(*interface));
    let is_new = |signal: &Signal| {
        let known = SignalId::lookup(&signal.name, CodecWatch::static_type());
        signal.passes() && known.is_none()
    };
    let signals = signals_of(original.element_type())
        .into_iter()
        .filter(is_new);
    let class = Subclass {
        name: format!("{CLASS}{name}"),
        parent: CodecWatch::static_type(),
        properties: original_properties.chain(renamed_properties).collect(),
        metadata: metadata(&original),
        templates,
        presets: has(gst::Preset::static_type()).then(|| original.clone()),
        signals: signals.collect(),
        act: Some(crate::element::act),
        interfaces,
    };
    let object_name = match &*codec == name {
        true => original.element_type().name().to_owned(),
        false => name.to_owned(),
    };
    let wrapped = Wrapped {
        codec,
        object_name: default_name(&object_name),
        renamed,
        original: Some(original),
        initial_values: OnceLock::new(),
    };
    enter(plugin, name, rank, class, wrapped)
}

/// An element that runs one codec, as far as it can be described without the codec.
#[derive(Debug)]
pub(crate) struct Described {
    /// Its name.
    pub(crate) name: String,
    /// The factory that it runs.
    pub(crate) codec: String,
    /// Keys and texts.
    pub(crate) metadata: Vec<(String, String)>,
    /// The pads `sink` and `src`.
    pub(crate) templates: Vec<gst::PadTemplate>,
}

/// Registers an element that runs a codec that is not loaded. It has the properties of
/// `codecwatch`, and those of the codec through `GstChildProxy`.
pub(crate) fn register_described(
    plugin: &gst::Plugin,
    described: &Described,
) -> Result<(), WrapError> {
    let class = Subclass {
        name: format!("{CLASS}{}", described.name),
        parent: CodecWatch::static_type(),
        properties: Vec::new(),
        metadata: described.metadata.clone(),
        templates: described.templates.clone(),
        presets: None,
        signals: Vec::new(),
        act: None,
        interfaces: Vec::new(),
    };
    let wrapped = Wrapped {
        codec: described.codec.clone(),
        object_name: default_name(&described.name),
        renamed: Vec::new(),
        original: None,
        initial_values: OnceLock::new(),
    };
    let rank = gst::Rank::NONE;
    enter(Some(plugin), &described.name, rank, class, wrapped)
}

/// Registers the class and its element.
fn enter(
    plugin: Option<&gst::Plugin>,
    name: &str,
    rank: gst::Rank,
    class: Subclass,
    wrapped: Wrapped,
) -> Result<(), WrapError> {
    let refused = || WrapError::Register(name.to_owned());
    let class = class.register().ok_or_else(refused)?;
    {
        // A class lives as long as the process.
        let wrapped: &'static Wrapped = Box::leak(Box::new(wrapped));
        let mut all = WRAPPED.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(class, wrapped);
    }
    gst::Element::register(plugin, name, rank, class).map_err(|_| refused())
}

fn metadata(original: &gst::ElementFactory) -> Vec<(String, String)> {
    let keys = original.metadata_keys();
    let value = |key: &glib::GString| Some((key.to_string(), original.metadata(key)?.to_string()));
    keys.iter().filter_map(value).collect()
}

/// What GStreamer calls an object of a class, as far as the number.
fn default_name(class: &str) -> String {
    let name = class.strip_prefix("Gst").unwrap_or(class);
    let mut name = name.to_ascii_lowercase();
    if name.ends_with(|last: char| last.is_ascii_digit()) {
        name.push('-');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_without_a_name_is_called_as_the_original() {
        assert_eq!(default_name("GstX264Enc"), "x264enc");
        assert_eq!(default_name("avdec_h264"), "avdec_h264-");
    }
}
