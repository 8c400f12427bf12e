// SPDX-License-Identifier: MPL-2.0
//! Messages of a chain's elements on their way from a child.

use codecwatch_process::Broken;
use codecwatch_process::launch::printable;
use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use serde::{Deserialize, Serialize};

use super::text::structure;
use crate::io::{Content, Posted, Qos, Report};
use crate::other_message::Other;

/// Longest texts of a message and name of an element, in characters, and longest structure,
/// in bytes: an element that measures may post some thousand numbers.
const LONGEST_TEXT: usize = 1000;
const LONGEST_NAME: usize = 200;
const LONGEST_STRUCTURE: usize = 256 << 10;

/// A message as data.
#[derive(Debug, Serialize, Deserialize)]
pub struct PackedPosted {
    part: String,
    content: PackedContent,
}

#[cfg(test)]
impl PackedPosted {
    pub(super) fn raw(kind: u8, text: String, random: &mut fastrand::Rng) -> Self {
        let content = match kind % 6 {
            0 => PackedContent::Warning(PackedReport {
                domain: ["gst-stream-error-quark", "no-such-quark"][random.usize(..2)].to_owned(),
                code: random.i32(..),
                text: text.clone(),
                debug: Some(text.clone()),
                details: Some(text.clone()),
            }),
            1 => PackedContent::Element(text.clone()),
            2 => PackedContent::DurationChanged,
            3 => PackedContent::Application(text.clone()),
            4 => PackedContent::Tags {
                said: text.clone(),
                global: random.bool(),
            },
            _ => PackedContent::Qos {
                live: true,
                times: [None; 4].map(|_: Option<u64>| Some(random.u64(..))),
                values: (random.i64(..), f64::NAN, random.i32(..)),
                stats: [0; 2].map(|_| (random.i32(-1..9), random.i64(..))),
            },
        };
        Self {
            part: text,
            content,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum PackedContent {
    Warning(PackedReport),
    Info(PackedReport),
    Element(String),
    Application(String),
    /// The text of tags has no scope.
    Tags {
        said: String,
        global: bool,
    },
    DurationChanged,
    Qos {
        live: bool,
        times: [Option<u64>; 4],
        values: (i64, f64, i32),
        stats: [(i32, i64); 2],
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct PackedReport {
    domain: String,
    code: i32,
    text: String,
    debug: Option<String>,
    details: Option<String>,
}

/// Child. `None` for what cannot leave its process: a context has objects of it.
pub(super) fn pack(posted: Posted) -> Option<PackedPosted> {
    let content = match posted.content {
        Content::Warning(report) => PackedContent::Warning(pack_report(&report)),
        Content::Info(report) => PackedContent::Info(pack_report(&report)),
        Content::Element(structure) => PackedContent::Element(short(&structure)?),
        Content::HaveContext(_) | Content::Said(_) => return None,
        Content::Other(other) => match other.parts() {
            (gst::MessageType::Application, Some(said)) => PackedContent::Application(short(said)?),
            (gst::MessageType::Tag, Some(said)) => {
                let tags = said.get::<gst::TagList>("taglist").ok()?;
                PackedContent::Tags {
                    said: short(said)?,
                    global: tags.scope() == gst::TagScope::Global,
                }
            }
            // Their readers look at fields without a check, or they have objects.
            _ => return None,
        },
        Content::DurationChanged => PackedContent::DurationChanged,
        Content::Qos(qos) => PackedContent::Qos {
            live: qos.live,
            times: qos.times.map(|time| time.map(gst::ClockTime::nseconds)),
            values: qos.values,
            stats: [qos.stats.0, qos.stats.1]
                .map(|value| (value.format().into_glib(), value.value())),
        },
    };
    Some(PackedPosted {
        part: posted.part,
        content,
    })
}

/// The text of a structure that may travel. `None` without one that can be read again: `level`
/// posts arrays that GStreamer writes and does not read.
fn short(structure: &gst::StructureRef) -> Option<String> {
    let text = structure.to_string();
    (text.len() <= LONGEST_STRUCTURE && read(&text).is_some()).then_some(text)
}

/// The structure of such a text. `None` if it cannot be read here: then nobody hears of it, as
/// this process knows other types and names than the child.
fn short_structure(text: &str) -> Result<Option<gst::Structure>, Broken> {
    if text.len() > LONGEST_STRUCTURE {
        return Err(Broken::new("a message that is none"));
    }
    Ok(read(text))
}

fn read(text: &str) -> Option<gst::Structure> {
    structure(Some(text)).flatten()
}

fn pack_report(report: &Report) -> PackedReport {
    let domain = report.error.domain();
    PackedReport {
        domain: domain.as_str().to_string(),
        code: code(&report.error),
        text: report.error.message().to_owned(),
        debug: report.debug.clone(),
        details: report.details.as_ref().map(ToString::to_string),
    }
}

/// The number of an error in its domain.
fn code(error: &glib::Error) -> i32 {
    let pointer: *const glib::ffi::GError = glib::translate::ToGlibPtr::to_glib_none(error).0;
    // SAFETY: an error is valid as long as it is borrowed.
    unsafe { (*pointer).code }
}

/// Parent. `None` for what must not come from a chain.
pub(super) fn unpack(packed: PackedPosted) -> Result<Option<Posted>, Broken> {
    let content = match packed.content {
        PackedContent::Warning(report) => Content::Warning(unpack_report(report)),
        PackedContent::Info(report) => Content::Info(unpack_report(report)),
        PackedContent::Element(text) => {
            let said = short_structure(&text)?.filter(|said| !acts(said));
            let Some(said) = said else { return Ok(None) };
            Content::Element(said)
        }
        PackedContent::Application(text) => {
            let said = short_structure(&text)?.filter(|said| !acts(said));
            let Some(said) = said else { return Ok(None) };
            Content::Other(Other::new(gst::MessageType::Application, said))
        }
        PackedContent::Tags { said, global } => {
            let tags = short_structure(&said)?.and_then(|said| said.get("taglist").ok());
            let Some::<gst::TagList>(mut tags) = tags else {
                return Ok(None);
            };
            if global {
                tags.make_mut().set_scope(gst::TagScope::Global);
            }
            let said = gst::Structure::builder("GstMessageTag").field("taglist", tags);
            Content::Other(Other::new(gst::MessageType::Tag, said.build()))
        }
        PackedContent::DurationChanged => Content::DurationChanged,
        PackedContent::Qos {
            live,
            times,
            values,
            stats,
        } => {
            let time =
                |time: Option<u64>| time.and_then(|time| gst::ClockTime::try_from(time).ok());
            let [processed, dropped] = stats.map(|(format, value)| {
                // SAFETY: any number is a format, if an unknown one.
                let format = unsafe { gst::Format::from_glib(format) };
                gst::GenericFormattedValue::new(format, value)
            });
            Content::Qos(Qos {
                live,
                times: times.map(time),
                values,
                stats: (processed, dropped),
            })
        }
    };
    Ok(Some(Posted {
        part: printable(packed.part.as_bytes(), LONGEST_NAME, false),
        content,
    }))
}

/// Whether a message makes an application act, or believe what the element says of itself:
/// open another address, install something, give away a window, or take a file for complete.
/// No codec posts such a message.
fn acts(structure: &gst::StructureRef) -> bool {
    const OURS: &str = "codecwatch-";
    const ACTS: [&str; 9] = [
        "redirect",
        "missing-plugin",
        "prepare-window-handle",
        "have-window-handle",
        "GstNavigationMessage",
        "GstBinForwarded",
        "GstMultiFileSink",
        "splitmuxsink-fragment-opened",
        "splitmuxsink-fragment-closed",
    ];
    let name = structure.name().as_str();
    name.starts_with(OURS) || ACTS.contains(&name)
}

fn unpack_report(packed: PackedReport) -> Report {
    let text = printable(packed.text.as_bytes(), LONGEST_TEXT, false);
    // A domain that this process does not know becomes one that it does.
    let domain = glib::Quark::try_from_str(&packed.domain);
    let error = match domain {
        Some(domain) => with_domain(domain, packed.code, &text),
        None => glib::Error::new(gst::StreamError::Failed, &text),
    };
    let debug = packed.debug;
    let details = packed.details.as_deref();
    let details = details.and_then(|text| short_structure(text).ok().flatten());
    Report {
        error,
        debug: debug.map(|debug| printable(debug.as_bytes(), LONGEST_TEXT, false)),
        details: details.filter(|details| !acts(details)),
    }
}

fn with_domain(domain: glib::Quark, code: i32, text: &str) -> glib::Error {
    use glib::translate::{ToGlibPtr, from_glib_full};
    let text = text.to_glib_none();
    // SAFETY: the text ends with a zero, and is copied.
    let error = unsafe { glib::ffi::g_error_new_literal(domain.into_glib(), code, text.0) };
    // SAFETY: a new error, which is taken.
    unsafe { from_glib_full(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(content: PackedContent) -> Option<Content> {
        gst::init().unwrap();
        let part = "part".to_owned();
        let posted = unpack(PackedPosted { part, content }).unwrap();
        posted.map(|posted| posted.content)
    }

    #[test]
    fn a_chain_posts_nothing_that_makes_an_application_act() {
        for name in [
            "codecwatch-restarted",
            "codecwatch-evidence",
            "codecwatch-anything",
            "redirect",
            "missing-plugin",
            "splitmuxsink-fragment-closed",
        ] {
            let text = format!("{name}, path=(string)\"/etc/passwd\"");
            for content in [
                PackedContent::Element(text.clone()),
                PackedContent::Application(text),
            ] {
                let came = posted(content);
                assert!(came.is_none(), "{came:?}");
            }
        }
        let level = "level, rms=(double)0.5".to_owned();
        assert!(posted(PackedContent::Element(level)).is_some());
    }

    #[test]
    fn texts_of_warnings_are_short_and_printable() {
        let text = "\u{1b}[31mred\r\n".repeat(100_000);
        let report = || PackedReport {
            domain: "gst-stream-error-quark".to_owned(),
            code: 1,
            text: text.clone(),
            debug: Some(text.clone()),
            details: Some("codecwatch-fault, outcome=(string)a".to_owned()),
        };
        for content in [
            PackedContent::Warning(report()),
            PackedContent::Info(report()),
        ] {
            let Some(Content::Warning(report) | Content::Info(report)) = posted(content) else {
                panic!("no report");
            };
            for text in [report.error.message(), &report.debug.unwrap()] {
                assert!(text.len() < 5000, "{} bytes", text.len());
                assert!(!text.chars().any(char::is_control), "{text}");
            }
            assert!(report.details.is_none(), "{:?}", report.details);
        }
    }

    #[test]
    fn tags_keep_their_scope() {
        gst::init().unwrap();
        for scope in [gst::TagScope::Global, gst::TagScope::Stream] {
            let mut tags = gst::TagList::new();
            tags.make_mut().set_scope(scope);
            let title = &"a title";
            let add = gst::TagMergeMode::Append;
            tags.make_mut().add::<gst::tags::Title>(title, add);
            let said = gst::Structure::builder("GstMessageTag").field("taglist", tags);
            let other = Other::new(gst::MessageType::Tag, said.build());
            let part = "part".to_owned();
            let content = Content::Other(other);
            let came = unpack(pack(Posted { part, content }).unwrap()).unwrap();
            let Content::Other(other) = came.unwrap().content else {
                panic!("no message of tags");
            };
            let said = other.parts().1.unwrap();
            let tags: gst::TagList = said.get("taglist").unwrap();
            assert_eq!(tags.scope(), scope);
            assert_eq!(tags.get::<gst::tags::Title>().unwrap().get(), "a title");
        }
    }

    #[test]
    fn what_cannot_be_read_is_missing_and_ends_nothing() {
        // As `level` posts it.
        let text = "level, rms=(GValueArray)< -4.5, -4.5 >;".to_owned();
        for content in [
            PackedContent::Element(text.clone()),
            PackedContent::Application(text.clone()),
            PackedContent::Tags {
                said: text,
                global: true,
            },
        ] {
            assert!(posted(content).is_none());
        }
    }

    #[test]
    fn a_structure_has_a_length() {
        gst::init().unwrap();
        let long = format!("level, text=(string)\"{}\"", "x".repeat(LONGEST_STRUCTURE));
        let content = PackedContent::Element(long.clone());
        let part = "p".repeat(1000);
        assert!(unpack(PackedPosted { part, content }).is_err());
        let content = Content::Element(long.parse().unwrap());
        let part = "part".to_owned();
        assert!(pack(Posted { part, content }).is_none());
    }
}
