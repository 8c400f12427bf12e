// SPDX-License-Identifier: MPL-2.0
//! Checks a description against the elements that are installed. No element is created;
//! the plugins that have them are loaded.

use std::time::Instant;

use gst::glib;
use gst::prelude::*;

use crate::description::{Description, Part, SyntaxError};
use crate::loading::{self, LOAD, LoadError};
use crate::originals;

/// What is known of a chain before it exists.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its description.
    pub description: Description,
    /// What it does.
    pub kind: Kind,
    /// Its first codec is a decoder: what goes in is coded, even if it is encoded again.
    pub decodes: bool,
    /// The place of the element that encodes or decodes; the first if none does.
    pub codec: usize,
    /// The caps of its first pad's template.
    pub sink_caps: gst::Caps,
    /// The caps of its last pad's template.
    pub src_caps: gst::Caps,
}

/// What a chain does, by the class of its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of them encodes.
    Encoder,
    /// One of them decodes.
    Decoder,
    /// None does either.
    Other,
}

/// What a chain gives, by the class of its last codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Pictures: each is made of one of those that go in.
    Frames,
    /// Audio, in portions of another size than those that go in.
    Samples,
    /// Anything, of no codec.
    Unknown,
    /// Pictures, or something else than sound, put together from packets, each of which may
    /// have a time of its own (that of its arrival).
    Assembled,
}

impl Gives {
    pub(crate) fn of(description: &Description) -> Self {
        let factories = description.parts.iter().rev();
        let factories = factories.filter_map(|part| originals::find(&part.factory));
        let factories: Vec<_> = factories.collect();
        let assembles = |factory: &gst::ElementFactory| is_of_class(factory, "Depayloader");
        match Self::of_codec(&factories) {
            Self::Samples => Self::Samples,
            _ if factories.iter().any(assembles) => Self::Assembled,
            gives => gives,
        }
    }

    fn of_codec(factories: &[gst::ElementFactory]) -> Self {
        let mut factories = factories.iter();
        let last = factories.find(|factory| Kind::of(factory) != Kind::Other);
        last.map_or(Self::Unknown, |codec| {
            match ["Audio", "Video", "Image"].map(|word| is_of_class(codec, word)) {
                [true, ..] => Self::Samples,
                [false, false, false] => Self::Unknown,
                _ => Self::Frames,
            }
        })
    }
}

impl Kind {
    /// That of one element.
    fn of(factory: &gst::ElementFactory) -> Self {
        if is_of_class(factory, "Encoder") {
            Self::Encoder
        } else if is_of_class(factory, "Decoder") {
            Self::Decoder
        } else {
            Self::Other
        }
    }
}

fn is_of_class(factory: &gst::ElementFactory, word: &str) -> bool {
    let class = factory.metadata(gst::ELEMENT_METADATA_KLASS);
    class.is_some_and(|class| class.split('/').any(|part| part == word))
}

/// Why a description cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// It cannot be read.
    #[error("codec=\"{text}\": {error}")]
    Syntax {
        /// The description.
        text: String,
        /// What is wrong.
        error: SyntaxError,
    },
    /// An element is not installed.
    #[error("no element '{factory}' is installed: install the GStreamer plugin that has it")]
    Missing {
        /// The name of its factory.
        factory: String,
    },
    /// The plugin of an element cannot be loaded.
    #[error("the plugin of '{factory}' cannot be loaded")]
    NotLoaded {
        /// The name of its factory.
        factory: String,
    },
    /// The plugin of an element does not come back while it is loaded: those of hardware
    /// codecs ask their driver.
    #[error("the plugin of '{factory}' was not loaded in time: its driver may hang")]
    LoadHangs {
        /// The name of its factory.
        factory: String,
    },
    /// An element has other pads than one sink pad and one source pad.
    #[error(
        "'{factory}' has no {missing} pad of its own from the start, or more than one: a codec \
         is a chain of elements with one sink pad and one source pad each"
    )]
    Pads {
        /// The name of its factory.
        factory: String,
        /// The direction.
        missing: &'static str,
    },
    /// Neighbours have no format in common.
    #[error("'{from}' cannot be linked with '{to}': they have no caps in common")]
    Link {
        /// The element, or the caps, that would give.
        from: String,
        /// The one that would take.
        to: String,
    },
    /// An element does not have a property.
    #[error("'{factory}' has no property '{property}' that can be set (gst-inspect-1.0 {factory})")]
    Property {
        /// The name of its factory.
        factory: String,
        /// The property.
        property: String,
    },
    /// A property does not take a value.
    #[error("property '{property}' of '{factory}' does not take '{value}': it is a {wanted}")]
    Value {
        /// The name of its factory.
        factory: String,
        /// The property.
        property: String,
        /// The value.
        value: String,
        /// The type of the property.
        wanted: String,
    },
}

/// Reads a description and checks it. Blocks while plugins are loaded, until then at most.
///
/// # Errors
/// The first thing that cannot be.
pub fn check(text: &str, until: Instant) -> Result<Chain, CheckError> {
    let description = Description::parse(text).map_err(|error| CheckError::Syntax {
        text: text.to_owned(),
        error,
    })?;
    let (mut kind, mut codec) = (Kind::Other, 0);
    let mut first_codec = None;
    let mut sink_caps = None;
    // What the part before gives, and its name.
    let mut before: Option<(gst::Caps, String)> = None;
    for (place, part) in description.parts.iter().enumerate() {
        let factory = find(part, until)?;
        let [sink, src] = [gst::PadDirection::Sink, gst::PadDirection::Src]
            .map(|direction| pad_caps(&factory, part, direction));
        let (mut sink, mut src) = (sink?, src?);
        let mut shown = part.factory.clone();
        for (name, value) in &part.properties {
            let read = value_of_part(&factory, part, name, value)?;
            if part.is_filter()
                && let Ok(caps) = read.get::<gst::Caps>()
            {
                (sink, src) = (caps.clone(), caps);
                shown.clone_from(value);
            }
        }
        if let Some((caps, from)) = before
            && !caps.can_intersect(&sink)
        {
            return Err(CheckError::Link { from, to: shown });
        }
        let does = Kind::of(&factory);
        // One that takes anything does not say what goes in.
        if does != Kind::Other && !sink.is_any() {
            first_codec.get_or_insert(does);
        }
        sink_caps.get_or_insert(sink);
        before = Some((src, shown));
        if does != Kind::Other {
            (kind, codec) = (does, place);
        }
    }
    Ok(Chain {
        description,
        kind,
        decodes: first_codec.unwrap_or(kind) == Kind::Decoder,
        codec,
        sink_caps: sink_caps.unwrap_or_else(gst::Caps::new_any),
        src_caps: before.map_or_else(gst::Caps::new_any, |(caps, _)| caps),
    })
}

fn find(part: &Part, until: Instant) -> Result<gst::ElementFactory, CheckError> {
    let factory = part.factory.clone();
    let Some(found) = originals::find(&factory) else {
        return Err(CheckError::Missing { factory });
    };
    loading::load(&found, until).map_err(|error| match error {
        LoadError::Fails => CheckError::NotLoaded { factory },
        LoadError::Hangs => CheckError::LoadHangs { factory },
    })
}

fn pad_caps(
    factory: &gst::ElementFactory,
    part: &Part,
    direction: gst::PadDirection,
) -> Result<gst::Caps, CheckError> {
    let templates: Vec<_> = factory
        .static_pad_templates()
        .iter()
        .filter(|template| template.direction() == direction)
        .filter(|template| template.presence() == gst::PadPresence::Always)
        .cloned()
        .collect();
    match templates.as_slice() {
        [only] => Ok(only.caps()),
        _ => Err(CheckError::Pads {
            factory: part.factory.clone(),
            missing: match direction {
                gst::PadDirection::Sink => "sink",
                _ => "source",
            },
        }),
    }
}

/// The value of a property, as its element takes it.
fn value_of_part(
    factory: &gst::ElementFactory,
    part: &Part,
    property: &str,
    value: &str,
) -> Result<glib::Value, CheckError> {
    let spec = spec_of(factory, part, property)?;
    value_of(&spec, value).map_err(|wanted| CheckError::Value {
        factory: part.factory.clone(),
        property: property.to_owned(),
        value: value.to_owned(),
        wanted,
    })
}

/// The spec of a property that can be set.
fn spec_of(
    factory: &gst::ElementFactory,
    part: &Part,
    property: &str,
) -> Result<glib::ParamSpec, CheckError> {
    let class = glib::Class::<gst::Element>::from_type(factory.element_type());
    let spec = class.and_then(|class| class.find_property(property));
    let settable = spec.filter(|spec| spec.flags().contains(glib::ParamFlags::WRITABLE));
    settable.ok_or_else(|| CheckError::Property {
        factory: part.factory.clone(),
        property: property.to_owned(),
    })
}

/// Reads the value of a property.
///
/// # Errors
/// What the property takes instead, for a message.
pub fn value_of(spec: &glib::ParamSpec, value: &str) -> Result<glib::Value, String> {
    let read = glib::Value::deserialize_with_pspec(value, spec).ok();
    // GLib would change it to the nearest that is valid.
    let in_range = read.filter(|read| range(spec, Some(read)).is_none_or(|range| range.contains));
    in_range.ok_or_else(|| describe(spec))
}

/// What a property takes, for a message.
fn describe(spec: &glib::ParamSpec) -> String {
    let name = spec.value_type().name();
    match range(spec, None) {
        Some(range) => format!("{name} from {} to {}", range.least, range.most),
        None => name.to_owned(),
    }
}

/// The values that a number may have.
struct Range {
    least: String,
    most: String,
    /// Whether the value in question is one of them.
    contains: bool,
}

/// `None` if the property is no number.
fn range(spec: &glib::ParamSpec, value: Option<&glib::Value>) -> Option<Range> {
    macro_rules! range_of {
        ($($kind:ty: $number:ty),*) => {
            $(if let Some(spec) = spec.downcast_ref::<$kind>() {
                let value = value.and_then(|value| value.get::<$number>().ok());
                return Some(Range {
                    least: spec.minimum().to_string(),
                    most: spec.maximum().to_string(),
                    contains: value
                        .is_some_and(|value| (spec.minimum()..=spec.maximum()).contains(&value)),
                });
            })*
        };
    }
    range_of!(
        glib::ParamSpecInt: i32,
        glib::ParamSpecUInt: u32,
        glib::ParamSpecInt64: i64,
        glib::ParamSpecUInt64: u64,
        glib::ParamSpecFloat: f32,
        glib::ParamSpecDouble: f64
    );
    None
}

impl Part {
    /// Whether it is caps between two elements.
    fn is_filter(&self) -> bool {
        self.factory == "capsfilter"
    }

    /// Creates the element and sets its properties.
    pub(crate) fn create(&self) -> Result<gst::Element, CheckError> {
        let factory = find(self, Instant::now() + LOAD)?;
        let mut builder = factory.create();
        let mut later = Vec::new();
        for (name, text) in &self.properties {
            let value = value_of_part(&factory, self, name, text)?;
            let flags = spec_of(&factory, self, name)?.flags();
            if flags.contains(glib::ParamFlags::CONSTRUCT_ONLY) {
                builder = builder.property(name, value);
            } else {
                later.push((name, value));
            }
        }
        let element = builder.build().map_err(|_| CheckError::NotLoaded {
            factory: self.factory.clone(),
        })?;
        for (name, value) in later {
            element.set_property_from_value(name, &value);
        }
        Ok(element)
    }

    /// Sets a property of an element that was created from this.
    pub(crate) fn set(
        &self,
        element: &gst::Element,
        property: &str,
        value: &str,
    ) -> Result<(), CheckError> {
        let value = value_of_part(&find(self, Instant::now() + LOAD)?, self, property, value)?;
        element.set_property_from_value(property, &value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Chain {
        gst::init().unwrap();
        check(text, Instant::now() + LOAD).unwrap_or_else(|error| panic!("{error}"))
    }

    /// With elements of GStreamer's base and good plugins.
    #[test]
    fn the_first_codec_says_what_goes_in_and_the_last_what_the_chain_is() {
        for (text, decodes, kind, gives) in [
            ("identity", false, Kind::Other, Gives::Unknown),
            ("jpegdec", true, Kind::Decoder, Gives::Frames),
            (
                "jpegdec ! identity ! jpegenc",
                true,
                Kind::Encoder,
                Gives::Frames,
            ),
            ("jpegenc ! jpegdec", false, Kind::Decoder, Gives::Frames),
            ("rtph264depay", false, Kind::Other, Gives::Assembled),
            (
                "rtpjpegdepay ! jpegdec",
                true,
                Kind::Decoder,
                Gives::Assembled,
            ),
            (
                "rtpopusdepay ! opusdec",
                true,
                Kind::Decoder,
                Gives::Samples,
            ),
            (
                "identity ! opusdec ! flacenc",
                true,
                Kind::Encoder,
                Gives::Samples,
            ),
        ] {
            let chain = checked(text);
            assert_eq!((chain.decodes, chain.kind), (decodes, kind), "{text}");
            assert_eq!(Gives::of(&chain.description), gives, "{text}");
        }
    }
}
