// SPDX-License-Identifier: MPL-2.0
//! Looks at GStreamer's text form before its parser does. That calls itself for each level of
//! what is nested, trusts the digits of buffers, and makes every name known for as long as
//! the process lives.
//!
//! The scanner follows the grammar closely enough to find all of it: with what it does not
//! know it takes more for names than there are, and what two readers could understand
//! differently it refuses.

use super::names::take;

/// Longest text, in bytes: tags with an image in them are long.
const LONGEST_TEXT: usize = 16 << 20;
/// Most levels of lists, arrays, ranges and types. Caps have three; the parser's frames
/// for this many take some 20 kB of stack.
pub(super) const DEEPEST: usize = 64;

/// Whether GStreamer's parser can be given a text. The names in it are taken.
pub(super) fn is_harmless(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && scan(text.as_bytes(), 0)
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
    /// It is bytes, as hexadecimal digits.
    Bytes,
    /// It is not read at all.
    Refused,
}

fn kind(type_: &str) -> Kind {
    match type_ {
        "string" | "str" | "s" | "gchararray" | "GStrv" => Kind::Text,
        "structure" | "GstStructure" | "caps" | "GstCaps" | "taglist" | "GstTagList" => {
            Kind::Nested
        }
        "GstCapsFeatures" => Kind::Features,
        "GstSegment" => Kind::Plain,
        // The parser uses memory that it has freed where a digit is wrong (GStreamer 1.22).
        "buffer" | "GstBuffer" => Kind::Bytes,
        // Images in tags: buffers and caps in an encoding.
        "sample" | "GstSample" => Kind::Refused,
        _ => Kind::Word,
    }
}

/// `depth`: the levels around it.
fn scan(text: &[u8], depth: usize) -> bool {
    if depth > DEEPEST {
        return false;
    }
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
                _ => !matches!(now, Kind::Text | Kind::Word | Kind::Bytes),
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
                    Kind::Plain => scan(inside, depth + items.len() + 1),
                    Kind::Features => unescaped(inside).is_some_and(|it| take_features(&it)),
                    _ => unescaped(inside)
                        .is_some_and(|inside| scan(&inside, depth + items.len() + 1)),
                };
                if !are_taken {
                    return false;
                }
            }
            b'(' => {
                let Some((kind, after)) = in_parentheses(others) else {
                    return false;
                };
                let is_right = match kind {
                    Kind::Bytes => is_hexadecimal(after),
                    kind => kind != Kind::Refused,
                };
                if !is_right {
                    return false;
                }
                (now, rest) = (kind, after);
            }
            b'=' | b';' => now = Kind::Unknown,
            b',' => now = items.last().copied().unwrap_or(Kind::Unknown),
            b'{' | b'<' => {
                items.push(now);
                if depth + items.len() > DEEPEST {
                    return false;
                }
            }
            b'}' | b'>' => drop(items.pop()),
            b'[' => {
                let Some(after) = behind_range(others) else {
                    return false;
                };
                rest = after;
            }
            _ => {}
        }
        before = *first;
    }
    true
}

/// What is behind a range of numbers. Structures and caps in brackets, which GStreamer reads
/// and does not write, are none: it looks for their end without regard to quotes, and so
/// finds another one than whoever reads the quotes.
fn behind_range(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| *byte == b']')?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let is_digit = |byte: &u8| byte.is_ascii_digit() || b"+-.".contains(byte);
    // "1e308", "inf".
    let is_in_number = |byte: &u8| is_digit(byte) || b" \\,/eEinf".contains(byte);
    // A name begins with a letter.
    let first = inside.iter().find(|byte| !b" \\".contains(byte));
    let is_range = first.is_some_and(is_digit) && inside.iter().all(is_in_number);
    is_range.then_some(after)
}

/// A type, or features: the kind of the type, and what is behind it. (GStreamer takes any
/// text for the name of a feature.)
fn in_parentheses(text: &[u8]) -> Option<(Kind, &[u8])> {
    let end = text.iter().position(|byte| *byte == b')')?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let type_ = std::str::from_utf8(inside.trim_ascii()).ok()?;
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
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
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

/// Whether a text begins with pairs of hexadecimal digits, or a list or an array of them.
fn is_hexadecimal(text: &[u8]) -> bool {
    let is_between = |byte: &u8| *byte == b'\\' || byte.is_ascii_whitespace();
    let begins = text.iter().position(|byte| !is_between(byte));
    let text = begins.map_or(&text[..0], |begins| &text[begins..]);
    let is_list = matches!(text.first(), Some(b'<' | b'{'));
    let mut level = 0_usize;
    let ends = text.iter().position(|byte| {
        match byte {
            b'<' | b'{' => level += 1,
            b'>' | b'}' => level = level.saturating_sub(1),
            _ => {}
        }
        match is_list {
            true => level == 0,
            // A quote ends the text that this is a part of.
            false => is_between(byte) || b",;)]}>\"".contains(byte),
        }
    });
    let value = &text[..ends.unwrap_or(text.len())];
    let items = value.split(|byte| is_between(byte) || b",<{>}".contains(byte));
    let mut items = items.filter(|item| !item.is_empty()).peekable();
    (is_list || items.peek().is_some())
        && items.all(|item| item.len() % 2 == 0 && item.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use gst::glib;

    use super::*;
    use crate::remote::names::LONGEST;
    use crate::remote::text::structure;

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
            "a, b=( structure)N",
            "a, b=(\tGstCaps)N",
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
                assert!(!is_harmless(&text), "{text}");
                // What is refused is not read.
                assert!(structure(Some(&text)).is_none());
                assert!(!is_known(&name), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_name_may_be_long() {
        gst::init().unwrap();
        let long = "a".repeat(2 * LONGEST);
        for form in [
            "caps, format=(string)N",
            "caps, format=(string)\"N, N=N (N); N\"",
            "caps, format=(string){ N, \"N, N\", N }",
            "caps, format=(buffer)N",
            "caps, format=(GstVideoMultiviewFlagsSet)0:ffffffff:/N",
        ] {
            let text = form.replace('N', &long);
            assert!(is_harmless(&text), "{text}");
        }
        // As GStreamer writes it.
        let inside = gst::Structure::builder("inside");
        let inside = inside.field("format", format!("{long}, {long}=\u{e9}\n"));
        let outside = gst::Structure::builder("outside");
        let text = outside.field("inside", inside.build()).build().to_string();
        assert!(is_harmless(&text), "{text}");
        assert!(!is_known(&long));
    }

    #[test]
    fn characters_by_their_numbers_are_in_strings_only() {
        gst::init().unwrap();
        assert!(is_harmless("caps, format=(string)\"\\303\\251\""));
        assert!(!is_harmless("caps, caps=(structure)\"\\143aps\""));
    }
}
