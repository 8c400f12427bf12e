// SPDX-License-Identifier: MPL-2.0
//! Names in what a child says. Before GStreamer 1.26, each name of a structure, a field, a
//! feature or a region of interest that has ever been read stays in the process as long as
//! that lives. So few names are taken that nobody here has used before.
//!
//! The scanner follows the grammar of GStreamer's text form closely enough to find every
//! name: with what it does not know it takes more for names than there are.

use std::sync::atomic::{AtomicUsize, Ordering};

use gst::glib;

/// Longest new name, in bytes. GStreamer's own have 40 at most.
const LONGEST: usize = 64;
/// The most new names of all children, as long as this process lives: some 400 kB. GStreamer
/// has several hundred of which a process has not read most, and a classifier of pictures
/// has a thousand for its regions.
const MOST: usize = 4096;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Takes a name, if it is known or there is room for it.
pub(super) fn take(name: &str) -> bool {
    take_as_one_of(&TAKEN, name)
}

fn take_as_one_of(taken: &AtomicUsize, name: &str) -> bool {
    if glib::Quark::try_from_str(name).is_some() {
        return true;
    }
    let one_more = |taken: usize| (taken < MOST).then_some(taken + 1);
    let counted = || taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    let is_taken = name.len() <= LONGEST && counted().is_ok();
    if is_taken {
        // It counts once.
        glib::Quark::from_str(name);
    }
    is_taken
}

/// Takes all names that GStreamer's parser finds in a text.
pub(super) fn take_all(text: &str) -> bool {
    scan(text.as_bytes())
}

/// What the type of a value says of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No type: where a structure begins, or its next field.
    Unknown,
    /// It is read as it is.
    Text,
    /// It has names in it.
    Nested,
    /// The same; what is in its quotes is not unescaped.
    Plain,
    /// It is features.
    Features,
    /// It is a word or a number.
    Word,
}

fn kind(type_: &str) -> Kind {
    match type_ {
        "string" | "str" | "s" | "gchararray" => Kind::Text,
        "structure" | "GstStructure" | "caps" | "GstCaps" | "taglist" | "GstTagList" | "sample"
        | "GstSample" => Kind::Nested,
        "GstCapsFeatures" => Kind::Features,
        "GstSegment" => Kind::Plain,
        _ => Kind::Word,
    }
}

fn scan(text: &[u8]) -> bool {
    let is_between = |byte: &u8| *byte == b'\\' || byte.is_ascii_whitespace();
    let mut now = Kind::Unknown;
    // Those of the items of lists.
    let mut items = Vec::new();
    let mut before = 0;
    let mut rest = text;
    while let [first, others @ ..] = rest {
        let length = rest.iter().take_while(|byte| is_in_name(byte)).count();
        if length > 0 {
            let (name, after) = rest.split_at(length);
            rest = after;
            let next = after.iter().find(|byte| !is_between(byte));
            let name = std::str::from_utf8(name).unwrap_or_default();
            let is_name = match (before, next) {
                (_, Some(b'=')) => true,
                (b'=', _) => false,
                _ => !matches!(now, Kind::Text | Kind::Word),
            };
            if is_name && !take(name) {
                return false;
            }
            before = b'a';
            continue;
        }
        rest = others;
        match first {
            byte if is_between(byte) => continue,
            b'"' => {
                let Some((inside, after)) = quoted(others) else {
                    return false;
                };
                rest = after;
                let are_taken = match now {
                    Kind::Text => true,
                    Kind::Plain => scan(inside),
                    Kind::Features => unescaped(inside).is_some_and(|it| take_features(&it)),
                    _ => unescaped(inside).is_some_and(|inside| scan(&inside)),
                };
                if !are_taken {
                    return false;
                }
            }
            b'(' => {
                let Some((kind, after)) = in_parentheses(others) else {
                    return false;
                };
                (now, rest) = (kind, after);
            }
            b'=' | b';' => now = Kind::Unknown,
            b',' => now = items.last().copied().unwrap_or(Kind::Unknown),
            b'{' | b'<' | b'[' => items.push(now),
            b'}' | b'>' | b']' => drop(items.pop()),
            _ => {}
        }
        before = *first;
    }
    true
}

/// A type, or features: the kind of the type, and what is behind it. (GStreamer takes any
/// text for the name of a feature.)
fn in_parentheses(text: &[u8]) -> Option<(Kind, &[u8])> {
    let end = text.iter().position(|byte| *byte == b')')?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let type_ = std::str::from_utf8(inside).ok()?;
    take_features(inside).then_some((kind(type_), after))
}

/// Takes features, or the name of a type.
fn take_features(text: &[u8]) -> bool {
    text.split(|byte| *byte == b',').all(|name| {
        let name = name.trim_ascii_start();
        let is_name = !name.is_empty() && name.iter().all(is_in_name);
        is_name && std::str::from_utf8(name).is_ok_and(take)
    })
}

/// Characters of which names consist.
fn is_in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-+/:.".contains(byte)
}

/// What is before a closing quote, and what is behind it.
pub(super) fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// `None` if it has characters by their numbers: what names consist of is never written so.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut unescaped = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            unescaped.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'0'..=b'7') => return None,
            next => unescaped.extend(next),
        }
    }
    Some(unescaped)
}

/// For the fuzzer, which has more to say.
#[cfg(test)]
pub(super) fn forget() {
    TAKEN.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many times a text has to be in quotes inside another.
    fn nested(text: &str, levels: usize) -> String {
        let mut text = text.to_owned();
        for _ in 0..levels {
            let mut inside = gst::Structure::new_empty("known");
            inside.set("text", text);
            text = inside.to_string().replacen("(string)", "(structure)", 1);
        }
        text
    }

    fn is_known(name: &str) -> bool {
        glib::Quark::try_from_str(name).is_some()
    }

    #[test]
    fn names_are_found_wherever_the_parser_finds_them() {
        gst::init().unwrap();
        let long = |tail: &str| format!("{}-{tail}", "n".repeat(LONGEST));
        for (at, form) in [
            "N, a=(int)1",
            "a, N=(int)1",
            "a, N =(int)1",
            "a, N\\ =(int)1",
            "\"N\", a=(int)1",
            "a, b=(structure)N",
            "a, b=(structure)\"N\\,\\ c\\=\\(int\\)1\"",
            "a, b=(structure)\"c\\,\\ N\\=\\(int\\)1\"",
            "a, b=(structure)[c, N=(int)1]",
            "a, b=(structure){ c, N }",
            "a, b=(structure){ (string)c, N }",
            "a, b=(structure)< c, \"N\" >",
            "a, b=(string)\"c\", N=(int)1",
            "a, b=(string){ c, \"d\" }, N=(int)1",
            "a, b=(GstCaps)\"c; N, d=(int)1\"",
            "a, b=(GstCaps)\"c(N), d=(int)1\"",
            "a, b=(GstCaps)\"c(memory:A, N)\"",
            "a, b=(taglist)\"taglist, N=(string)c\"",
            "a, b=(GstCapsFeatures)N",
            "a, b=(GstCapsFeatures)\"c, N\"",
            "a, b=(GstSegment)\"c, N=(int)1\"",
            "a, b=(GstSegment)\"N\\c\"",
            "a(N N)",
        ]
        .into_iter()
        .enumerate()
        {
            for levels in 0..3 {
                let name = long(&format!("{at}-{levels}"));
                let text = nested(&form.replace('N', &name), levels);
                assert!(!take_all(&text), "{text}");
                // What is refused is not read.
                assert!(super::super::text::structure(Some(&text)).is_none());
                assert!(!is_known(&name), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_name_may_be_long() {
        gst::init().unwrap();
        let long = "v".repeat(2 * LONGEST);
        for form in [
            "caps, format=(string)N",
            "caps, format=(string)\"N, N=N (N); N\"",
            "caps, format=(string){ N, \"N, N\", N }",
            "caps, format=(buffer)N",
            "caps, format=(GstVideoMultiviewFlagsSet)0:ffffffff:/N",
        ] {
            let text = form.replace('N', &long);
            assert!(take_all(&text), "{text}");
        }
        // As GStreamer writes it.
        let inside = gst::Structure::builder("inside");
        let inside = inside.field("format", format!("{long}, {long}=\u{e9}\n"));
        let outside = gst::Structure::builder("outside");
        let text = outside.field("inside", inside.build()).build().to_string();
        assert!(take_all(&text), "{text}");
        assert!(!is_known(&long));
    }

    #[test]
    fn new_names_are_few_and_known_ones_are_no_new_ones() {
        gst::init().unwrap();
        let count = AtomicUsize::new(0);
        let take = |name: &str| take_as_one_of(&count, name);
        let name = |number: usize| format!("new-name-{number}");
        let taken = (0..2 * MOST).filter(|&number| take(&name(number)));
        assert_eq!(taken.count(), MOST);
        glib::Quark::from_str("known-before");
        assert!(take(&name(0)) && take("known-before"));
        assert!(!is_known(&name(MOST)));
    }

    #[test]
    fn characters_by_their_numbers_are_in_strings_only() {
        gst::init().unwrap();
        assert!(take_all("caps, format=(string)\"\\303\\251\""));
        assert!(!take_all("caps, caps=(structure)\"\\143aps\""));
    }
}
