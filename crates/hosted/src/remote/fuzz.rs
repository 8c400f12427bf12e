// SPDX-License-Identifier: MPL-2.0
//! Whatever a child says of events, queries, messages and buffers, the parent reads it
//! without a panic, without a critical message of GLib, and without handing on what harms
//! its readers: what passes is sent through real elements.
//!
//! `./dev test` does a little of it, always the same; `./dev fuzz protocol` more, by
//! `CODECWATCH_FUZZ_SECONDS`, each time from other seeds. `CODECWATCH_FUZZ_SEED` begins at
//! one; the last is in the file that is printed first.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use codecwatch_process::protocol::{self, FromChildOf, hear};
use codecwatch_process::{Hello, VERSION};
use codecwatch_supervisor::Amount;
use fastrand::Rng;
use gst::prelude::*;

use super::metas::PackedMeta;
use super::queries::PackedAnswer;
use super::talk::Inquiry;
use super::*;
use crate::outside::Outside;

/// Functions with which GStreamer's parser complains of a text, and takes it for none.
const PARSERS: [&str; 4] = [
    "gst_value_deserialize",
    "gst_value_set_",
    "gst_structure_new_empty: assertion 'gst_structure_validate_name",
    "gst_tag_list_new_from_string: assertion 'g_str_has_prefix",
];

/// What `./dev test` spends on it.
const SHORT: Duration = Duration::from_secs(3);

/// Elements that read what comes, on both sides of where it comes from.
struct Readers {
    pipeline: gst::Pipeline,
    downstream: gst::Pad,
}

impl Readers {
    fn new() -> Self {
        let pipeline = gst::parse::launch(
            "identity name=first ! videorate drop-only=true ! identity ! audioconvert ! fakesink \
             sync=false async=false",
        );
        // One that takes anything stands for those that look at what they know.
        let pipeline = pipeline.or_else(|_| {
            gst::parse::launch("identity name=first ! identity ! fakesink sync=false async=false")
        });
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let first = pipeline.by_name("first").unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            downstream: first.static_pad("sink").unwrap(),
            pipeline,
        }
    }

    fn event(&self, event: gst::Event) {
        read_event(&event);
        let _ = format!("{event:?}");
        self.downstream.send_event(event);
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Outside for Readers {
    fn query_upstream(&self, query: &mut gst::QueryRef) -> bool {
        read_query(query);
        self.downstream.query(query)
    }

    fn query_downstream(&self, query: &mut gst::QueryRef) -> bool {
        self.query_upstream(query)
    }

    fn send_upstream(&self, event: gst::Event) -> bool {
        read_event(&event);
        true
    }

    fn need_context(&self, _context_type: &str) {}

    fn contexts(&self) -> Vec<gst::Context> {
        Vec::new()
    }

    fn clock(&self) -> (Option<gst::Clock>, Option<gst::ClockTime>) {
        (None, None)
    }
}

/// Reads what an event says, as elements do.
fn read_event(event: &gst::EventRef) {
    use gst::EventView as V;
    match event.view() {
        V::StreamStart(it) => drop((it.stream_id().len(), it.stream_flags(), it.group_id())),
        V::Caps(it) => drop(it.caps().structure(0).map(|first| first.name().len())),
        V::Segment(it) => {
            let segment = it.segment();
            if let Some(time) = segment.downcast_ref::<gst::ClockTime>() {
                let _ = time.to_running_time(gst::ClockTime::SECOND);
                let _ = time.to_stream_time(gst::ClockTime::SECOND);
            }
        }
        V::Tag(it) => drop(it.tag().to_string()),
        V::Buffersize(it) => drop(it.get()),
        V::Protection(it) => {
            let (_, data, _) = it.get();
            let _ = data.size();
        }
        V::SegmentDone(it) => drop(it.get()),
        V::Gap(it) => drop((it.get(), it.gap_flags())),
        V::InstantRateChange(it) => drop(it.get()),
        V::InstantRateSyncTime(it) => drop((it.running_time(), it.upstream_running_time())),
        V::StreamGroupDone(it) => drop(it.group_id()),
        V::Qos(it) => drop(it.get()),
        V::Seek(it) => drop((it.get(), it.trickmode_interval())),
        V::Latency(it) => drop(it.latency()),
        V::Step(it) => drop(it.get()),
        V::TocSelect(it) => drop(it.uid().len()),
        V::SelectStreams(it) => drop(it.streams()),
        V::Toc(it) => drop(it.toc().0.entries()),
        V::StreamCollection(it) => drop(it.stream_collection().len()),
        _ => drop(event.structure().map(ToString::to_string)),
    }
}

/// Does with caps what elements do when they negotiate. (Subtracting is left out: GStreamer
/// 1.22 aborts for any two ranges with different steps.)
fn use_caps(caps: gst::Caps) {
    let others: [gst::Caps; 2] = [
        "video/x-raw, width=(int)[ 2, 4096, 2 ], height=(int){ 16, 32 }, framerate=(fraction)[ 0/1, 60/1 ]",
        "audio/x-raw, rate=(int)[ 1, max ], channels=(int)[ 1, 8 ]",
    ]
    .map(|text| text.parse().unwrap());
    for other in others {
        let mut both = caps.intersect(&other);
        both.simplify();
        let _ = caps.is_subset(&other) || other.can_intersect(&caps);
    }
    let mut fixed = caps;
    if !fixed.is_any() && !fixed.is_empty() {
        fixed.fixate();
    }
}

/// Reads what a query says, as elements do.
fn read_query(query: &gst::QueryRef) {
    use gst::QueryView as V;
    match query.view() {
        V::Position(it) => drop((it.format(), it.result())),
        V::Duration(it) => drop((it.format(), it.result())),
        V::Latency(it) => drop(it.result()),
        V::Seeking(it) => drop(it.result()),
        V::Segment(it) => drop(it.result()),
        V::Convert(it) => drop((it.get(), it.result())),
        V::Formats(it) => drop(it.result()),
        V::Buffering(it) => drop((it.percent(), it.range(), it.stats())),
        V::Uri(it) => drop((it.uri(), it.redirection())),
        V::Scheduling(it) => drop((it.result(), it.scheduling_modes())),
        V::AcceptCaps(it) => drop((
            it.caps().structure(0).map(|it| it.name().len()),
            it.result(),
        )),
        V::Caps(it) => {
            let both = [it.filter_owned(), it.result_owned()];
            both.into_iter().flatten().for_each(use_caps);
        }
        V::Allocation(it) => drop((it.get_owned(), it.allocation_pools().count())),
        V::Bitrate(it)
            if query
                .structure()
                .is_some_and(|it| it.has_field("nominal-bitrate")) =>
        {
            let _ = it.bitrate();
        }
        _ => {}
    }
    let _ = format!("{query:?}");
}

/// Texts of which the right ones are made, and what harms who does not look.
fn seeds() -> Vec<String> {
    let fields = fields::samples();
    let mut texts: Vec<String> = fields.map(|sample| text::text_of(&sample)).collect();
    texts.extend(
        [
            "GstEventToc, updated=(boolean)true",
            "GstEventStreamCollection, collection=(GstStreamCollection)NULL",
            "GstMessageEvent",
            "GstEventTag, taglist=(taglist)\"taglist, title=(string)a, image=(sample){ }\"",
            "custom, a=(structure)\"b, c=(structure)\\\"d, e=(int)1\\\"\"",
            "GstQueryScheduling, modes=(GArray)NULL",
            "codecwatch-kept, number=(guint64)1",
        ]
        .map(str::to_owned),
    );
    texts
}

const PIECES: [&str; 24] = [
    "(int)",
    "(string)",
    "(GstCaps)ANY",
    "(GstCaps)\"EMPTY\"",
    "(guint64)18446744073709551615",
    "NULL",
    "{ 1, 2 }",
    "< 1, 2 >",
    "[ 1, 2 ]",
    "[ 1, 2, 3 ]",
    "{{{{{{{{",
    "((((",
    "\\",
    "\"",
    ";",
    "(structure)",
    "(GstBuffer)00",
    "(taglist)",
    "(GstSegment)\"\"",
    "(fraction)1/0",
    "(double)nan",
    "(bitmask)0xffffffffffffffff",
    "(GstFormat)",
    ", caps=(int)1",
];

fn changed(random: &mut Rng, text: &str) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..random.usize(0..4) {
        let at = random.usize(..=text.len());
        let end = (at + random.usize(..30)).min(text.len());
        match random.u8(..6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let again = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            2 if at < text.len() => text[at] = random.char(' '..'~'),
            3 if at < text.len() => text[at] = random.char(..),
            _ => {
                let piece = PIECES[random.usize(..PIECES.len())];
                let replaced = if random.bool() { at..end } else { at..at };
                text.splice(replaced, piece.chars());
            }
        }
    }
    text.into_iter().collect()
}

struct Speaker<'a> {
    random: Rng,
    seeds: &'a [String],
}

impl Speaker<'_> {
    fn text(&mut self) -> String {
        let seed = &self.seeds[self.random.usize(..self.seeds.len())];
        changed(&mut self.random, seed)
    }

    /// Most often of the kind that the text belongs to.
    fn event(&mut self) -> PackedEvent {
        let samples = fields::event_samples();
        let (kind, sample) = &samples[self.random.usize(..samples.len())];
        let kind = match self.random.u8(..5) {
            0 => self.random.i32(..),
            _ => kind.into_glib(),
        };
        let text = match (self.random.u8(..5), sample) {
            (0, _) => Some(self.text()),
            (1, _) => None,
            (_, Some(sample)) => Some(changed(&mut self.random, &text::text_of(sample))),
            _ => None,
        };
        PackedEvent::raw(kind, self.random.u32(..), self.random.i64(..), text)
    }

    fn query(&mut self) -> PackedQuery {
        let caps = |it: &mut Self| it.random.bool().then(|| it.caps());
        match self.random.u8(..6) {
            0 => PackedQuery::Allocation {
                caps: caps(self),
                need_pool: self.random.bool(),
            },
            1 => PackedQuery::Caps { filter: caps(self) },
            _ => {
                let samples = fields::query_samples();
                let (kind, sample) = &samples[self.random.usize(..samples.len())];
                let kind = match self.random.u8(..5) {
                    0 => self.random.i32(..),
                    _ => kind.into_glib(),
                };
                let text = match self.random.u8(..5) {
                    0 => Some(self.text()),
                    1 => None,
                    _ => Some(changed(&mut self.random, &text::text_of(sample))),
                };
                PackedQuery::Other {
                    kind,
                    structure: text,
                }
            }
        }
    }

    fn caps(&mut self) -> String {
        let caps = [
            "video/x-raw, format=(string)I420, width=(int)16, height=(int)16, framerate=(fraction)25/1",
            "audio/x-raw, format=(string)S16LE, layout=(string)interleaved, rate=(int)48000, channels=(int)2",
            "ANY",
            "EMPTY",
            "video/x-raw(memory:VAMemory), width=(int)[ 1, 100 ]; video/x-raw",
        ];
        let of = self.random.usize(..caps.len());
        changed(&mut self.random, caps[of])
    }

    fn number(&mut self) -> u32 {
        match self.random.u8(..4) {
            0 => self.random.u32(..),
            _ => self.random.u32(..64),
        }
    }

    fn meta(&mut self) -> PackedMeta {
        let long = |it: &mut Self| match it.random.u8(..4) {
            0 => it.random.u64(..),
            _ => it.random.u64(..300),
        };
        match self.random.u8(..9) {
            0 => PackedMeta::Video {
                flags: self.random.u32(..),
                format: ["I420", "NV12", "RGBA", "GRAY8", "v210", "ENCODED", "x"]
                    [self.random.usize(..7)]
                .to_owned(),
                width: self.number(),
                height: self.number(),
                offsets: (0..self.random.usize(..6)).map(|_| long(self)).collect(),
                strides: (0..self.random.usize(..6))
                    .map(|_| self.random.i32(-40..40))
                    .collect(),
            },
            1 => PackedMeta::Crop([0; 4].map(|_| self.number())),
            2 => PackedMeta::Caption {
                kind: self.random.u32(..6),
                data: vec![1; self.random.usize(..9)],
            },
            3 => PackedMeta::Region {
                kind: self.text(),
                rectangle: [0; 4].map(|_| self.number()),
            },
            4 => PackedMeta::Audio {
                caps: self.caps(),
                samples: long(self),
                offsets: (0..self.random.usize(..4)).map(|_| long(self)).collect(),
            },
            5 => PackedMeta::AudioClipping {
                format: self.random.i32(-1..8),
                start: self.random.u64(..),
                end: self.random.u64(..),
            },
            6 => PackedMeta::UserData {
                uuid: [7; 16],
                data: vec![1; self.random.usize(..9)],
            },
            7 => PackedMeta::ReferenceTimestamp {
                reference: self.caps(),
                timestamp: self.random.u64(..),
                duration: self.random.bool().then(|| self.random.u64(..)),
            },
            _ => PackedMeta::Custom {
                name: "CodecwatchFuzz".to_owned(),
                structure: self.text(),
            },
        }
    }

    fn buffer(&mut self) -> buffers::PackedOutput {
        let metas = (0..self.random.usize(..3)).map(|_| self.meta()).collect();
        let time = |it: &mut Self| it.random.bool().then(|| it.random.u64(..));
        let times = [time(self), time(self), time(self)];
        let bytes = vec![1; self.random.usize(..800)];
        buffers::PackedOutput::raw(bytes, times, self.random.u32(..), metas)
    }

    fn output(&mut self) -> PackedOutput {
        match self.random.u8(..12) {
            0 | 1 => PackedOutput::Buffer(vec![self.number()], self.buffer()),
            2 => PackedOutput::List(Vec::new(), vec![self.buffer(), self.buffer()]),
            3..6 => PackedOutput::Event(self.event()),
            6 | 7 => PackedOutput::Query(self.number(), self.query()),
            8 => PackedOutput::Upstream(self.event()),
            9 => PackedOutput::Enough(self.random.i32(-7..2)),
            10 => {
                let (text, kind) = (self.text(), self.random.u8(..));
                PackedOutput::Posted(posted::PackedPosted::raw(kind, text, &mut self.random))
            }
            _ => PackedOutput::LeftOut {
                frames: vec![self.number()],
                buffers: self.random.u64(..),
                times: [self.random.bool().then(|| self.random.u64(..)), None],
            },
        }
    }

    /// One message that is wrong ends a session, so a speech is short.
    fn speech(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut say = |message: &FromChildOf<RemoteHosted>| {
            let _ = protocol::encode(&mut bytes, message);
        };
        say(&FromChildOf::<RemoteHosted>::Ready(Hello {
            version: VERSION.to_owned(),
            kind: RemoteHosted::KIND.to_owned(),
        }));
        for _ in 0..self.random.usize(1..6) {
            match self.random.u8(..8) {
                0 => say(&FromChildOf::<RemoteHosted>::Inquires {
                    number: self.number(),
                    inquiry: match self.random.bool() {
                        true => Inquiry::Query {
                            upstream: self.random.bool(),
                            query: self.query(),
                        },
                        false => Inquiry::Event(self.event()),
                    },
                }),
                1 => say(&FromChildOf::<RemoteHosted>::Facts(Facts::from((
                    self.random.u64(..),
                    self.random.bool().then(|| self.random.u64(..)),
                )))),
                2 => say(&FromChildOf::<RemoteHosted>::Told(self.output())),
                _ => say(&FromChildOf::<RemoteHosted>::Output(
                    self.output(),
                    Amount::NONE,
                )),
            }
        }
        bytes
    }

    /// An answer to a question that the parent has put.
    fn answer(&mut self) {
        let samples = fields::query_samples();
        let (_, sample) = &samples[self.random.usize(..samples.len())];
        let question = match self.random.u8(..4) {
            0 => PackedQuery::Caps { filter: None },
            1 => PackedQuery::Allocation {
                caps: None,
                need_pool: true,
            },
            _ => self.query(),
        };
        let Some(question) = question.unpack() else {
            return;
        };
        let answer = match self.random.u8(..4) {
            0 => PackedAnswer::Caps(self.caps()),
            1 => PackedAnswer::Allocation {
                pools: vec![(self.random.u32(..), self.number(), self.number())],
                metas: vec![("GstVideoMetaAPI".to_owned(), Some(self.text()))],
            },
            2 => PackedAnswer::Other(Some(self.text())),
            _ => PackedAnswer::Other(Some(changed(&mut self.random, &text::text_of(sample)))),
        };
        if let Some(answered) = answer.unpack(&question) {
            read_query(&answered);
        }
    }
}

fn read_output(output: Output, readers: &Readers) {
    match output {
        Output::Buffer { buffer, .. } => {
            let mapped = buffer.map_readable().unwrap();
            assert!(mapped.iter().map(|&byte| u64::from(byte)).sum::<u64>() < 1 << 20);
        }
        Output::Event(event) => drop(event.take().map(|event| readers.event(event))),
        Output::Query(pending) => pending.put(|query| readers.query_upstream(query)),
        Output::Upstream(event) => read_event(&event),
        other => drop(format!("{other:?}")),
    }
}

#[test]
fn whatever_a_child_says_harms_nobody() {
    gst::init().unwrap();
    // The handler tells those of the parser from the others.
    gst::glib::log_set_always_fatal(gst::glib::LogLevels::LEVEL_ERROR);
    let criticals = std::sync::Arc::new(AtomicU64::new(0));
    let seen = criticals.clone();
    gst::glib::log_set_default_handler(move |domain, level, text| {
        use gst::glib::LogLevel as L;
        let of_parser = PARSERS.iter().any(|parser| text.starts_with(parser));
        if matches!(level, L::Critical | L::Error) && !of_parser {
            eprintln!("{}: {text}", domain.unwrap_or_default());
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|it| it.parse::<u64>().ok())
    };
    let seconds = number("CODECWATCH_FUZZ_SECONDS");
    let time = seconds.map_or(SHORT, Duration::from_secs);
    let first = number("CODECWATCH_FUZZ_SEED").unwrap_or_else(|| match seconds {
        None => 1,
        // Apart from each other by more than what a run comes to.
        Some(_) => u64::from(std::process::id()) << 32,
    });
    let last = tempfile::NamedTempFile::new().unwrap();
    let (last, path) = last.keep().unwrap();
    println!("seeds from {first}; the last is in {}", path.display());
    let texts = seeds();
    let readers = Arc::new(Readers::new());
    let began = Instant::now();
    let mut rounds = 0;
    let mut mistakes = 0_u64;
    while began.elapsed() < time {
        let seed = first.wrapping_add(rounds);
        // A crash leaves it there.
        last.write_all_at(format!("{seed:20}").as_bytes(), 0)
            .unwrap();
        let mut speaker = Speaker {
            random: Rng::with_seed(seed),
            seeds: &texts,
        };
        let lends = Lends::new(readers.clone(), Arc::default(), "last".to_owned());
        let bytes = speaker.speech();
        let heard = hear::<RemoteHosted>(lends, [], &bytes).unwrap();
        mistakes += u64::from(heard.mistake.is_some());
        for output in heard.outputs {
            read_output(output, &readers);
        }
        speaker.answer();
        let criticals = criticals.load(Ordering::Relaxed);
        assert_eq!(criticals, 0, "seed {seed}: a critical message");
        rounds += 1;
    }
    println!("{rounds} speeches, {mistakes} of them with a mistake");
    // Otherwise nothing was read but the first.
    assert!(mistakes < rounds);
    std::fs::remove_file(path).unwrap();
}
