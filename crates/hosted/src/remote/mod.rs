// SPDX-License-Identifier: MPL-2.0
//! Chains in a child process.
//!
//! Events, queries and messages travel as text, buffers as [`buffers`] says. What has
//! objects of a process in it stays there: contexts, memory of a device, clocks other than
//! the system's, pools, and the events of [`kept`].

mod buffers;
mod events;
mod fields;
#[cfg(test)]
mod fuzz;
mod kept;
mod metas;
mod names;
mod placed;
mod posted;
mod queries;
mod scan;
mod sent;
mod sticky;
mod talk;
mod text;
mod values;

use std::sync::Arc;

use codecwatch_process::sandbox::{Policy, SessionKind};
use codecwatch_process::{Broken, ChildContext, INPUTS, Lender, PACKETS, ParentContext, Remote};
use codecwatch_supervisor::CodecError;
use gst::glib::translate::{FromGlib, IntoGlib};
use gst::prelude::*;
use serde::{Deserialize, Serialize};

use self::events::PackedEvent;
pub use self::placed::ChainSession;
pub(crate) use self::placed::{query_beside, send_beside};
use self::posted::PackedPosted;
use self::queries::PackedQuery;
pub(crate) use self::sent::SentEvents;
use self::talk::ChainTalk;
pub use self::talk::Lends;
use self::talk::{Finding, ThroughParent, goes_upstream};
pub(crate) use self::text::{is_nothing, is_sound_value};
use crate::io::{EventOutput, Input, Output, PendingQuery};
use crate::left_out::LeftOut;
use crate::originals;
use crate::session::{Facts, Hosted, Metadata, Tags};
use crate::{Description, Part};

/// How many inputs may be in a chain's hands where `max-inside` is not larger than by
/// default: twice that.
const MOST_LENT: usize = 1024;

/// A chain in a child process.
#[derive(Debug)]
pub enum RemoteHosted {}

/// Everything that opens a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// The chain.
    pub description: Description,
    most_inside: Option<u32>,
    decodes: bool,
    from_key_frame: bool,
    in_force: Vec<PackedEvent>,
    tags: Option<PackedTags>,
    is_hardware: bool,
}

impl Config {
    /// The config of a chain that would run here.
    pub fn new(hosted: &Hosted) -> Self {
        // The child's texts are read here.
        text_types();
        let is_hardware = |part: &Part| {
            let factory = originals::find(&part.factory);
            let class = factory
                .as_ref()
                .and_then(|factory| factory.metadata("klass"));
            class.is_some_and(|class| class.contains("Hardware"))
        };
        Self {
            is_hardware: hosted.description.parts.iter().any(is_hardware),
            description: hosted.description.clone(),
            most_inside: hosted
                .most_inside
                .map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            decodes: hosted.decodes,
            from_key_frame: hosted.from_key_frame,
            in_force: portable(&hosted.in_force),
            tags: hosted.metadata.tags.as_ref().map(PackedTags::new),
        }
    }
}

/// Those that the child can have. It does not miss the others: they have been there.
fn portable(events: &[gst::Event]) -> Vec<PackedEvent> {
    events.iter().filter_map(PackedEvent::of_portable).collect()
}

/// Tags as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackedTags {
    /// In an event, which has a text form.
    list: PackedEvent,
    mode: i32,
}

impl PackedTags {
    fn new(tags: &Tags) -> Self {
        Self {
            list: PackedEvent::new(&gst::event::Tag::new(tags.list.clone())),
            mode: tags.mode.into_glib(),
        }
    }

    fn unpack(&self) -> Option<Tags> {
        let event = self.list.unpack()?;
        let gst::EventView::Tag(tag) = event.view() else {
            return None;
        };
        Some(Tags {
            list: tag.tag_owned(),
            // SAFETY: any number is a mode, if an unknown one.
            mode: unsafe { gst::TagMergeMode::from_glib(self.mode) },
        })
    }
}

/// An input as data.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedInput {
    /// See [`Input::Buffer`].
    Buffer(u32, buffers::PackedInput),
    /// See [`Input::List`].
    List(u32, Vec<buffers::PackedInput>),
    /// See [`Input::Event`].
    Event(PackedEvent),
}

/// An output as data.
#[derive(Debug, Serialize, Deserialize)]
pub enum PackedOutput {
    /// See [`Output::Buffer`].
    Buffer(Vec<u32>, buffers::PackedOutput),
    /// See [`Output::List`].
    List(Vec<u32>, buffers::PackedOutput),
    /// See [`Output::Event`].
    Event(PackedEvent),
    /// See [`Output::Query`]; with the number of the inquiry.
    Query(u32, PackedQuery),
    /// See [`Output::LeftOut`].
    LeftOut {
        /// The inputs.
        frames: Vec<u32>,
        /// How many buffers.
        buffers: u64,
        /// The times of the first and the last.
        times: [Option<u64>; 2],
    },
    /// See [`Output::Enough`].
    Enough(i32),
    /// See [`Output::Upstream`].
    Upstream(PackedEvent),
    /// See [`Output::Posted`].
    Posted(PackedPosted),
    /// See [`Output::Latency`].
    Latency,
    /// Nothing that could leave the child.
    Nothing,
}

impl Remote for RemoteHosted {
    const KIND: &'static str = "hosted";
    /// Tracers are for the element's process. The plugins are those that it knows: nothing
    /// is looked for again.
    const VARIABLES: &[(&str, &str)] = &[
        ("GST_TRACERS", ""),
        ("GST_REGISTRY_UPDATE", "no"),
        ("GST_REGISTRY_FORK", "no"),
    ];
    const SANDBOXED_AS: SessionKind = SessionKind::Hosted;

    type Codec = Hosted;
    type Config = Config;
    type PackedInput = PackedInput;
    type PackedOutput = PackedOutput;
    type Facts = Facts;
    type Talk = ChainTalk;

    fn policy(config: &Config) -> Policy {
        if config.is_hardware {
            Policy::Devices
        } else {
            Policy::Strict
        }
    }

    /// A chain keeps its inputs as long as it wants, and whoever sets `max-inside` knows how
    /// many. Inputs that became outputs can still be kept, as references.
    fn most_lent(config: &Config) -> usize {
        config
            .most_inside
            .map_or(usize::MAX, |most| MOST_LENT.max(2 * most as usize))
    }

    fn inputs(config: &Config) -> usize {
        if config.decodes { PACKETS } else { INPUTS }
    }

    /// Loads GStreamer, and the plugins that the chain is made of.
    fn prepare(config: &Config) -> Result<(), CodecError> {
        gst::init().map_err(|error| CodecError::Resource(error.to_string()))?;
        text_types();
        for part in &config.description.parts {
            let factory = originals::find(&part.factory);
            let loaded = factory.and_then(|factory| factory.load().ok());
            loaded.ok_or_else(|| {
                CodecError::Settings(format!(
                    "the child process does not find the element {}",
                    part.factory
                ))
            })?;
        }
        Ok(())
    }

    fn codec(config: Config, context: &ChildContext<Self>) -> Hosted {
        let events = &context.child.events;
        Hosted {
            description: config.description,
            most_inside: config.most_inside.map(|most| most as usize),
            decodes: config.decodes,
            from_key_frame: config.from_key_frame,
            in_force: config
                .in_force
                .iter()
                .filter_map(|event| events.unpack(event))
                .collect(),
            metadata: Metadata {
                tags: config.tags.and_then(|tags| tags.unpack()),
                toc: None,
            },
            // What it would tell has no form for the way to the parent.
            listens: false,
            outside: Arc::new(ThroughParent(context.clone())),
            entrance: context.child.entrance.clone(),
        }
    }

    fn pack_input(
        input: Input,
        lends: &Lends,
        lender: &mut Lender,
    ) -> Result<PackedInput, CodecError> {
        Ok(match input {
            Input::Buffer { id, buffer } => {
                PackedInput::Buffer(id, buffers::pack_input(buffer, lender)?)
            }
            Input::List { id, list } => {
                let buffers = list.iter_owned();
                let packed = buffers.map(|buffer| buffers::pack_input(buffer, lender));
                PackedInput::List(id, packed.collect::<Result<_, _>>()?)
            }
            Input::Event(event) => {
                lends.kept.keep_stream(&event);
                let portable = PackedEvent::of_portable(&event);
                let instead = || PackedEvent::new(&lends.kept.keep(event));
                PackedInput::Event(portable.unwrap_or_else(instead))
            }
        })
    }

    fn unpack_input(packed: PackedInput, context: &ChildContext<Self>) -> Result<Input, Broken> {
        let memory = &context.memory;
        Ok(match packed {
            PackedInput::Buffer(id, buffer) => Input::Buffer {
                id,
                buffer: buffers::unpack_input(buffer, memory)?,
            },
            PackedInput::List(id, list) => {
                let buffers = list.into_iter();
                let list = buffers.map(|buffer| buffers::unpack_input(buffer, memory));
                Input::List {
                    id,
                    list: list.collect::<Result<gst::BufferList, _>>()?,
                }
            }
            PackedInput::Event(event) => {
                let known = context.child.events.unpack(&event);
                let none = || Broken::new(format!("an event that cannot be read: {event:?}"));
                Input::Event(known.ok_or_else(none)?)
            }
        })
    }

    fn pack_output(output: Output, context: &ChildContext<Self>) -> PackedOutput {
        let memory = &context.memory;
        match output {
            Output::Buffer { frames, buffer, .. } => {
                PackedOutput::Buffer(frames, buffers::pack_output([buffer], memory))
            }
            Output::List { frames, list, .. } => {
                PackedOutput::List(frames, buffers::pack_output(list.iter_owned(), memory))
            }
            Output::Event(event) => {
                let portable = event.take().as_ref().and_then(PackedEvent::of_portable);
                portable.map_or(PackedOutput::Nothing, PackedOutput::Event)
            }
            Output::Query(pending) => pack_query(pending, context),
            Output::LeftOut(left_out) => {
                let time = |time: Option<gst::ClockTime>| time.map(gst::ClockTime::nseconds);
                PackedOutput::LeftOut {
                    frames: left_out.frames,
                    buffers: left_out.buffers,
                    times: [time(left_out.first_pts), time(left_out.last_pts)],
                }
            }
            Output::Enough(flow) => PackedOutput::Enough(flow.into_glib()),
            Output::Upstream(event) => PackedEvent::of_portable(&event)
                .map_or(PackedOutput::Nothing, PackedOutput::Upstream),
            // None goes into the chain of a child.
            Output::OutOfBand(_) => PackedOutput::Nothing,
            Output::Posted(posted) => {
                posted::pack(*posted).map_or(PackedOutput::Nothing, PackedOutput::Posted)
            }
            Output::Latency => PackedOutput::Latency,
        }
    }

    fn is_data(output: &PackedOutput) -> bool {
        matches!(output, PackedOutput::Buffer(..) | PackedOutput::List(..))
    }

    fn lacks_memory(output: &PackedOutput) -> Option<&str> {
        match output {
            PackedOutput::Buffer(_, buffers) | PackedOutput::List(_, buffers) => {
                buffers.lacks_memory()
            }
            _ => None,
        }
    }

    fn is_told(output: &PackedOutput) -> bool {
        use PackedOutput as P;
        matches!(
            output,
            P::Upstream(_) | P::Posted(_) | P::Latency | P::Nothing
        )
    }

    fn unpack_output(
        packed: PackedOutput,
        context: &ParentContext<Self>,
    ) -> Result<Output, Broken> {
        let given = &context.given;
        let event = |event: PackedEvent, fits: fn(&gst::Event) -> bool| {
            let event = event.unpack().filter(fits);
            event.ok_or_else(|| Broken::new("an event that a chain cannot send"))
        };
        Ok(match packed {
            PackedOutput::Buffer(frames, packed) => {
                let shared = packed.are_shared().then(|| context.copies());
                let buffers = buffers::unpack_output(packed, given)?;
                let [buffer] = <[gst::Buffer; 1]>::try_from(buffers)
                    .map_err(|buffers| Broken::new(format!("{} buffers as one", buffers.len())))?;
                Output::Buffer {
                    frames,
                    buffer,
                    shared,
                }
            }
            PackedOutput::List(frames, packed) => Output::List {
                frames,
                shared: packed.are_shared().then(|| context.copies()),
                list: buffers::unpack_output(packed, given)?.into_iter().collect(),
            },
            PackedOutput::Event(packed) => {
                let length = packed.length();
                let event = event(packed, goes_downstream)?;
                if !context.parent.sticky.take(&event, length) {
                    return Err(Broken::new(
                        "a custom event too many, or too long, in force",
                    ));
                }
                match context.parent.kept.give_back(event) {
                    Some(event) => Output::Event(EventOutput::new(event, &context.parent.lost)),
                    None => nothing(),
                }
            }
            PackedOutput::Query(number, query) => unpack_query(number, &query, context)?,
            PackedOutput::LeftOut {
                frames,
                buffers,
                times,
            } => {
                let time =
                    |time: Option<u64>| time.and_then(|time| gst::ClockTime::try_from(time).ok());
                Output::LeftOut(LeftOut {
                    frames,
                    buffers,
                    first_pts: time(times[0]),
                    last_pts: time(times[1]),
                })
            }
            PackedOutput::Enough(flow) if flow == gst::FlowError::Eos.into_glib() => {
                Output::Enough(gst::FlowError::Eos)
            }
            PackedOutput::Enough(flow) => {
                return Err(Broken::new(format!("the flow {flow} is no end of input")));
            }
            PackedOutput::Upstream(packed) => {
                let length = packed.length();
                let event = event(packed, goes_upstream)?;
                let answer = context.parent.sent.answer(event, length);
                answer.map_or_else(nothing, Output::Upstream)
            }
            PackedOutput::Posted(packed) => {
                let posted = posted::unpack(packed)?.map(Box::new);
                posted.map_or_else(nothing, Output::Posted)
            }
            PackedOutput::Latency => Output::Latency,
            PackedOutput::Nothing => nothing(),
        })
    }
}

/// An output that is none.
fn nothing() -> Output {
    Output::LeftOut(LeftOut::new(Vec::new(), &[]))
}

/// Makes the types known that are named in texts: those of caps, and those of metas, which
/// exist once somebody has asked for them.
fn text_types() {
    gst_video::VideoMultiviewFlags::static_type();
    gst_video::VideoMeta::meta_api();
    gst_video::VideoCropMeta::meta_api();
    gst_video::VideoCaptionMeta::meta_api();
    gst_video::VideoOverlayCompositionMeta::meta_api();
    gst_video::VideoRegionOfInterestMeta::meta_api();
    gst_audio::AudioMeta::meta_api();
    gst_audio::AudioClippingMeta::meta_api();
    // SAFETY: the function takes nothing, and may be called at any time.
    unsafe { gst_video::ffi::gst_video_multiview_flagset_get_type() };
}

/// Whether a chain may send an event in the stream. It must neither end nor flush it: the
/// element's own EOS passes when everything is out, and upstream's flush goes ahead.
fn goes_downstream(event: &gst::Event) -> bool {
    let ends = matches!(
        event.type_(),
        gst::EventType::Eos | gst::EventType::FlushStart | gst::EventType::FlushStop
    );
    event.is_downstream() && event.is_serialized() && !ends
}

/// Child: the answer comes back as what was found.
fn pack_query(pending: PendingQuery, context: &ChildContext<RemoteHosted>) -> PackedOutput {
    let (Some(query), reply) = pending.into_parts() else {
        return PackedOutput::Nothing;
    };
    let packed = PackedQuery::new(&query);
    let number = context.begin_inquiry(move |found| {
        let answered = match found {
            Some(Finding::Query(Some(answer))) => answer.unpack(&query),
            _ => None,
        };
        if let Some(reply) = reply {
            reply(answered);
        }
    });
    PackedOutput::Query(number, packed)
}

/// Parent.
fn unpack_query(
    number: u32,
    query: &PackedQuery,
    context: &ParentContext<RemoteHosted>,
) -> Result<Output, Broken> {
    let query = query.unpack().filter(|query| query.is_serialized());
    let query = query.ok_or_else(|| Broken::new("a query that has no place in a stream"))?;
    let finding = context.finding(number);
    Ok(Output::Query(PendingQuery::with_reply(
        query,
        move |answered| {
            let answer = answered.map(|mut query| queries::PackedAnswer::new(query.make_mut()));
            finding(Some(Finding::Query(answer)));
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_in_a_child_cannot_end_a_stream() {
        gst::init().unwrap();
        let caps = gst::event::Caps::new(&gst::Caps::new_empty_simple("video/x-raw"));
        assert!(goes_downstream(&caps));
        for event in [
            gst::event::Eos::new(),
            gst::event::FlushStart::new(),
            gst::event::FlushStop::new(true),
            gst::event::Reconfigure::new(),
        ] {
            assert!(!goes_downstream(&event), "{event:?}");
        }
        assert!(goes_upstream(&gst::event::Reconfigure::new()));
        assert!(!goes_upstream(&gst::event::FlushStart::new()));
        assert!(!goes_upstream(&caps));
    }

    fn config() -> Config {
        Config {
            description: Description::parse("identity").unwrap(),
            most_inside: None,
            decodes: false,
            from_key_frame: false,
            in_force: Vec::new(),
            tags: None,
            is_hardware: false,
        }
    }

    #[test]
    fn a_decoder_has_one_packet_more_on_its_way() {
        let inputs = |decodes| {
            RemoteHosted::inputs(&Config {
                decodes,
                ..config()
            })
        };
        assert_eq!([false, true].map(inputs), [INPUTS, PACKETS]);
    }

    #[test]
    fn a_chain_may_keep_as_many_inputs_as_may_be_inside() {
        let most = |most_inside| {
            RemoteHosted::most_lent(&Config {
                most_inside,
                ..config()
            })
        };
        assert_eq!([Some(1), Some(512)].map(most), [1024, 1024]);
        assert_eq!([Some(5000), None].map(most), [10_000, usize::MAX]);
    }
}
