// SPDX-License-Identifier: MPL-2.0
//! Messages of a chain's elements on their way from a child.

use codecwatch_process::Broken;
use gst::glib;
use gst::glib::translate::{FromGlib, IntoGlib};
use serde::{Deserialize, Serialize};

use super::text::structure;
use crate::io::{Content, Posted, Qos, Report};
use crate::other_message::Other;

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
            4 => PackedContent::Tags(text.clone()),
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
    Tags(String),
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
        Content::Element(structure) => PackedContent::Element(structure.to_string()),
        Content::HaveContext(_) | Content::Said(_) => return None,
        Content::Other(other) => match other.parts() {
            (gst::MessageType::Application, Some(said)) => {
                PackedContent::Application(said.to_string())
            }
            (gst::MessageType::Tag, Some(said)) => PackedContent::Tags(said.to_string()),
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

/// Parent.
pub(super) fn unpack(packed: PackedPosted) -> Result<Posted, Broken> {
    let broken = || Broken::new("a message that is none");
    let content = match packed.content {
        PackedContent::Warning(report) => Content::Warning(unpack_report(report)),
        PackedContent::Info(report) => Content::Info(unpack_report(report)),
        PackedContent::Element(text) => {
            let structure = structure(Some(&text)).flatten();
            Content::Element(structure.ok_or_else(broken)?)
        }
        PackedContent::Application(text) => {
            let said = structure(Some(&text)).flatten().ok_or_else(broken)?;
            Content::Other(Other::new(gst::MessageType::Application, said))
        }
        PackedContent::Tags(text) => {
            let said = structure(Some(&text)).flatten().ok_or_else(broken)?;
            let tags: gst::TagList = said.get("taglist").map_err(|_| broken())?;
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
    Ok(Posted {
        part: packed.part,
        content,
    })
}

fn unpack_report(packed: PackedReport) -> Report {
    let text = packed.text.replace('\0', " ");
    // A domain that this process does not know becomes one that it does.
    let domain = glib::Quark::try_from_str(&packed.domain);
    let error = match domain {
        Some(domain) => with_domain(domain, packed.code, &text),
        None => glib::Error::new(gst::StreamError::Failed, &text),
    };
    Report {
        error,
        debug: packed.debug.map(|debug| debug.replace('\0', " ")),
        details: structure(packed.details.as_deref()).flatten(),
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
