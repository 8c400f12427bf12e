// SPDX-License-Identifier: MPL-2.0
//! The containers that can be written.

use std::path::Path;

use clap::ValueEnum;

use crate::end::Failure;
use crate::media::Kind;

/// A muxer, and what is to be known of it.
#[derive(Debug)]
pub(crate) struct Container {
    extensions: &'static [&'static str],
    pub(crate) muxer: &'static str,
    video: &'static str,
    audio: &'static str,
    subtitle: Option<&'static str>,
    /// Whether its subtitles may have tags such as `<i>`.
    pub(crate) keeps_markup: bool,
}

const MATROSKA: Container = Container {
    extensions: &["mkv", "mka"],
    muxer: "matroskamux",
    video: "video_%u",
    audio: "audio_%u",
    subtitle: Some("subtitle_%u"),
    keeps_markup: true,
};

const WEBM: Container = Container {
    extensions: &["webm"],
    muxer: "webmmux",
    subtitle: None,
    ..MATROSKA
};

const ALL: &[Container] = &[
    MATROSKA,
    WEBM,
    Container {
        extensions: &["mp4", "m4v"],
        muxer: "mp4mux",
        keeps_markup: false,
        ..MATROSKA
    },
    Container {
        extensions: &["mov"],
        muxer: "qtmux",
        keeps_markup: false,
        ..MATROSKA
    },
    Container {
        extensions: &["ts", "m2ts", "mts"],
        muxer: "mpegtsmux",
        video: "sink_%d",
        audio: "sink_%d",
        subtitle: None,
        keeps_markup: false,
    },
];

/// A container that is written from its beginning to its end, so that it can be read
/// meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Streamable {
    /// Any audio, and subtitles.
    Matroska,
    /// What browsers play: audio is Opus or Vorbis, and there are no subtitles.
    Webm,
}

impl Streamable {
    /// The media type, for a header `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            // Registered by RFC 9559.
            Self::Matroska => "video/matroska",
            Self::Webm => "video/webm",
        }
    }

    pub(crate) fn container(self) -> &'static Container {
        match self {
            Self::Matroska => &MATROSKA,
            Self::Webm => &WEBM,
        }
    }
}

/// The container of a file, by its name.
///
/// # Errors
/// One with the names that are known.
pub(crate) fn of(path: &Path) -> Result<&'static Container, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or("").to_lowercase();
    let found = ALL
        .iter()
        .find(|container| container.extensions.contains(&&*extension));
    found.ok_or_else(|| {
        let known: Vec<&str> = ALL
            .iter()
            .flat_map(|container| container.extensions)
            .copied()
            .collect();
        Failure::error(format!(
            "{}: the container is chosen by the name, which has to end with one of .{}",
            path.display(),
            known.join(" .")
        ))
    })
}

impl Container {
    /// The name of the template of its pads for a kind of stream.
    pub(crate) fn template(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Video => Some(self.video),
            Kind::Audio => Some(self.audio),
            Kind::Subtitle => self.subtitle,
            Kind::Other => None,
        }
    }

    /// Whether it can hold a stream as it is, or as a parser writes it.
    pub(crate) fn can_hold(&self, kind: Kind, caps: &gst::Caps) -> bool {
        let Some(template) = self.template(kind) else {
            return false;
        };
        let Some(factory) = gst::ElementFactory::find(self.muxer) else {
            return false;
        };
        // What a parser can change.
        let caps: gst::Caps = caps
            .iter()
            .map(|structure| {
                let mut structure = structure.to_owned();
                structure.remove_fields(["stream-format", "alignment", "framed", "parsed"]);
                structure
            })
            .collect();
        let mut templates = factory.static_pad_templates().into_iter();
        templates
            .any(|known| known.name_template() == template && known.caps().can_intersect(&caps))
    }

    /// Its extensions, for messages.
    pub(crate) fn name(&self) -> &'static str {
        self.extensions.first().copied().unwrap_or(self.muxer)
    }
}

/// A parser that brings a media type into the form that a muxer takes; `None` if it has
/// one form.
pub(crate) fn parser(media: &str, caps: Option<&gst::StructureRef>) -> Option<&'static str> {
    Some(match media {
        "video/x-h264" => "h264parse",
        "video/x-h265" => "h265parse",
        "video/x-vp9" => "vp9parse",
        "audio/mpeg" => match caps.and_then(|caps| caps.get::<i32>("mpegversion").ok()) {
            Some(1) => "mpegaudioparse",
            _ => "aacparse",
        },
        "audio/x-ac3" | "audio/x-eac3" => "ac3parse",
        "audio/x-flac" => "flacparse",
        "audio/x-opus" => "opusparse",
        _ => return None,
    })
}
