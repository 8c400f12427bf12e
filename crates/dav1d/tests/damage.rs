// SPDX-License-Identifier: MPL-2.0
//! What a session gives for streams that are damaged: every picture from before
//! the damage, none that is built on it, and every one from the next key frame
//! on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test"
)]

mod common;

use codecwatch_av1::{ObuKind, Start, summarize};
use codecwatch_dav1d::{Chunk, Config, Damage, DamageCause, Dav1d, Decoded, Environment};
use codecwatch_supervisor::{Codec, Lane, Session};
use common::{
    Encoder, Random, decode,
    decode::decode_with,
    md5,
    mutate::damage,
    set::{SET, generate},
    skip,
    sources::Source,
    surgery,
};

const SMALL: Source = Source::new(160, 96, 12);
const KEY_EVERY_4: &[&str] = &["--kf-max-dist=4", "--kf-min-dist=4", "--lag-in-frames=0"];

/// One frame at a time, two, three, four.
const THREADS: [u32; 4] = [1, 2, 5, 16];

fn encoded(source: &Source, arguments: &[&str]) -> Option<Vec<Vec<u8>>> {
    Encoder::Aomenc.encode("damage", source, arguments)
}

fn threads(n_threads: u32) -> Config {
    Config {
        n_threads,
        ..Config::default()
    }
}

fn causes(damaged: &[Damage]) -> Vec<(u64, DamageCause)> {
    damaged
        .iter()
        .map(|damage| (damage.id, damage.cause))
        .collect()
}

fn ids(decoded: &common::Decoded) -> Vec<u64> {
    decoded.pictures.iter().map(|picture| picture.id).collect()
}

/// Unit 5 of 12 is broken by `breaks`: that one is damaged, 6 and 7 refer to
/// it, 8 is a key frame.
fn only_the_rest_of_the_group_is_lost(breaks: impl Fn(&[u8]) -> Vec<u8>) {
    use DamageCause::{Bitstream, Unreferenced};
    let Some(mut units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    units[5] = breaks(&units[5]);
    for n_threads in THREADS {
        let decoded = decode_with(&threads(n_threads), n_threads, &units);
        assert_eq!(
            ids(&decoded),
            [0, 1, 2, 3, 4, 8, 9, 10, 11],
            "{n_threads} threads"
        );
        let expected = whole.pictures[..5].iter().chain(&whole.pictures[8..]);
        assert_eq!(md5(&decoded.pictures), md5(expected), "{n_threads} threads");
        let mut causes = causes(&decoded.damaged);
        causes.sort_unstable_by_key(|(id, _)| *id);
        assert_eq!(
            causes,
            [(5, Bitstream), (6, Unreferenced), (7, Unreferenced)],
            "{n_threads} threads"
        );
        assert!(decoded.without_picture.is_empty());
    }
}

#[test]
fn a_truncated_unit_costs_the_rest_of_its_group() {
    only_the_rest_of_the_group_is_lost(|unit| unit[..unit.len() / 2].to_vec());
}

#[test]
fn a_frame_header_that_makes_no_sense_costs_the_rest_of_its_group() {
    // Shows a frame again that is not there.
    only_the_rest_of_the_group_is_lost(|_| {
        [surgery::obu(2, None, &[]), surgery::obu(6, None, &[0xf8])].concat()
    });
}

/// Cuts the tiles of a frame short, and its size with it: the headers parse, and
/// the error is found by the thread that decodes the tile.
fn short_tiles(unit: &[u8]) -> Vec<u8> {
    let shorten = |obu: &codecwatch_av1::Obu<'_>| match obu.kind {
        ObuKind::Frame => surgery::obu(6, None, &obu.payload[..obu.payload.len() * 2 / 3]),
        _ => obu.bytes.to_vec(),
    };
    surgery::split(unit).iter().flat_map(shorten).collect()
}

#[test]
fn an_error_in_a_tile_costs_the_rest_of_its_group() {
    only_the_rest_of_the_group_is_lost(short_tiles);
}

#[test]
fn a_damaged_key_frame_costs_its_group() {
    let Some(mut units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    units[4] = short_tiles(&units[4]);
    for n_threads in THREADS {
        let decoded = decode_with(&threads(n_threads), n_threads, &units);
        assert_eq!(
            ids(&decoded),
            [0, 1, 2, 3, 8, 9, 10, 11],
            "{n_threads} threads"
        );
        let expected = whole.pictures[..4].iter().chain(&whole.pictures[8..]);
        assert_eq!(md5(&decoded.pictures), md5(expected));
        let broken = decoded
            .damaged
            .iter()
            .filter(|damage| damage.cause == DamageCause::Bitstream);
        assert_eq!(broken.map(|damage| damage.id).collect::<Vec<_>>(), [4]);
    }
}

/// What comes of units as chunks that `change` has changed.
fn decode_chunks(
    n_threads: u32,
    units: &[Vec<u8>],
    change: impl Fn(&mut Vec<Chunk>),
) -> common::Decoded {
    let mut chunks = (0..)
        .zip(units)
        .map(|(id, unit)| Chunk::new(id, unit.clone()))
        .collect();
    change(&mut chunks);
    let (lane, outputs) = Lane::detached();
    let mut session = Dav1d::new(threads(n_threads), Environment::default())
        .open(&lane)
        .unwrap();
    for chunk in chunks {
        session.send(&lane, chunk).unwrap();
    }
    session.drain(&lane).unwrap();
    session.close(&lane).unwrap();
    let mut decoded = common::Decoded::default();
    decoded.take(outputs.try_iter());
    decoded
}

#[test]
fn an_input_that_could_not_be_read_costs_the_rest_of_its_group() {
    use DamageCause::{Bitstream, Unreferenced};
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    for n_threads in THREADS {
        let decoded = decode_chunks(n_threads, &units, |chunks| chunks[5] = Chunk::damaged(5));
        assert_eq!(ids(&decoded), [0, 1, 2, 3, 4, 8, 9, 10, 11]);
        let expected = whole.pictures[..5].iter().chain(&whole.pictures[8..]);
        assert_eq!(md5(&decoded.pictures), md5(expected), "{n_threads} threads");
        assert_eq!(
            causes(&decoded.damaged),
            [(5, Bitstream), (6, Unreferenced), (7, Unreferenced)],
            "{n_threads} threads"
        );
    }
}

#[test]
fn an_input_that_could_not_be_read_is_an_error_before_the_first_key_frame_too() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let decoded = decode_chunks(1, &units, |chunks| chunks[0] = Chunk::damaged(0));
    assert_eq!(ids(&decoded), (4..12).collect::<Vec<_>>());
    assert_eq!(decoded.damaged[0].cause, DamageCause::Bitstream);
    assert_eq!(decoded.damaged.len(), 4);
}

#[test]
fn inputs_that_are_missing_cost_the_rest_of_their_group() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    for n_threads in THREADS {
        let decoded = decode_chunks(n_threads, &units, |chunks| {
            chunks.remove(5);
            chunks[5].follows_loss = true;
            // Nothing that a key frame needs is missing.
            chunks[7].follows_loss = true;
        });
        assert_eq!(ids(&decoded), [0, 1, 2, 3, 4, 8, 9, 10, 11]);
        let expected = whole.pictures[..5].iter().chain(&whole.pictures[8..]);
        assert_eq!(md5(&decoded.pictures), md5(expected), "{n_threads} threads");
        let unreferenced = |damage: &Damage| damage.cause == DamageCause::Unreferenced;
        assert!(decoded.damaged.iter().all(unreferenced));
        assert_eq!(decoded.damaged.len(), 2, "{n_threads} threads");
    }
}

#[test]
fn a_loss_before_headers_alone_holds_for_the_frame_after_them() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let decoded = decode_chunks(1, &units, |chunks| {
        let mut delimiter = Chunk::new(100, surgery::obu(2, None, &[]));
        delimiter.follows_loss = true;
        chunks[5] = delimiter;
    });
    assert_eq!(ids(&decoded), [0, 1, 2, 3, 4, 8, 9, 10, 11]);
}

#[test]
fn a_stream_without_a_key_frame_gives_nothing_and_no_error() {
    let Some(units) = encoded(&SMALL, &["--lag-in-frames=0"]) else {
        return;
    };
    for n_threads in THREADS {
        let decoded = decode_with(&threads(n_threads), n_threads, &units[1..]);
        assert!(decoded.pictures.is_empty());
        let unreferenced = |damage: &Damage| damage.cause == DamageCause::Unreferenced;
        assert_eq!(decoded.damaged.len(), 11);
        assert!(decoded.damaged.iter().all(unreferenced));
    }
}

#[test]
fn a_sequence_header_that_came_once_is_enough_to_recover() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    let (header, mut units) = surgery::strip_headers(&units);
    units[0] = surgery::insert(&units[0], &header);
    units[5].truncate(9);
    for n_threads in THREADS {
        let decoded = decode_with(&threads(n_threads), n_threads, &units);
        assert_eq!(
            ids(&decoded),
            [0, 1, 2, 3, 4, 8, 9, 10, 11],
            "{n_threads} threads"
        );
        assert_eq!(md5(&decoded.pictures[5..]), md5(&whole.pictures[8..]));
    }
}

/// A hidden key frame, with frames before it in display order that refer to
/// what came before: where many streams can be entered.
#[test]
fn a_stream_can_be_entered_at_a_key_frame_that_is_shown_later() {
    let arguments = [
        "--lag-in-frames=19",
        "--enable-fwd-kf=1",
        "--kf-max-dist=16",
        "--kf-min-dist=16",
    ];
    let Some(units) = encoded(&Source::new(160, 96, 60), &arguments) else {
        return;
    };
    let whole = decode_with(&threads(1), 1, &units);
    let starts = |unit: &Vec<u8>| summarize(unit, false).start == Some(Start::Later);
    let Some(entry) = units.iter().position(starts) else {
        return skip("forward key frames", "such stream");
    };
    for n_threads in THREADS {
        let decoded = decode_with(&threads(n_threads), n_threads, &units[entry..]);
        assert!(
            decoded
                .damaged
                .iter()
                .all(|damage| damage.cause == DamageCause::Unreferenced)
        );
        let first = decoded.pictures[0].id;
        assert!(first > 0, "the key frame is shown later");
        let expected = whole
            .pictures
            .iter()
            .filter(|picture| picture.id >= first + entry as u64);
        assert_eq!(md5(&decoded.pictures), md5(expected), "{n_threads} threads");
    }
}

#[test]
fn pictures_beyond_the_size_limit_are_refused_before_memory_is_asked_for() {
    let Some(units) = encoded(&SMALL, KEY_EVERY_4) else {
        return;
    };
    let area = 160 * 96;
    for n_threads in THREADS {
        let limited = |limit| Config {
            frame_size_limit: limit,
            ..threads(n_threads)
        };
        let refused = decode(
            Dav1d::new(limited(area - 1), Environment::default()),
            &units,
        )
        .unwrap();
        assert!(refused.pictures.is_empty());
        let large = refused
            .damaged
            .iter()
            .filter(|damage| damage.cause == DamageCause::TooLarge);
        assert_eq!(large.map(|damage| damage.id).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(
            decode(Dav1d::new(limited(area), Environment::default()), &units)
                .unwrap()
                .pictures
                .len(),
            12
        );
    }
}

/// The quick sibling of `examples/damage.rs`, which says what it looks for.
#[test]
fn damage_at_random_never_reaches_a_whole_stream_behind_it() {
    const BASE: u64 = 1000;
    let streams = generate(SET);
    if streams.is_empty() {
        return;
    }
    let wholes: Vec<_> = streams
        .iter()
        .map(|(_, units)| decode_with(&threads(1), 1, units))
        .collect();
    let mut random = Random(20_261_122);
    for _ in 0..300 {
        let chosen = random.below(streams.len());
        let (name, units) = &streams[chosen];
        let other = &streams[random.below(streams.len())].1;
        let mut broken = units.clone();
        damage(&mut broken, other, &mut random);
        let n_threads = THREADS[random.below(THREADS.len())];

        let (lane, outputs) = Lane::detached();
        let mut session = Dav1d::new(threads(n_threads), Environment::default())
            .open(&lane)
            .unwrap();
        let numbered = (0..).zip(&broken).chain((BASE..).zip(units));
        let mut sent = Vec::new();
        for (id, unit) in numbered {
            sent.push(id);
            session.send(&lane, Chunk::new(id, unit.clone())).unwrap();
        }
        session.drain(&lane).unwrap();
        session.close(&lane).unwrap();

        let mut settled = Vec::new();
        let mut after = Vec::new();
        for output in outputs.try_iter() {
            let id = match output {
                Decoded::NoPicture { id } | Decoded::Damaged(Damage { id, .. }) => id,
                Decoded::Picture(picture) => {
                    let id = picture.id;
                    if id >= BASE {
                        after.push(*picture);
                    }
                    id
                }
            };
            settled.push(id);
        }
        assert_eq!(
            md5(&after),
            md5(&wholes[chosen].pictures),
            "{name}, {n_threads} threads"
        );
        settled.sort_unstable();
        settled.dedup();
        assert_eq!(
            settled, sent,
            "{name}, {n_threads} threads: every input is settled"
        );
    }
}
