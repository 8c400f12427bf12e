// SPDX-License-Identifier: MPL-2.0
//! Inputs, their streams, and the elements for them.

use std::path::{Path, PathBuf};

use gst::prelude::*;

use crate::end::Failure;

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Video,
    Audio,
    Subtitle,
    /// Attachments, metadata tracks.
    Other,
}

impl Kind {
    fn of(caps: &gst::Caps) -> Self {
        let Some(structure) = caps.structure(0) else {
            return Self::Other;
        };
        let name = structure.name().as_str();
        match name.split('/').next() {
            Some("video" | "image") => Self::Video,
            Some("audio") => Self::Audio,
            Some("text" | "subpicture" | "subtitle" | "closedcaption") => Self::Subtitle,
            _ if name.starts_with("application/x-ssa") || name.starts_with("application/x-ass") => {
                Self::Subtitle
            }
            _ => Self::Other,
        }
    }

    /// For messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Subtitle => "subtitle",
            Self::Other => "other",
        }
    }
}

/// A stream of an input, parsed and not decoded.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) kind: Kind,
    pub(crate) caps: gst::Caps,
    pub(crate) tags: gst::TagList,
    /// The same in each reading of the same input.
    pub(crate) id: Option<String>,
}

impl Stream {
    /// The stream of a pad whose caps are known.
    pub(crate) fn of(pad: &gst::Pad) -> Self {
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let mut tags = gst::TagList::new();
        let mut number = 0;
        while let Some(event) = pad.sticky_event::<gst::event::Tag>(number) {
            tags.make_mut()
                .insert(event.tag(), gst::TagMergeMode::Append);
            number += 1;
        }
        Self {
            kind: Kind::of(&caps),
            caps,
            tags,
            id: pad.stream_id().map(|id| id.to_string()),
        }
    }

    /// The media type, such as `video/x-h264`.
    pub(crate) fn media(&self) -> &str {
        self.caps
            .structure(0)
            .map_or("unknown", |structure| structure.name().as_str())
    }

    /// Whether its pictures are turned or mirrored for display.
    pub(crate) fn is_turned(&self) -> bool {
        self.tags
            .get::<gst::tags::ImageOrientation>()
            .is_some_and(|orientation| orientation.get() != "rotate-0")
    }

    /// Whether its pictures have two fields.
    pub(crate) fn is_interlaced(&self) -> bool {
        let mode = self
            .caps
            .structure(0)
            .and_then(|caps| caps.get::<&str>("interlace-mode").ok());
        mode.is_some_and(|mode| mode != "progressive")
    }
}

/// Makes an element.
///
/// # Errors
/// One that says which element is missing, and where it is to be had.
pub(crate) fn make(factory: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(factory).build().map_err(|_| {
        let where_from = match factory {
            "wholefilesink" | "codecwatch" | "svtav1watchenc" | "dav1dwatchdec" => {
                "gst-codecwatch is not installed, or GST_PLUGIN_PATH does not have it"
            }
            _ => "one of GStreamer's plugin packages has it",
        };
        Failure::error(format!("there is no element {factory}: {where_from}"))
    })
}

/// The path of an input that is a file.
pub(crate) fn local_file(input: &str) -> Option<PathBuf> {
    match input.split_once("://") {
        None => Some(PathBuf::from(input)),
        Some(("file", _)) => gst::glib::filename_from_uri(input)
            .ok()
            .map(|(path, _)| path),
        Some(_) => None,
    }
}

/// The size of a file that can be read.
pub(crate) fn size_of(path: &Path) -> Result<u64, Failure> {
    let shown = path.display();
    let file = std::fs::File::open(path);
    let about = file.and_then(|file| file.metadata());
    let about = about.map_err(|error| Failure::error(format!("cannot read {shown}: {error}")))?;
    if about.is_dir() {
        return Err(Failure::error(format!("{shown} is a folder, not a file")));
    }
    Ok(about.len())
}

/// When a file was changed the last time, in nanoseconds since 1970.
pub(crate) fn changed(path: &Path) -> Option<u64> {
    let changed = std::fs::metadata(path).and_then(|about| about.modified());
    let since = changed.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}

/// Refuses to write where the input is, by whatever name.
///
/// # Errors
/// If it is the same file.
pub(crate) fn check_is_another(input: &str, output: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.dev(), about.ino()))
    };
    let inside = local_file(input).and_then(|input| identity(&input));
    if inside.is_some() && inside == identity(output) {
        return Err(Failure::error(format!(
            "{} is the input itself, which is not overwritten: name another output",
            output.display()
        )));
    }
    Ok(())
}

/// The element that reads an input.
pub(crate) fn source_of(input: &str) -> Result<gst::Element, Failure> {
    if let Some(path) = local_file(input) {
        let source = make("filesrc")?;
        source.set_property("location", path);
        return Ok(source);
    }
    if input.starts_with("fd:") {
        return Err(Failure::error(format!(
            "{input}: an input is read twice, which a pipe cannot be: name a file"
        )));
    }
    let source = make("urisourcebin")?;
    source.set_property("uri", input);
    Ok(source)
}

/// Links a source to the one pad of what reads it, now or when it has a pad.
pub(crate) fn link_when_there(source: &gst::Element, reader: &gst::Element) {
    if source.static_pad("src").is_some() {
        // Both take anything.
        let _ = source.link(reader);
        return;
    }
    let reader = reader.downgrade();
    source.connect_pad_added(move |_, pad| {
        let sink = reader
            .upgrade()
            .and_then(|reader| reader.static_pad("sink"));
        if let Some(sink) = sink.filter(|sink| !sink.is_linked()) {
            let _ = pad.link(&sink);
        }
    });
}

/// Whether an element takes a container apart.
pub(crate) fn is_demuxer(element: &gst::Element) -> bool {
    let class = element
        .factory()
        .and_then(|factory| factory.metadata("klass").map(str::to_owned));
    class.is_some_and(|class| class.contains("Demux"))
}
