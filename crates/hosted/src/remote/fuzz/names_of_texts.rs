// SPDX-License-Identifier: MPL-2.0
//! GStreamer's parser makes no name known that was not counted before.

use std::ffi::CStr;
use std::time::Instant;

use fastrand::Rng;
use gst::glib;

use super::super::{names, scan, text};
use super::speaker::{changed, seeds};
use super::time_and_seed;

/// Forms in which names lie within others.
const FORMS: [&str; 6] = [
    "a, b=(structure){ \"c, d=(int)1\", e }, f=(string){ \"g, h=i\", j }",
    "a, b=(structure)[ c, d=(string)\"e, f\", g=(structure)[ h ] ]",
    "a, b=(GstCaps)\"c(memory:D, meta:E), f=(string){ g, h }; i, j=(int)[ 1, 2 ]\"",
    "a, b=(taglist)\"taglist, c=(string){ \\\"d, e\\\", f }\"",
    "\"a\", b=(GstCapsFeatures)memory:C, d=(GstSegment)\"GstSegment, e=(int)1\"",
    "a(memory:B), c=(fraction){ 1/2, 3/4 }; d(E, F), g=(buffer)00ff",
];

/// The name behind a number; `None` if that is one too many.
fn name(number: u32) -> Option<String> {
    // SAFETY: any number can be asked for.
    let name = unsafe { glib::ffi::g_quark_to_string(number) };
    if name.is_null() {
        return None;
    }
    // SAFETY: a name ends with a zero, and stays.
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}

/// Whether the parser can be blamed for what becomes known: no other test runs meanwhile.
fn is_alone() -> bool {
    std::env::var_os("NEXTEST").is_some() || std::env::var_os("CODECWATCH_FUZZ_SECONDS").is_some()
}

#[test]
fn the_parser_finds_no_name_that_was_not_counted() {
    if !is_alone() {
        return;
    }
    gst::init().unwrap();
    // The parser says what it thinks of some.
    glib::log_set_always_fatal(glib::LogLevels::LEVEL_ERROR);
    glib::log_set_default_handler(|_, _, _| {});
    let (time, first) = time_and_seed();
    let mut texts = seeds();
    texts.extend(FORMS.map(str::to_owned));
    let (mut last, mut read, mut rounds) = (1, 0_u64, 0);
    let began = Instant::now();
    while began.elapsed() < time {
        let mut random = Rng::with_seed(first.wrapping_add(rounds));
        rounds += 1;
        let right = random.usize(..texts.len());
        let mut text = changed(&mut random, &texts[right]);
        for number in 0..random.usize(..3) {
            text = with_new_name(&mut random, &text, &format!("new{rounds}-{number}"));
        }
        for _ in 0..random.usize(..3) {
            let inside = gst::Structure::builder("inside").field("text", &text);
            text = inside.build().to_string();
            text = text.replacen("(string)", "(structure)", 1);
        }
        names::forget();
        if !scan::is_harmless(&text) {
            continue;
        }
        while name(last + 1).is_some() {
            last += 1;
        }
        read += u64::from(text::structure(Some(&text)).is_some());
        read += u64::from(text::caps(&text).is_some());
        let plain = text.replace('\\', "");
        while let Some(name) = name(last + 1) {
            last += 1;
            assert!(!plain.contains(&name), "{name:?} of {text}");
        }
    }
    println!("{rounds} texts from {first}, {read} read");
    assert!(read > 0);
}

/// The text with one of its words replaced.
fn with_new_name(random: &mut Rng, text: &str, name: &str) -> String {
    let is_word = |(_, character): &(usize, char)| character.is_ascii_alphabetic();
    let words: Vec<_> = text.char_indices().filter(is_word).collect();
    let Some(&(start, _)) = random.choice(&words) else {
        return text.to_owned();
    };
    let ends = |character: char| !character.is_ascii_alphanumeric();
    let end = text[start..]
        .find(ends)
        .map_or(text.len(), |len| start + len);
    format!("{}{name}{}", &text[..start], &text[end..])
}
