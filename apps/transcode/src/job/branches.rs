// SPDX-License-Identifier: MPL-2.0
//! The elements of one stream, in a row.

use gst::glib;
use gst::prelude::*;

use super::container::{Container, parser};
use super::specs::{AudioSpec, USUAL_OPUS, VideoSpec};
use super::text::plain_text;
use crate::cli::StreamOptions;
use crate::end::Failure;
use crate::media::{Kind, Stream, make};

/// What becomes of a stream.
pub(crate) enum Branch {
    /// These elements, in this order, lead to the muxer. There may be none.
    Elements(Vec<gst::Element>),
    /// It is left out, for this reason, which the user is told; `None` if that was asked
    /// for.
    Dropped(Option<String>),
}

pub(crate) const VIDEO_DECODER: &str = "video-decoder";
pub(crate) const VIDEO_ENCODER: &str = "video-encoder";

/// The branch of a video stream that is encoded.
pub(crate) fn video(
    stream: &Stream,
    options: &StreamOptions,
) -> Result<Vec<gst::Element>, Failure> {
    let mut elements = Vec::new();
    if let Some(decoder) = decoder(stream, options)? {
        elements.push(named(decoder, VIDEO_DECODER));
    }
    // First: deinterlace knows fewer formats.
    elements.push(make("videoconvert")?);
    // Passes on what is progressive, in every format; not every parser says what it is.
    // One picture for each frame: as many come out as go in.
    let deinterlace = make("deinterlace")?;
    deinterlace.set_property_from_str("mode", "auto");
    deinterlace.set_property_from_str("fields", "top");
    elements.push(deinterlace);
    if stream.is_turned() {
        // Not every muxer of every version writes how pictures are turned.
        let flip = make("videoflip")?;
        flip.set_property_from_str("video-direction", "auto");
        elements.push(flip);
    }
    elements.push(video_encoder(options)?);
    if let VideoSpec::Chain(chain) = &options.video
        && let Some(parser) = encoded_media(chain).and_then(|media| parser(&media, None))
    {
        elements.push(make(parser)?);
    }
    Ok(elements)
}

/// The supervised encoder of the video.
pub(crate) fn video_encoder(options: &StreamOptions) -> Result<gst::Element, Failure> {
    let encoder = match &options.video {
        VideoSpec::SvtAv1(properties) => described("svtav1watchenc", properties)?,
        VideoSpec::Chain(chain) => hosted(chain)?,
    };
    supervise(&encoder, options)?;
    Ok(named(encoder, VIDEO_ENCODER))
}

/// The branch of an audio stream.
pub(crate) fn audio(
    stream: &Stream,
    container: &Container,
    options: &StreamOptions,
) -> Result<Branch, Failure> {
    let can_hold = container.can_hold(Kind::Audio, &stream.caps);
    let bit_rate = match options.audio {
        AudioSpec::None => return Ok(Branch::Dropped(None)),
        AudioSpec::Auto if can_hold => return copied(stream),
        AudioSpec::Copy if can_hold => return copied(stream),
        AudioSpec::Copy => {
            return Err(Failure::error(format!(
                "--audio copy: .{} cannot hold {}",
                container.name(),
                stream.media()
            )));
        }
        AudioSpec::Auto => USUAL_OPUS,
        AudioSpec::Opus(rate) => rate,
    };
    let mut elements: Vec<gst::Element> = decoder(stream, options)?.into_iter().collect();
    elements.push(make("audioconvert")?);
    elements.push(make("audioresample")?);
    let encoder = hosted(&format!("opusenc bitrate={bit_rate}"))?;
    supervise(&encoder, options)?;
    elements.push(encoder);
    if let Some(parser) = parser("audio/x-opus", None) {
        elements.push(make(parser)?);
    }
    Ok(Branch::Elements(elements))
}

/// The branch of subtitles.
pub(crate) fn subtitles(
    stream: &Stream,
    container: &Container,
    options: &StreamOptions,
) -> Result<Branch, Failure> {
    use crate::cli::Subtitles;
    if options.subtitles == Subtitles::None {
        return Ok(Branch::Dropped(None));
    }
    if container.can_hold(Kind::Subtitle, &stream.caps) {
        return copied(stream);
    }
    let utf8 = gst::Caps::builder("text/x-raw")
        .field("format", "utf8")
        .build();
    if stream.media() == "text/x-raw" && container.can_hold(Kind::Subtitle, &utf8) {
        return Ok(Branch::Elements(vec![plain_text(container.keeps_markup)?]));
    }
    Ok(Branch::Dropped(Some(format!(
        "subtitles of the type {} are left out: .{} cannot hold them",
        stream.media(),
        container.name()
    ))))
}

/// As it is, in the form that the muxer takes.
fn copied(stream: &Stream) -> Result<Branch, Failure> {
    let parser = parser(stream.media(), stream.caps.structure(0));
    Ok(Branch::Elements(
        parser.map(make).transpose()?.into_iter().collect(),
    ))
}

/// The supervised decoder of a stream; `None` if that is not encoded.
fn decoder(stream: &Stream, options: &StreamOptions) -> Result<Option<gst::Element>, Failure> {
    let media = stream.media();
    let decoder = match media {
        "video/x-raw" | "audio/x-raw" => return Ok(None),
        "video/x-av1" => {
            let decoder = make("dav1dwatchdec")?;
            let errors = i32::try_from(options.max_damaged).unwrap_or(i32::MAX);
            decoder.set_property("max-errors", errors);
            decoder
        }
        _ => hosted(&hosted_decoder(stream, options.max_damaged)?)?,
    };
    supervise(&decoder, options)?;
    Ok(Some(decoder))
}

/// The decoder of GStreamer that is ranked highest, of those that run on the processor:
/// what a device has is its own matter.
fn hosted_decoder(stream: &Stream, max_damaged: u32) -> Result<String, Failure> {
    let kind = match stream.kind {
        Kind::Audio => gst::ElementFactoryType::MEDIA_AUDIO,
        _ => gst::ElementFactoryType::MEDIA_VIDEO | gst::ElementFactoryType::MEDIA_IMAGE,
    };
    let factories = gst::ElementFactory::factories_with_type(
        gst::ElementFactoryType::DECODER | kind,
        gst::Rank::MARGINAL,
    );
    let best = factories
        .into_iter()
        // Any caps would match those that take only a part, such as pictures with alpha.
        .filter(|factory| factory.can_sink_all_caps(&stream.caps))
        .filter(|factory| {
            !factory
                .metadata("klass")
                .is_some_and(|class| class.contains("Hardware"))
        })
        .max_by_key(|factory| factory.rank());
    let Some(factory) = best else {
        return Err(Failure::error(format!(
            "no decoder for {} is installed ({})",
            stream.media(),
            stream.caps
        )));
    };
    let name = factory.name();
    // Without it many decoders count no errors.
    let counts = factory.load().ok().is_some_and(|factory| {
        let class = glib::Class::<glib::Object>::from_type(factory.element_type());
        class.is_some_and(|class| class.has_property_with_type("max-errors", i32::static_type()))
    });
    Ok(if counts {
        format!("{name} max-errors={max_damaged}")
    } else {
        name.to_string()
    })
}

fn hosted(chain: &str) -> Result<gst::Element, Failure> {
    let element = make("codecwatch")?;
    element.set_property("codec", chain);
    Ok(element)
}

/// An element with properties, as `gst-launch-1.0` reads them.
fn described(factory: &str, properties: &str) -> Result<gst::Element, Failure> {
    make(factory)?;
    gst::parse::launch_full(
        &format!("{factory} {properties}"),
        None,
        gst::ParseFlags::FATAL_ERRORS | gst::ParseFlags::NO_SINGLE_ELEMENT_BINS,
    )
    .map_err(|error| Failure::error(format!("--video: {error}")))
}

/// An element by whose name the job finds it; it has no parent yet.
fn named(element: gst::Element, name: &str) -> gst::Element {
    element.set_property("name", name);
    element
}

/// Sets what all supervised codecs share.
fn supervise(element: &gst::Element, options: &StreamOptions) -> Result<(), Failure> {
    element.set_property("restart-limit", options.restart_limit);
    if options.isolate {
        if element.find_property("isolate").is_none() {
            let factory = element.factory().map(|factory| factory.name());
            return Err(Failure::error(format!(
                "--isolate: the installed {} cannot run its codec as a child process (it has no \
                 property 'isolate')",
                factory.as_deref().unwrap_or("element")
            )));
        }
        element.set_property("isolate", true);
    }
    Ok(())
}

/// What an encoder gives, by the templates of the last element of its chain.
fn encoded_media(chain: &str) -> Option<String> {
    let last = chain.rsplit('!').next()?;
    let factory = gst::ElementFactory::find(last.split_whitespace().next()?)?;
    let mut templates = factory.static_pad_templates().into_iter();
    let source = templates.find(|template| template.direction() == gst::PadDirection::Src)?;
    Some(source.caps().structure(0)?.name().to_string())
}
