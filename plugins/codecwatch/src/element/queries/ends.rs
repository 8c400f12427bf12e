// SPDX-License-Identifier: MPL-2.0
//! What a chain takes and gives by the registry alone: no plugin is loaded for it, and no
//! element is made. In NULL, where pipelines are linked, nothing else is known of a chain,
//! and a muxer chooses its request pad by the answer.

use codecwatch_element::Supervised;
use codecwatch_hosted::{Description, Part, originals};
use gst::{CapsIntersectMode, PadDirection};

use crate::element::imp::CodecWatch;

/// The caps of a chain's two ends; `None` where the registry does not say.
#[derive(Debug, Clone, Default)]
pub(in crate::element) struct Ends {
    /// The description that they belong to.
    text: String,
    sink: Option<gst::Caps>,
    src: Option<gst::Caps>,
}

impl Ends {
    /// A description that cannot be read has none: the error comes on the way to READY.
    fn of(text: String) -> Self {
        let Ok(description) = Description::parse(&text) else {
            return Self {
                text,
                ..Self::default()
            };
        };
        let parts = description.parts;
        Self {
            text,
            sink: at_end(parts.iter(), PadDirection::Sink),
            src: at_end(parts.iter().rev(), PadDirection::Src),
        }
    }

    fn caps(&self, direction: PadDirection) -> Option<gst::Caps> {
        match direction {
            PadDirection::Sink => self.sink.clone(),
            _ => self.src.clone(),
        }
    }
}

/// What the chain that the property names takes or gives. It is looked up once for each
/// text.
pub(super) fn caps(imp: &CodecWatch, direction: PadDirection) -> Option<gst::Caps> {
    let text = imp.settings().get().codec?;
    {
        let ends = &imp.state().ends;
        if ends.text == text {
            return ends.caps(direction);
        }
    }
    // Without the lock: the registry has locks of its own.
    let ends = Ends::of(text);
    let caps = ends.caps(direction);
    imp.state().ends = ends;
    caps
}

/// The caps at one end, from where the parts are counted: what the first element there
/// takes or gives, as far as the filters before it allow.
fn at_end<'a>(parts: impl Iterator<Item = &'a Part>, direction: PadDirection) -> Option<gst::Caps> {
    let mut allowed = gst::Caps::new_any();
    for part in parts {
        if part.factory != "capsfilter" {
            let template = template(part, direction)?;
            allowed = template.intersect_with_mode(&allowed, CapsIntersectMode::First);
            break;
        }
        let filter = filter(part)?;
        allowed = allowed.intersect_with_mode(&filter, CapsIntersectMode::First);
    }
    // Of parts that do not fit, the error on the way to READY tells more than a link that
    // fails.
    (!allowed.is_empty()).then_some(allowed)
}

/// The caps of the only pad template that is always there.
fn template(part: &Part, direction: PadDirection) -> Option<gst::Caps> {
    let factory = originals::find(&part.factory)?;
    let templates = factory.static_pad_templates();
    let mut always = templates.iter().filter(|template| {
        template.direction() == direction && template.presence() == gst::PadPresence::Always
    });
    let only = always.next()?;
    always.next().is_none().then(|| only.caps())
}

/// The caps that a filter lets pass.
fn filter(part: &Part) -> Option<gst::Caps> {
    let mut properties = part.properties.iter().rev();
    match properties.find(|(name, _)| name == "caps") {
        Some((_, caps)) => caps.parse().ok(),
        None => Some(gst::Caps::new_any()),
    }
}
