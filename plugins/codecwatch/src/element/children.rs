// SPDX-License-Identifier: MPL-2.0
//! The elements of the chain as children (GstChildProxy): `codec::bitrate` in
//! `gst-launch-1.0`. An application gets mirrors of them, never the elements.
//!
//! A value that is set reaches the chain on its worker, and every later session. While
//! the worker is busy, the setter waits for it for a limited time; the value is not lost
//! then.

use std::time::{Duration, Instant};

use codecwatch_element::Supervised;
use codecwatch_hosted::loading::LOAD;
use codecwatch_hosted::{
    Chain, ChainSession, CheckError, Description, Kind, Mirror, RemoteHosted, Values, check,
    originals,
};
use codecwatch_process::PlacedSession;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::{CodecWatch, imp};
use crate::CAT;

/// The longest that a setter or a getter waits for the chain.
const BOUND: Duration = Duration::from_secs(1);
/// The name under which the encoder or decoder of a chain is found, whatever it is.
const CODEC: &str = "codec";

/// A value that an application has set on a child.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The place of the element in the chain.
    part: usize,
    property: String,
    value: String,
}

/// The children of a description.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// The description that they belong to.
    text: String,
    /// Name and mirror of each element.
    mirrors: Vec<(String, Mirror)>,
    /// The place of that which is called `codec`.
    codec: usize,
    settings: Vec<Setting>,
    /// The description that could not be read and was warned of.
    refused: Option<String>,
}

impl Children {
    /// A chain with the values that were set on its elements. Those of the elements of
    /// another description are none of its.
    pub(super) fn applied_to(&self, chain: &Chain) -> Description {
        let mut description = chain.description.clone();
        let of_this = Description::parse(&self.text).as_ref() == Ok(&description);
        for setting in self.settings.iter().filter(|_| of_this) {
            if let Some(part) = description.parts.get_mut(setting.part) {
                let (property, value) = (setting.property.clone(), setting.value.clone());
                part.properties.retain(|(name, _)| *name != property);
                part.properties.push((property, value));
            }
        }
        description
    }

    fn note(&mut self, setting: Setting) {
        let same =
            |known: &Setting| known.part == setting.part && known.property == setting.property;
        self.settings.retain(|known| !same(known));
        self.settings.push(setting);
    }

    fn noted(&self, part: usize, property: &str) -> Option<String> {
        let mut settings = self.settings.iter();
        let known = settings.find(|known| known.part == part && known.property == property);
        known.map(|known| known.value.clone())
    }
}

/// Reads the description again if it has changed, and returns what `look` finds.
fn with_children<R>(imp: &imp::CodecWatch, look: impl FnOnce(&Children) -> Option<R>) -> Option<R> {
    let text = imp.settings().get().codec?;
    if imp.state().children.text != text {
        let children = match check_for_child(&text) {
            Ok(chain) => mirrors(imp, text, &chain),
            Err(error) => {
                warn_once(imp, text, &error);
                return None;
            }
        };
        let old = std::mem::replace(&mut imp.state().children, children);
        drop(old);
    }
    look(&imp.state().children)
}

/// Checks a description for somebody who asks for a child. Blocks while plugins are loaded,
/// as long as anybody waits for one: no state change is in progress that has a limit of its
/// own, and whoever sets a property gets no second try.
fn check_for_child(text: &str) -> Result<Chain, CheckError> {
    check(text, Instant::now() + LOAD)
}

/// Says why a description has no children: whoever asks for one hears only that there is
/// none (`gst-launch-1.0`: "no property").
fn warn_once(imp: &imp::CodecWatch, text: String, error: &CheckError) {
    if imp.state().children.refused.as_ref() == Some(&text) {
        return;
    }
    glib::g_warning!(
        "codecwatch",
        "{}: properties of its codec cannot be set or read: {error}",
        imp.obj().name()
    );
    imp.state().children.refused = Some(text);
}

fn mirrors(imp: &imp::CodecWatch, text: String, chain: &Chain) -> Children {
    let mut children = Children {
        text,
        ..Children::default()
    };
    for (part, described) in chain.description.parts.iter().enumerate() {
        let Some(factory) = originals::find(&described.factory) else {
            continue;
        };
        if chain.kind != Kind::Other && chain.codec == part {
            children.codec = part;
        }
        let values = OfPart {
            element: imp.obj().downgrade(),
            text: children.text.clone(),
            part,
        };
        let earlier = chain.description.parts[..part].iter();
        let same = earlier.filter(|earlier| earlier.factory == described.factory);
        let name = match same.count() {
            0 => described.factory.clone(),
            number => format!("{}-{number}", described.factory),
        };
        if let Some(mirror) = Mirror::of(&factory, values) {
            children.mirrors.push((name, mirror));
        }
    }
    children
}

impl ChildProxyImpl for imp::CodecWatch {
    fn children_count(&self) -> u32 {
        let count = with_children(self, |children| u32::try_from(children.mirrors.len()).ok());
        count.unwrap_or(0)
    }

    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        with_children(self, |children| {
            let (_, mirror) = children.mirrors.get(index as usize)?;
            Some(mirror.clone().upcast())
        })
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        with_children(self, |children| {
            let mut mirrors = children.mirrors.iter();
            let found = match name {
                CODEC => children.mirrors.get(children.codec),
                name => mirrors.find(|(known, _)| known == name),
            };
            found.map(|(_, mirror)| mirror.clone().upcast())
        })
    }
}

/// The properties of the only element of a chain; `None` if the chain cannot be read.
pub(super) fn of_only(imp: &imp::CodecWatch) -> Option<OfPart> {
    with_children(imp, |children| {
        Some(OfPart {
            element: imp.obj().downgrade(),
            text: children.text.clone(),
            part: 0,
        })
    })
}

/// The properties of one element of the chain.
pub(super) struct OfPart {
    element: glib::WeakRef<CodecWatch>,
    /// The description that the chain is of: an application may keep a child for longer.
    text: String,
    part: usize,
}

impl Values for OfPart {
    fn set(&self, property: &str, value: String) {
        let Some(element) = self.element.upgrade() else {
            return;
        };
        let imp = element.imp();
        {
            let children = &mut imp.state().children;
            if children.text != self.text {
                gst::warning!(
                    CAT,
                    imp = imp,
                    "{property} was set on a child of '{}', which is not the codec any more",
                    self.text
                );
                return;
            }
            children.note(Setting {
                part: self.part,
                property: property.to_owned(),
                value: value.clone(),
            });
        }
        let (part, property) = (self.part, property.to_owned());
        let set = move |session: &mut PlacedSession<RemoteHosted>, lane: &_| {
            session.set_property(lane, part, &property, &value);
        };
        // Without a limit on a thread that must not wait for the worker.
        if imp.supervision().ask(imp, BOUND, set.clone()).is_none() {
            imp.supervision().notify(imp, set);
        }
    }

    fn get(&self, property: &str) -> Option<String> {
        let element = self.element.upgrade()?;
        let imp = element.imp();
        if imp.state().children.text != self.text {
            return None;
        }
        let (part, name) = (self.part, property.to_owned());
        let asked = imp.supervision().ask(imp, BOUND, move |session, lane| {
            session.property(lane, part, &name)
        });
        let noted = || imp.state().children.noted(part, property);
        asked.flatten().or_else(noted).or_else(|| {
            let chain = check_for_child(&imp.settings().get().codec?).ok()?;
            let written = chain.description.parts.get(part)?.properties.iter();
            let mut written = written.rev().filter(|(name, _)| name == property);
            written.next().map(|(_, value)| value.clone())
        })
    }
}
