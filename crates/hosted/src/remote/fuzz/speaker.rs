// SPDX-License-Identifier: MPL-2.0
//! What a child might say: the right texts, changed.

use codecwatch_process::protocol::{self, FromChildOf};
use codecwatch_process::{Hello, Remote, VERSION};
use codecwatch_supervisor::Amount;
use fastrand::Rng;
use gst::glib::translate::IntoGlib;

use super::super::events::PackedEvent;
use super::super::metas::PackedMeta;
use super::super::queries::{PackedAnswer, PackedQuery};
use super::super::talk::Inquiry;
use super::super::{PackedOutput, RemoteHosted, buffers, fields, posted, text};
use super::readers::{PICTURE, PICTURES, SAMPLES, read_query};
use crate::session::Facts;

/// Texts of which the right ones are made, and what harms who does not look.
pub(super) fn seeds() -> Vec<String> {
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

/// A text that is nearly the right one.
pub(super) fn changed(random: &mut Rng, text: &str) -> String {
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

pub(super) struct Speaker<'a> {
    pub(super) random: Rng,
    pub(super) seeds: &'a [String],
    /// The number of the block that a child gets first.
    pub(super) first_block: u32,
}

impl Speaker<'_> {
    fn text(&mut self) -> String {
        let seed = &self.seeds[self.random.usize(..self.seeds.len())];
        changed(&mut self.random, seed)
    }

    /// Most often of the kind that the text belongs to.
    fn event(&mut self) -> PackedEvent {
        if self.random.u8(..5) == 0 {
            let caps = gst::Structure::builder("caps")
                .field("caps", self.caps())
                .build();
            // As a field, with its quotes and escapes.
            let text = caps
                .to_string()
                .replacen("caps=(string)", "caps=(GstCaps)", 1);
            let kind = gst::EventType::Caps.into_glib();
            return PackedEvent::raw(kind, self.random.u32(..), 0, Some(text));
        }
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
            PICTURES,
            SAMPLES,
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
        // Many are pictures of the size that the readers' streams begin with.
        let size = match self.random.bool() {
            true => PICTURE,
            false => self.random.usize(..800),
        };
        let bytes = vec![1; size];
        let buffer = buffers::PackedOutput::raw(bytes, times, self.random.u32(..), metas);
        match self.random.u8(..4) {
            0 => {
                let block = self.first_block.wrapping_add(self.random.u32(..2));
                buffer.in_block(protocol::block(block))
            }
            _ => buffer,
        }
    }

    fn output(&mut self) -> PackedOutput {
        match self.random.u8(..12) {
            0 | 1 => PackedOutput::Buffer(vec![self.number()], self.buffer()),
            2 => PackedOutput::List(Vec::new(), self.buffer().and(self.buffer())),
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
    pub(super) fn speech(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut say = |message: &FromChildOf<RemoteHosted>| {
            let _ = protocol::encode(&mut bytes, message);
        };
        say(&FromChildOf::<RemoteHosted>::Ready(Hello {
            version: VERSION.to_owned(),
            kind: RemoteHosted::KIND.to_owned(),
        }));
        for _ in 0..self.random.usize(..3) {
            let len = self.random.u64(1..1 << 17);
            say(&FromChildOf::<RemoteHosted>::NeedsBlock { len });
        }
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
    pub(super) fn answer(&mut self) {
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
