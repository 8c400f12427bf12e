// SPDX-License-Identifier: MPL-2.0
//! Subtitles as plain text.
//!
//! Demuxers give text as Pango markup, muxers take UTF-8: entities are resolved, and
//! tags are left out where players would show them.

use gst::prelude::*;

use crate::end::Failure;
use crate::media::make;

/// An element that turns Pango markup into UTF-8.
pub(crate) fn plain_text(keeps_tags: bool) -> Result<gst::Element, Failure> {
    let element = make("capssetter")?;
    let caps = gst::Caps::builder("text/x-raw")
        .field("format", "utf8")
        .build();
    element.set_property("caps", caps);
    if let Some(pad) = element.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
                && let Some(text) = rewritten(buffer, keeps_tags)
            {
                *buffer = text;
            }
            gst::PadProbeReturn::Ok
        });
    }
    Ok(element)
}

fn rewritten(buffer: &gst::Buffer, keeps_tags: bool) -> Option<gst::Buffer> {
    let text = {
        let mapped = buffer.map_readable().ok()?;
        unmarked(std::str::from_utf8(&mapped).ok()?, keeps_tags)
    };
    let mut plain = gst::Buffer::from_mut_slice(text.into_bytes());
    // A new buffer has one owner.
    let writable = plain.get_mut()?;
    buffer
        .copy_into(writable, gst::BUFFER_COPY_METADATA, ..)
        .ok()?;
    Some(plain)
}

/// Resolves entities, and leaves out tags.
fn unmarked(text: &str, keeps_tags: bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, meant) = match (rest.starts_with('&'), rest.find([';', '>'])) {
            (true, Some(end)) if rest[end..].starts_with(';') => match entity(&rest[1..end]) {
                Some(character) => (end + 1, Some(character)),
                None => (1, Some('&')),
            },
            (false, Some(_)) if !keeps_tags => {
                let end = rest.find('>').map_or(rest.len(), |end| end + 1);
                (end, None)
            }
            // As it stands: one character.
            _ => (1, rest.chars().next()),
        };
        plain.extend(meant);
        rest = &rest[taken..];
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_resolved() {
        for keeps_tags in [true, false] {
            assert_eq!(
                unmarked("a &amp; b &lt;c&gt; &#39;&#x20ac;&quot;", keeps_tags),
                "a & b <c> '€\""
            );
            assert_eq!(unmarked("A&B; Q&A &amp", keeps_tags), "A&B; Q&A &amp");
            assert_eq!(unmarked("ä € 𝄞", keeps_tags), "ä € 𝄞");
            assert_eq!(unmarked("", keeps_tags), "");
        }
    }

    #[test]
    fn tags_are_left_out_where_they_would_be_shown() {
        let text = "<i>one</i> <span foreground=\"red\">two</span> 1 < 2";
        assert_eq!(unmarked(text, true), text);
        assert_eq!(unmarked(text, false), "one two 1 < 2");
    }
}
