// SPDX-License-Identifier: MPL-2.0
//! Which fields events and queries have.
//!
//! GStreamer's functions, and the elements that call them, read a field of an event or a
//! query without looking whether it is there and of which type it is. So one that comes
//! from another process has to have the fields of one that GStreamer has made here: those
//! are the samples in this file. Fields that no sample has are left out, since a newer
//! GStreamer may read them in the same way.

use std::sync::LazyLock;

use gst::glib;

use super::text::is_nothing;

/// What an event or a query of one kind looks like.
struct Sample {
    /// What it has to have.
    required: Option<gst::Structure>,
    /// What it may have.
    known: Option<gst::Structure>,
}

impl Sample {
    /// The structure without the fields that are not known. `None` if one is missing or
    /// of another type.
    #[allow(clippy::option_option, reason = "some kinds have no structure")]
    fn of(&self, structure: Option<gst::Structure>) -> Option<Option<gst::Structure>> {
        let Some(known) = &self.known else {
            return Some(None);
        };
        let Some(mut structure) = structure else {
            let needs_none = self.required.as_ref().is_none_or(|it| it.iter().len() == 0);
            return needs_none.then(|| Some(gst::Structure::new_empty(known.name())));
        };
        structure.set_name(known.name());
        let is_there = |(name, sample): (&glib::GStr, &glib::SendValue)| {
            structure.value(name).is_ok_and(|value| fits(value, sample))
        };
        let required = self.required.iter().flat_map(|required| required.iter());
        if !required.into_iter().all(is_there) {
            return None;
        }
        structure.filter_map_in_place(|name, value| {
            let sample = known.value(name.as_str()).ok()?;
            fits(&value, sample).then_some(value)
        });
        Some(Some(structure))
    }
}

/// Whether a field can take the place of the sample's.
fn fits(value: &glib::Value, sample: &glib::Value) -> bool {
    if value.type_() != sample.type_() || (is_nothing(value) && !is_nothing(sample)) {
        return false;
    }
    let (Ok(items), Ok(samples)) = (value.get::<gst::List>(), sample.get::<gst::List>()) else {
        return true;
    };
    let first = samples.first().map(|sample| sample.type_());
    items
        .iter()
        .all(|item| Some(item.type_()) == first && !is_nothing(item))
}

/// The structure of an event of this kind, without what is not known. `None` if it cannot
/// be one.
#[allow(clippy::option_option, reason = "some kinds have no structure")]
pub(super) fn of_event(
    kind: gst::EventType,
    structure: Option<gst::Structure>,
) -> Option<Option<gst::Structure>> {
    use gst::EventType as T;
    match kind {
        // Whatever it says: who reads it looks.
        T::Navigation
        | T::CustomUpstream
        | T::CustomDownstream
        | T::CustomDownstreamOob
        | T::CustomDownstreamSticky
        | T::CustomBoth
        | T::CustomBothOob => structure.map(Some),
        _ => {
            let (_, sample) = EVENTS.iter().find(|(known, _)| *known == kind)?;
            sample.of(structure)
        }
    }
}

/// The same for a question.
pub(super) fn of_question(
    kind: gst::QueryType,
    structure: Option<gst::Structure>,
) -> Option<gst::Structure> {
    of_query(kind, structure, |samples| &samples.question)
}

/// The same for an answer: the question's fields, and what was found.
pub(super) fn of_answer(
    kind: gst::QueryType,
    structure: Option<gst::Structure>,
) -> Option<gst::Structure> {
    of_query(kind, structure, |samples| &samples.answer)
}

fn of_query(
    kind: gst::QueryType,
    structure: Option<gst::Structure>,
    which: fn(&Samples) -> &Sample,
) -> Option<gst::Structure> {
    if kind == gst::QueryType::Custom {
        return structure;
    }
    let (_, samples) = QUERIES.iter().find(|(known, _)| *known == kind)?;
    which(samples).of(structure)?
}

fn sample_of_event(bare: &gst::Event, full: &gst::Event) -> (gst::EventType, Sample) {
    let structure = |event: &gst::Event| event.structure().map(ToOwned::to_owned);
    let sample = Sample {
        required: structure(bare),
        known: structure(full),
    };
    (bare.type_(), sample)
}

/// Those that have a text form. Collections of streams, tables of contents and messages
/// have none.
static EVENTS: LazyLock<Vec<(gst::EventType, Sample)>> = LazyLock::new(|| {
    use gst::event as e;
    let alone = |event: gst::Event| sample_of_event(&event, &event);
    let second = gst::ClockTime::SECOND;
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let protected = gst::Buffer::from_slice([0_u8]);
    let seek = |interval: Option<gst::ClockTime>| {
        let seek = e::Seek::builder(
            1.0,
            gst::SeekFlags::FLUSH,
            gst::SeekType::Set,
            second,
            gst::SeekType::None,
            gst::ClockTime::NONE,
        );
        match interval {
            Some(interval) => seek.trickmode_interval(interval).build(),
            None => seek.build(),
        }
    };
    vec![
        alone(e::FlushStart::new()),
        alone(e::FlushStop::new(true)),
        sample_of_event(
            &e::StreamStart::new("id"),
            &e::StreamStart::builder("id")
                .flags(gst::StreamFlags::SPARSE)
                .group_id(gst::GroupId::next())
                .build(),
        ),
        alone(e::Caps::new(&gst::Caps::new_empty_simple("video/x-raw"))),
        alone(e::Segment::new(&segment)),
        alone(e::Tag::new(gst::TagList::new())),
        alone(e::Buffersize::new(second, second, false)),
        alone(e::StreamGroupDone::new(gst::GroupId::next())),
        alone(e::Eos::new()),
        sample_of_event(
            &e::Protection::new("id", &protected),
            &e::Protection::builder("id", &protected)
                .origin("origin")
                .build(),
        ),
        alone(e::SegmentDone::new(second)),
        sample_of_event(
            &e::Gap::new(second, second),
            &e::Gap::builder(second)
                .duration(second)
                .gap_flags(gst::GapFlags::DATA)
                .build(),
        ),
        alone(e::InstantRateChange::new(1.0, gst::SegmentFlags::empty())),
        alone(e::Qos::new(gst::QOSType::Underflow, 1.0, 0, second)),
        sample_of_event(&seek(None), &seek(Some(second))),
        alone(e::Latency::new(second)),
        alone(e::Step::new(second, 1.0, false, false)),
        alone(e::Reconfigure::new()),
        alone(e::TocSelect::new("id")),
        alone(e::SelectStreams::new(["id"])),
        alone(e::InstantRateSyncTime::new(1.0, second, second)),
    ]
});

/// What a query of one kind looks like.
struct Samples {
    question: Sample,
    answer: Sample,
}

/// Those without a form of their own.
static QUERIES: LazyLock<Vec<(gst::QueryType, Samples)>> = LazyLock::new(|| {
    use gst::query as q;
    let second = gst::ClockTime::SECOND;
    let time = gst::Format::Time;
    let structure = |query: &gst::QueryRef| query.structure().map(ToOwned::to_owned);
    let alone = |query: &gst::QueryRef| Sample {
        required: structure(query),
        known: structure(query),
    };
    // Those whose answer has other fields than the question: it has to, or it can.
    let same = |query: &gst::QueryRef| {
        let (question, answer) = (alone(query), alone(query));
        (query.type_(), Samples { question, answer })
    };
    let has = |question: &gst::QueryRef, answer: &gst::QueryRef| {
        let (question, answer) = (alone(question), alone(answer));
        Samples { question, answer }
    };
    let can_have = |question: &gst::QueryRef, answer: &gst::QueryRef| {
        let answer = Sample {
            required: structure(question),
            known: structure(answer),
        };
        let question = alone(question);
        Samples { question, answer }
    };
    let mut formats = q::Formats::new();
    formats.set([time]);
    let mut uri = q::Uri::new();
    uri.set_uri("file:///a");
    uri.set_redirection("file:///b", false);
    let mut bitrate = q::Bitrate::new();
    bitrate.set_bitrate(1);
    let caps = gst::Caps::new_empty_simple("video/x-raw");
    let mut accept_caps = q::AcceptCaps::new(&caps);
    accept_caps.set_result(true);
    vec![
        same(&q::Position::new(time)),
        same(&q::Duration::new(time)),
        same(&q::Latency::new()),
        same(&q::Seeking::new(time)),
        same(&q::Segment::new(time)),
        same(&q::Convert::new(second, time)),
        (
            gst::QueryType::Formats,
            can_have(&q::Formats::new(), &formats),
        ),
        same(&q::Buffering::new(time)),
        (gst::QueryType::Uri, can_have(&q::Uri::new(), &uri)),
        same(&q::Scheduling::new()),
        (
            gst::QueryType::AcceptCaps,
            has(&q::AcceptCaps::new(&caps), &accept_caps),
        ),
        same(&q::Drain::new()),
        (gst::QueryType::Bitrate, has(&q::Bitrate::new(), &bitrate)),
    ]
});

/// For the fuzzer: the structures of all samples.
#[cfg(test)]
pub(super) fn samples() -> impl Iterator<Item = gst::Structure> {
    let events = EVENTS.iter().map(|(_, sample)| sample);
    let queries = QUERIES.iter().map(|(_, samples)| &samples.answer);
    events
        .chain(queries)
        .filter_map(|sample| sample.known.clone())
}

#[cfg(test)]
pub(super) fn event_samples() -> Vec<(gst::EventType, Option<gst::Structure>)> {
    let samples = EVENTS.iter();
    samples
        .map(|(kind, sample)| (*kind, sample.known.clone()))
        .collect()
}

#[cfg(test)]
pub(super) fn query_samples() -> Vec<(gst::QueryType, gst::Structure)> {
    let samples = QUERIES.iter();
    samples
        .filter_map(|(kind, samples)| Some((*kind, samples.answer.known.clone()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: gst::EventType, text: &str) -> Option<Option<gst::Structure>> {
        gst::init().unwrap();
        of_event(kind, Some(text.parse().unwrap()))
    }

    #[test]
    fn an_event_without_the_fields_of_its_kind_is_none() {
        use gst::EventType as T;
        for (kind, text) in [
            (T::Caps, "GstEventCaps"),
            (T::Caps, "GstEventCaps, caps=(int)1"),
            (T::Caps, "GstEventCaps, caps=(string)video/x-raw"),
            (T::StreamStart, "GstEventStreamStart, stream-id=(int)1"),
            (T::Tag, "taglist"),
            (T::Gap, "GstEventGap, timestamp=(int)1"),
            (
                T::SelectStreams,
                "GstEventSelectStreams, streams=(int){ 1 }",
            ),
            (T::Toc, "GstEventToc, updated=(boolean)true"),
            (T::StreamCollection, "GstEventStreamCollection"),
            (T::SinkMessage, "message"),
        ] {
            assert!(event(kind, text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_an_event_has_besides_is_left_out() {
        let caps = "GstEventCaps, caps=(GstCaps)\"video/x-raw\", more=(int)1";
        let left = event(gst::EventType::Caps, caps).unwrap().unwrap();
        assert_eq!(
            left.iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["caps"]
        );
        let custom = event(gst::EventType::CustomDownstream, "any, more=(int)1");
        assert_eq!(custom.unwrap().unwrap().get("more"), Ok(1));
        // What is known and of another type.
        let start =
            "GstEventStreamStart, stream-id=(string)a, flags=(GstStreamFlags)0, group-id=(string)b";
        let left = event(gst::EventType::StreamStart, start).unwrap().unwrap();
        assert!(
            left.has_field("stream-id") && !left.has_field("group-id"),
            "{left:?}"
        );
    }

    #[test]
    fn a_question_has_its_fields_and_no_others() {
        gst::init().unwrap();
        let read = |text: &str| text.parse::<gst::Structure>().ok();
        let modes = "GstQueryScheduling, flags=(GstSchedulingFlags)0, minsize=(int)1, maxsize=(int)-1, align=(int)0, modes=(int)1";
        let asked = of_question(gst::QueryType::Scheduling, read(modes)).unwrap();
        assert!(!asked.has_field("modes"), "{asked:?}");
        let formats = "GstQueryFormats, formats=(int){ 1 }";
        let asked = of_question(gst::QueryType::Formats, read(formats)).unwrap();
        assert!(!asked.has_field("formats"), "{asked:?}");
        let bitrate = "GstQueryBitrate";
        assert!(of_question(gst::QueryType::Bitrate, read(bitrate)).is_some());
        assert!(of_answer(gst::QueryType::Bitrate, read(bitrate)).is_none());
        let formats = "GstQueryFormats, formats=(GstFormat){ time }";
        let answered = of_answer(gst::QueryType::Formats, read(formats)).unwrap();
        assert!(answered.has_field("formats"), "{answered:?}");
        for (kind, text) in [
            (
                gst::QueryType::Position,
                "GstQueryPosition, format=(int)3, current=(gint64)1",
            ),
            (
                gst::QueryType::AcceptCaps,
                "GstQueryAcceptCaps, result=(boolean)true",
            ),
        ] {
            assert!(of_question(kind, read(text)).is_none(), "{text}");
        }
    }
}
