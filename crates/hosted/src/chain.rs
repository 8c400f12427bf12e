// SPDX-License-Identifier: MPL-2.0
//! A chain of elements. Only the worker touches it: it creates, starts, stops and
//! disposes of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use codecwatch_supervisor::{CodecError, Lane, Name};
use gst::prelude::*;
use gst::{PadProbeReturn, PadProbeType, State};

use crate::check::CheckError;
use crate::description::Description;
use crate::io::Output;
use crate::link::Link;
use crate::session::Metadata;
use crate::{bus, pads, said, spec};

/// The states that an element goes through until it plays.
const STATES: [State; 4] = [State::Null, State::Ready, State::Paused, State::Playing];

/// See the module's description.
pub(crate) struct Elements {
    /// In the order of the data.
    elements: Vec<gst::Element>,
    /// What they were created from.
    description: Description,
    bus: gst::Bus,
    pub(crate) feed: gst::Pad,
    pub(crate) collector: gst::Pad,
    /// What the worker's calls are named by.
    pub(crate) first: String,
    pub(crate) last: String,
}

impl Elements {
    /// Creates the elements and starts them. If that fails, what exists is disposed of.
    pub(crate) fn start(
        lane: &Lane<Output>,
        link: &Arc<Link>,
        description: &Description,
    ) -> Result<Self, CodecError> {
        let bus = bus::bus(link);
        let (feed, collector) = (pads::feed(link), pads::collector(link));
        let mut chain = Self {
            elements: Vec::new(),
            description: description.clone(),
            bus,
            feed,
            collector,
            first: String::new(),
            last: String::new(),
        };
        let begun = chain.begin(lane, link, description);
        match begun {
            Ok(()) => Ok(chain),
            Err(error) => {
                link.close();
                chain.stop(lane);
                Err(error)
            }
        }
    }

    fn begin(
        &mut self,
        lane: &Lane<Output>,
        link: &Arc<Link>,
        description: &Description,
    ) -> Result<(), CodecError> {
        for part in &description.parts {
            let created = lane.call(format!("{}: create", part.factory), || part.create());
            let element = created.map_err(|error| CodecError::Settings(error.to_string()))?;
            self.elements.push(element);
        }
        let name = |element: Option<&gst::Element>| element.map(|element| element.name().into());
        self.first = name(self.elements.first()).unwrap_or_default();
        self.last = name(self.elements.last()).unwrap_or_default();
        self.connect(link)?;
        for (from, to) in STATES.iter().zip(&STATES[1..]) {
            for element in self.elements.iter().rev() {
                change(lane, link, element, *from, *to)?;
            }
            if *to == State::Ready {
                // As GStreamer's own elements do on the way to PAUSED.
                for pad in [&self.collector, &self.feed] {
                    pad.set_active(true)
                        .map_err(|_| failed(&self.first, "no active pad"))?;
                }
            }
        }
        Ok(())
    }

    /// Links the elements, and gives them what a pipeline would.
    fn connect(&self, link: &Arc<Link>) -> Result<(), CodecError> {
        let (clock, base_time) = link.outside.clock();
        let listens = link.listens.load(Ordering::Acquire);
        for element in &self.elements {
            if listens {
                said::listen(link, element);
            }
            element.set_bus(Some(&self.bus));
            if let Some(clock) = &clock {
                let _ = element.set_clock(Some(clock));
            }
            if let Some(base_time) = base_time {
                element.set_base_time(base_time);
            }
            for context in link.outside.contexts() {
                element.set_context(&context);
            }
        }
        let mut from = self.feed.clone();
        for element in &self.elements {
            let [sink, src] = ["sink", "src"].map(|name| pad(element, name));
            join(&from, &sink?, element)?;
            from = src?;
            watch(link, element);
        }
        match self.elements.last() {
            Some(last) => join(&from, &self.collector, last),
            None => Ok(()),
        }
    }

    /// Stops the elements and disposes of them.
    pub(crate) fn stop(self, lane: &Lane<Output>) {
        for (from, to) in STATES.iter().zip(&STATES[1..]).rev() {
            for element in self.elements.iter().rev() {
                // In reverse: from the higher state to the lower.
                let name = call_of(element, *to, *from);
                let _ = lane.call(name, || element.set_state(*from));
            }
        }
        for pad in [&self.feed, &self.collector] {
            let _ = pad.set_active(false);
        }
        self.bus.unset_sync_handler();
        self.bus.set_flushing(true);
        drop((self.feed, self.collector));
        for element in self.elements {
            let name = format!("{}: dispose", element.name());
            element.set_bus(None);
            lane.call(name, || drop(element));
        }
    }

    /// Sets a property of an element.
    pub(crate) fn set_property(
        &self,
        lane: &Lane<Output>,
        part: usize,
        property: &str,
        value: &str,
    ) -> Result<(), CheckError> {
        let Some((element, described)) = self
            .elements
            .get(part)
            .zip(self.description.parts.get(part))
        else {
            return Ok(());
        };
        let name = format!("{}: set {property}", element.name());
        let set = || described.set(element, property, value);
        lane.call(name, || said::while_setting(property, set))
    }

    /// The value of a property as text.
    pub(crate) fn property(
        &self,
        lane: &Lane<Output>,
        part: usize,
        property: &str,
    ) -> Option<String> {
        let element = self.elements.get(part)?;
        element.find_property(property)?;
        let name = format!("{}: get {property}", element.name());
        let value = lane.call(name, || element.property_value(property));
        spec::text_if_any(&value)
    }

    /// Emits an action signal of the first element.
    pub(crate) fn act(
        &self,
        lane: &Lane<Output>,
        signal: &str,
        arguments: Vec<gst::glib::SendValue>,
    ) -> Option<gst::glib::Value> {
        let element = self.elements.first()?;
        gst::glib::subclass::SignalId::lookup(signal, element.type_())?;
        let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
        let name = format!("{}: {signal} signal", element.name());
        lane.call(name, || {
            element.emit_by_name_with_values(signal, &arguments)
        })
    }

    /// Gives the elements a context.
    pub(crate) fn set_context(&self, lane: &Lane<Output>, context: &gst::Context) {
        for element in &self.elements {
            let name = format!("{}: context", element.name());
            lane.call(name, || element.set_context(context));
        }
    }

    /// Gives tags and the table of contents to the elements that take them from an
    /// application.
    pub(crate) fn set_metadata(&self, lane: &Lane<Output>, metadata: &Metadata) {
        for element in &self.elements {
            if let Some(tags) = &metadata.tags
                && let Some(setter) = element.dynamic_cast_ref::<gst::TagSetter>()
            {
                lane.call(format!("{}: tags", element.name()), || {
                    setter.reset_tags();
                    setter.merge_tags(&tags.list, gst::TagMergeMode::Replace);
                    setter.set_tag_merge_mode(tags.mode);
                });
            }
            if let Some(toc) = &metadata.toc
                && let Some(setter) = element.dynamic_cast_ref::<gst::TocSetter>()
            {
                lane.call(format!("{}: toc", element.name()), || {
                    setter.set_toc(Some(toc));
                });
            }
        }
    }

    /// Gives the elements the clock of the pipeline around.
    pub(crate) fn set_clock(
        &self,
        lane: &Lane<Output>,
        clock: Option<&gst::Clock>,
        base_time: Option<gst::ClockTime>,
    ) {
        for element in &self.elements {
            lane.call(format!("{}: clock", element.name()), || {
                let _ = element.set_clock(clock);
                if let Some(base_time) = base_time {
                    element.set_base_time(base_time);
                }
            });
        }
    }
}

fn call_of(element: &gst::Element, from: State, to: State) -> Name {
    format!("{}: {} to {}", element.name(), from.name(), to.name()).into()
}

fn change(
    lane: &Lane<Output>,
    link: &Link,
    element: &gst::Element,
    from: State,
    to: State,
) -> Result<(), CodecError> {
    let name = call_of(element, from, to);
    match lane.call(&name, || element.set_state(to)) {
        Ok(_) => Ok(()),
        // Usually the element has said why.
        Err(_) => Err(link.failure().unwrap_or_else(|| CodecError::Reported {
            part: element.name().to_string().into(),
            text: format!("the change from {} to {} failed", from.name(), to.name()),
        })),
    }
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, CodecError> {
    let direction = match name {
        "sink" => gst::PadDirection::Sink,
        _ => gst::PadDirection::Src,
    };
    // Not by the name: not every element calls them so.
    let mut pads = element.pads().into_iter();
    let found = pads.find(|pad| pad.direction() == direction);
    found.ok_or_else(|| failed(&element.name(), &format!("it has no {name} pad")))
}

/// The pads have no common bin, so GStreamer does not have to look for one. It compares
/// templates only: the caps of the pads are asked of the pipeline around, which may be
/// another chain that opens, and asks this one.
fn join(from: &gst::Pad, to: &gst::Pad, element: &gst::Element) -> Result<(), CodecError> {
    let linked = from.link_full(to, gst::PadLinkCheck::TEMPLATE_CAPS);
    linked.map(drop).map_err(|_| {
        let [from, to] = [from, to].map(|pad| match pad.parent_element() {
            Some(element) => element.name().to_string(),
            None => "the pipeline".to_owned(),
        });
        let text = format!("{from} cannot be linked with {to}: they have no caps in common");
        CodecError::Settings(format!("{}: {text}", element.name()))
    })
}

fn failed(part: &str, text: &str) -> CodecError {
    CodecError::Reported {
        part: part.to_owned().into(),
        text: text.to_owned(),
    }
}

/// Notes when a buffer or an event of the worker reaches an element, so that messages
/// name the right one.
fn watch(link: &Arc<Link>, element: &gst::Element) {
    let Ok(sink) = pad(element, "sink") else {
        return;
    };
    if sink
        .peer()
        .is_some_and(|peer| peer.parent_element().is_none())
    {
        // The first one: the worker's call is named by it.
        return;
    }
    let [chain, event] =
        ["chain", "event"].map(|what| Name::from(format!("{}: {what}", element.name())));
    let link = link.clone();
    let kinds = PadProbeType::BUFFER | PadProbeType::BUFFER_LIST | PadProbeType::EVENT_DOWNSTREAM;
    sink.add_probe(kinds, move |_, info| {
        if link.on_worker() {
            let name = if info.event().is_some() {
                &event
            } else {
                &chain
            };
            link.outlet.call_reached(name);
        }
        PadProbeReturn::Ok
    });
}
