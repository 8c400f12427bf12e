// SPDX-License-Identifier: MPL-2.0
//! What a session gives for what it gets, when all is well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use codecwatch_av1::{ChromaPosition, Color, ContentLight, MasteringDisplay};
use codecwatch_dav1d::{
    Allocation, Chunk, Config, Dav1d, Dav1dSession, Decoded, Environment, Facts, PageAllocator,
    Picture, PictureAllocator, PictureLayout, PictureMemory, PictureShape, T35,
};
use codecwatch_supervisor::{
    Budgets, CloseResult, Codec, CodecError, Drained, Flush, Lane, Next, Options, Run, Session,
};
use common::{Encoder, decode, decode::decode_with, md5, skip, sources::Source, surgery};

const SMALL: Source = Source::new(160, 96, 12);
const LOW_DELAY: &[&str] = &["--rt", "--lag-in-frames=0"];
const KEY_EVERY_4: &[&str] = &["--kf-max-dist=4", "--kf-min-dist=4", "--lag-in-frames=0"];
const REORDERED: &[&str] = &["--lag-in-frames=19", "--auto-alt-ref=1"];

fn encoded(source: &Source, arguments: &[&str]) -> Option<Vec<Vec<u8>>> {
    Encoder::Aomenc.encode("a session", source, arguments)
}

fn threads(n_threads: u32) -> Config {
    Config {
        n_threads,
        ..Config::default()
    }
}

fn decoder(config: Config) -> Dav1d {
    Dav1d::new(config, Environment::default())
}

fn decoding_into(config: Config, allocator: Arc<dyn PictureAllocator>) -> Dav1d {
    let environment = Environment {
        allocator,
        ..Environment::default()
    };
    Dav1d::new(config, environment)
}

/// A session with its lane.
struct Rig {
    lane: Lane<Decoded>,
    outputs: std::sync::mpsc::Receiver<Decoded>,
    session: Dav1dSession,
    next: u64,
    drained: Drained,
}

impl Rig {
    fn open(codec: Dav1d) -> Self {
        let (lane, outputs) = Lane::detached();
        let session = codec.open(&lane).unwrap();
        Self {
            lane,
            outputs,
            session,
            next: 0,
            drained: Drained::Reusable,
        }
    }

    /// Sends a unit; answers what came out by then.
    fn send(&mut self, unit: &[u8]) -> Vec<Decoded> {
        self.session
            .send(&self.lane, Chunk::new(self.next, unit.to_vec()))
            .unwrap();
        self.next += 1;
        self.outputs.try_iter().collect()
    }

    fn drain(&mut self) -> Vec<Decoded> {
        self.drained = self.session.drain(&self.lane).unwrap();
        self.outputs.try_iter().collect()
    }
}

fn pictures(outputs: impl IntoIterator<Item = Decoded>) -> Vec<Picture> {
    let mut decoded = common::Decoded::default();
    decoded.take(outputs.into_iter());
    assert_eq!(decoded.damaged, []);
    decoded.pictures
}

/// The facts that a session publishes when it has been opened.
fn facts(n_threads: u32) -> Facts {
    let options = Options {
        budgets: Budgets::default(),
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    };
    let run = Run::start(decoder(threads(n_threads)), options).unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let facts = loop {
        match run.facts::<Facts>() {
            Some(facts) => break *facts,
            None => assert!(Instant::now() < end, "no facts"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(matches!(run.next(), Next::FactsChanged));
    assert!(matches!(run.close(), CloseResult::Closed));
    facts
}

#[test]
fn a_session_says_first_how_many_frames_it_works_on() {
    // The square root, rounded up.
    for (n_threads, frames) in [(1, 1), (2, 2), (5, 3), (16, 4)] {
        assert_eq!(facts(n_threads).frame_delay, frames);
    }
}

#[test]
fn as_many_pictures_are_held_back_as_the_session_said() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    for n_threads in [1, 2, 5, 16] {
        let mut rig = Rig::open(decoder(threads(n_threads)));
        let held_back = facts(n_threads).held_back;
        let counts: Vec<_> = units
            .iter()
            .map(|unit| pictures(rig.send(unit)).len())
            .collect();
        let expected: Vec<_> = (0..units.len())
            .map(|unit| usize::from(unit >= held_back))
            .collect();
        assert_eq!(counts, expected, "{n_threads} threads");
        assert_eq!(pictures(rig.drain()).len(), held_back);
    }
}

#[test]
fn every_input_is_settled_once_and_in_order() {
    let Some(units) = encoded(&Source::new(160, 96, 30), REORDERED) else {
        return;
    };
    let frames: Vec<Vec<u8>> = units
        .iter()
        .flat_map(|unit| surgery::split(unit))
        .map(|obu| obu.bytes.to_vec())
        .collect();
    for n_threads in [1, 2, 5] {
        let mut rig = Rig::open(decoder(threads(n_threads)));
        let mut outputs: Vec<_> = frames.iter().flat_map(|frame| rig.send(frame)).collect();
        outputs.extend(rig.drain());
        let settled: Vec<u64> = outputs
            .iter()
            .map(|output| match output {
                Decoded::Picture(picture) => picture.id,
                Decoded::NoPicture { id } => *id,
                Decoded::Damaged(damage) => panic!("{damage:?}"),
            })
            .collect();
        assert_eq!(
            settled,
            (0..frames.len() as u64).collect::<Vec<_>>(),
            "{n_threads} threads"
        );
        assert_eq!(pictures(outputs).len(), 30);
    }
}

#[test]
fn a_unit_with_several_pictures_gives_them_all_at_once() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let expected = md5(&decode_with(&threads(1), 1, &units).pictures);
    let joined = units.concat();
    for n_threads in [1, 2, 5] {
        let mut rig = Rig::open(decoder(threads(n_threads)));
        let held_back = facts(n_threads).held_back;
        let mut all = pictures(rig.send(&joined));
        assert_eq!(
            all.len(),
            12 - held_back,
            "{n_threads} threads: none waits for more input"
        );
        all.extend(pictures(rig.drain()));
        assert_eq!(md5(&all), expected);
    }
}

#[test]
fn references_survive_a_drain() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    for n_threads in [1, 2, 5] {
        let mut rig = Rig::open(decoder(threads(n_threads)));
        let mut all = Vec::new();
        for unit in &units {
            all.extend(pictures(rig.send(unit)));
            all.extend(pictures(rig.drain()));
            if rig.drained == Drained::Spent {
                assert!(
                    n_threads > 1,
                    "one frame at a time leaves nothing to go wrong"
                );
                return skip("references after a drain", "dav1d that can go on");
            }
        }
        assert_eq!(
            md5(&all),
            md5(&decode_with(&threads(1), 1, &units).pictures)
        );
    }
}

#[test]
fn nothing_from_before_a_flush_comes_out_after_it() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    for n_threads in [1, 2, 5] {
        let mut rig = Rig::open(decoder(threads(n_threads)));
        for _ in 0..20 {
            for unit in &units[..3] {
                rig.send(unit);
            }
            assert_eq!(rig.session.flush(&rig.lane).unwrap(), Flush::Done);
        }
        rig.outputs.try_iter().for_each(drop);
        let lost = rig.send(&units[3]);
        assert!(
            matches!(lost[..], [Decoded::Damaged(_)]),
            "it refers to what was flushed"
        );
        rig.next = 0;
        let mut after: Vec<_> = units[8..].iter().flat_map(|unit| rig.send(unit)).collect();
        after.extend(rig.drain());
        let after = pictures(after);
        assert_eq!(
            after.iter().map(|picture| picture.id).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
        assert_eq!(md5(&after), md5(&whole.pictures[8..]));
    }
}

#[test]
fn headers_of_the_container_serve_a_stream_that_has_none() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let (header, stripped) = surgery::strip_headers(&units);
    let whole = decode_with(&threads(1), 1, &units);
    let codec = decoder(Config {
        headers: header,
        ..threads(2)
    });
    let decoded = decode(codec, &stripped).unwrap();
    assert_eq!(decoded.damaged, []);
    assert_eq!(md5(&decoded.pictures), md5(&whole.pictures));
    let without = decode(decoder(threads(2)), &stripped).unwrap();
    assert!(without.pictures.is_empty());
    assert_eq!(without.damaged.len(), 12);
}

#[test]
fn colour_is_told() {
    let arguments = [
        "--color-primaries=bt2020",
        "--transfer-characteristics=smpte2084",
        "--matrix-coefficients=bt2020ncl",
        "--chroma-sample-position=colocated",
    ];
    let Some(units) = encoded(&SMALL, &arguments) else {
        return;
    };
    let picture = &decode_with(&threads(1), 1, &units).pictures[0];
    let expected = Color {
        primaries: 9,
        transfer: 16,
        matrix: 9,
        full_range: false,
        chroma_position: ChromaPosition::TopLeft,
    };
    assert_eq!(picture.shape().color, expected);
}

#[test]
fn metadata_of_the_bitstream_comes_with_the_pictures() {
    let Some(mut units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let mastering: Vec<u8> = (1..=8_u16)
        .flat_map(u16::to_be_bytes)
        .chain([0, 0, 3, 0, 0, 0, 0, 5])
        .collect();
    let extra = [
        surgery::metadata(1, &[0x03, 0xe8, 0x01, 0x90]),
        surgery::metadata(2, &mastering),
        surgery::metadata(4, &[0xb5, 1, 2, 3]),
        surgery::metadata(4, &[0xff, 7, 4, 5]),
    ];
    units[0] = surgery::insert(&units[0], &extra.concat());
    for n_threads in [1, 2, 5] {
        let decoded = decode_with(&threads(n_threads), n_threads, &units);
        let [first, second] = [&decoded.pictures[0], &decoded.pictures[1]];
        assert_eq!(
            first.content_light,
            Some(ContentLight {
                max: 1000,
                max_frame_average: 400
            })
        );
        let expected = MasteringDisplay {
            primaries: [[1, 2], [3, 4], [5, 6]],
            white_point: [7, 8],
            max_luminance: 0x300,
            min_luminance: 5,
        };
        assert_eq!(first.mastering_display, Some(expected));
        assert_eq!(
            second.content_light, first.content_light,
            "it applies until it is replaced"
        );
        let long = T35 {
            country_code: 0xff,
            country_code_extension: 7,
            payload: vec![4, 5],
        };
        assert_eq!(first.t35.last(), Some(&long));
        assert!(first.t35.len() == 2 || cfg!(not(dav1d_t35_array)) && first.t35.len() == 1);
        assert!(second.t35.is_empty(), "a message applies to one frame");
    }
}

/// Hands out heap memory and counts.
#[derive(Default)]
struct Counting {
    pages: PageAllocator,
    asked: AtomicUsize,
}

struct Ticket(usize);

impl PictureAllocator for Counting {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        let ticket = Ticket(self.asked.fetch_add(1, Ordering::Relaxed));
        let allocation = self.pages.allocate(shape)?;
        Some(Allocation {
            handle: Some(Box::new(ticket)),
            ..allocation
        })
    }
}

#[test]
fn pictures_come_in_the_allocators_memory_with_its_handle() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let allocator = Arc::new(Counting::default());
    let decoded = decode(decoding_into(threads(2), allocator.clone()), &units).unwrap();
    let tickets: Vec<_> = decoded
        .pictures
        .iter()
        .map(|picture| picture.handle::<Ticket>().unwrap().0)
        .collect();
    assert_eq!(tickets, (0..12).collect::<Vec<_>>());
    assert!(decoded.pictures[0].handle::<String>().is_none());
    assert_eq!(allocator.asked.load(Ordering::Relaxed), 12);
}

#[test]
fn memory_is_given_back_once_nobody_refers_to_it() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let mut rig = Rig::open(decoder(threads(1)));
    let picture = Box::new(pictures(rig.send(&units[0])).remove(0));
    let picture = picture
        .into_memory()
        .err()
        .expect("the key frame is a reference of dav1d's");
    rig.session.close(&rig.lane).unwrap();
    let mut memory = picture.into_memory().expect("dav1d is closed");
    assert!(!memory.bytes().is_empty());
}

#[test]
fn a_picture_outlives_its_session() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let mut rig = Rig::open(decoder(threads(2)));
    let mut all: Vec<_> = units.iter().flat_map(|unit| rig.send(unit)).collect();
    all.extend(rig.drain());
    // Without a close: as after a panic.
    drop(rig);
    let sum = std::thread::spawn(move || md5(&pictures(all)))
        .join()
        .unwrap();
    assert_eq!(sum, md5(&decode_with(&threads(1), 1, &units).pictures));
}

/// What an allocator does instead of giving memory that serves.
struct Failing(Allocate);

type Allocate = fn(&PictureShape) -> Option<Allocation>;

impl PictureAllocator for Failing {
    fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
        self.0(shape)
    }
}

struct Bytes(Vec<u8>);

impl PictureMemory for Bytes {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[test]
fn memory_that_is_not_to_be_had_ends_the_session_with_the_reason() {
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    let cases: [(Allocate, &str); 3] = [
        (|_| None, "no memory for a 160x96 picture"),
        (|_| panic!("an allocator that panics"), "panicked"),
        (
            |_| {
                let layout = PictureLayout {
                    offsets: [0; 3],
                    strides: [256; 3],
                    size: 100,
                };
                Some(Allocation {
                    memory: Box::new(Bytes(vec![0; 100])),
                    layout,
                    handle: None,
                })
            },
            "is not usable",
        ),
    ];
    for (fails, reason) in cases {
        for n_threads in [1, 2] {
            let codec = decoding_into(threads(n_threads), Arc::new(Failing(fails)));
            let error = decode(codec, &units).unwrap_err();
            assert!(
                matches!(&error, CodecError::Resource(text) if text.contains(reason)),
                "{error}"
            );
        }
    }
}

/// While frames are in work, dav1d says nothing about an error in a frame whose
/// arrival makes an earlier one come out.
#[test]
fn memory_that_is_not_to_be_had_once_is_not_passed_over() {
    struct Once(AtomicUsize, PageAllocator);
    impl PictureAllocator for Once {
        fn allocate(&self, shape: &PictureShape) -> Option<Allocation> {
            (self.0.fetch_add(1, Ordering::Relaxed) != 6).then(|| self.1.allocate(shape))?
        }
    }
    let Some(units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    for n_threads in [1, 2, 5] {
        let once = Arc::new(Once(AtomicUsize::new(0), PageAllocator::default()));
        let ended = decode(decoding_into(threads(n_threads), once), &units);
        assert!(
            matches!(ended, Err(CodecError::Resource(_))),
            "{n_threads} threads"
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn dav1ds_log_goes_to_the_sink() {
    let Some(mut units) = encoded(&SMALL, LOW_DELAY) else {
        return;
    };
    // Its sizes are right, so that it reaches dav1d.
    let cut = surgery::obu(6, None, &[0x30]);
    units[3] = [surgery::obu(2, None, &[]), cut].concat();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let log = Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
    let environment = Environment {
        log: Some(log),
        ..Environment::default()
    };
    decode(Dav1d::new(threads(1), environment), &units).unwrap();
    let lines = lines.lock().unwrap();
    // What it says of that damage differs from version to version.
    let says = |line: &String| line.contains("Error parsing OBU") || line.contains("Overrun");
    assert!(lines.iter().any(says), "{lines:?}");
}

#[test]
fn an_empty_input_is_settled_without_a_picture() {
    let mut rig = Rig::open(decoder(threads(2)));
    rig.send(&[]);
    assert!(matches!(rig.drain()[..], [Decoded::NoPicture { id: 0 }]));
}
