// SPDX-License-Identifier: MPL-2.0
//! Pipelines are linked in NULL: there a hosted codec answers for its caps as the bare one,
//! from the registry alone, so that a muxer gives it the right pad.

use std::path::Path;

use gst::prelude::*;
use support::Launch;

use crate::rig::{self, Item};

const VIDEO: &str = "videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120";
const AUDIO: &str = "audiotestsrc num-buffers=100 ! audioconvert";

/// The packets in the file that `gst-launch-1.0` makes with this codec: time and bytes.
fn packets(from: &str, codec: &[&str], mux: &str, demux: &str) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    launch(from, codec, mux, &file);
    let items = rig::produce(&format!("filesrc location={} ! {demux}", file.display()));
    let packets = items.into_iter().filter_map(|item| match item {
        Item::Buffer(buffer) => {
            let bytes = buffer.map_readable().unwrap().to_vec();
            Some((format!("{:?} {:?}", buffer.pts(), buffer.dts()), bytes))
        }
        _ => None,
    });
    packets.collect()
}

fn launch(from: &str, codec: &[&str], mux: &str, file: &Path) {
    let location = format!("location={}", file.display());
    let words = from.split(' ').chain(["!"]).chain(codec.iter().copied());
    let words = words.chain(["!", mux, "!", "filesink", &location]);
    let run = Launch::program("gst-launch-1.0")
        .args(["-m", "--no-fault"])
        .args(words)
        .run();
    assert_eq!(run.code(), 0, "{codec:?} ! {mux}: {}", run.text());
}

/// A file with this codec has the same packets, whether it is hosted or bare.
fn same_in_a_file(from: &str, codec: &str, mux: &str, demux: &str) {
    support::init();
    let elements = codec.split(" ! ").chain([mux, demux]);
    let installed = |name: &str| gst::ElementFactory::find(name).is_some();
    if let Some(missing) = elements.into_iter().find(|name| !installed(name)) {
        return support::skip("hosted", &format!("no {missing}"));
    }
    let bare: Vec<_> = codec.split(' ').collect();
    let property = format!("codec={codec}");
    let hosted = packets(from, &["codecwatch", &property], mux, demux);
    let bare = packets(from, &bare, mux, demux);
    assert_eq!(hosted.len(), bare.len(), "{codec} ! {mux}");
    assert!(hosted == bare, "{codec} ! {mux}: other packets");
}

#[test]
fn x264enc_gets_the_pad_of_mp4mux_for_its_caps() {
    same_in_a_file(VIDEO, "x264enc", "mp4mux", "qtdemux");
}

#[test]
fn opusenc_gets_the_pad_of_oggmux_for_its_caps() {
    same_in_a_file(AUDIO, "opusenc", "oggmux", "oggdemux");
}

#[test]
fn opusenc_gets_the_pad_of_matroskamux_for_its_caps() {
    same_in_a_file(AUDIO, "opusenc", "matroskamux", "matroskademux");
}

#[test]
fn flacenc_gets_the_pad_of_matroskamux_for_its_caps() {
    same_in_a_file(AUDIO, "flacenc", "matroskamux", "matroskademux");
}

#[test]
fn jpegenc_gets_the_pad_of_avimux_for_its_caps() {
    same_in_a_file(VIDEO, "jpegenc", "avimux", "avidemux");
}

#[test]
fn lamemp3enc_gets_the_pad_of_mpegtsmux_for_its_caps() {
    // The muxer wants it parsed.
    let codec = "lamemp3enc ! mpegaudioparse";
    same_in_a_file(AUDIO, codec, "mpegtsmux", "tsdemux");
}

/// What the two pads of an element answer.
fn caps(element: &gst::Element) -> [gst::Caps; 2] {
    ["sink", "src"].map(|name| element.static_pad(name).unwrap().query_caps(None))
}

/// The caps of a pad template, by the registry.
fn template(factory: &str, direction: gst::PadDirection) -> gst::Caps {
    let factory = gst::ElementFactory::find(factory).unwrap();
    let mut templates = factory.static_pad_templates().into_iter();
    let template = templates.find(|template| template.direction() == direction);
    template.unwrap().caps()
}

fn is_loaded(factory: &str) -> bool {
    let factory = gst::ElementFactory::find(factory).unwrap();
    factory.plugin().unwrap().is_loaded()
}

fn hosted(codec: &str) -> gst::Element {
    let element = gst::ElementFactory::make("codecwatch");
    element.property("codec", codec).build().unwrap()
}

#[test]
fn in_null_the_pads_answer_by_the_templates_and_nothing_is_loaded() {
    use gst::PadDirection::{Sink, Src};
    support::init();
    // Nobody else in this process uses these two.
    let element = hosted("webpenc");
    let [sink, src] = caps(&element);
    assert_eq!(sink, template("webpenc", Sink));
    assert_eq!(src, template("webpenc", Src));
    let accepts = |name: &str, caps: &str| {
        let pad = element.static_pad(name).unwrap();
        pad.query_accept_caps(&caps.parse().unwrap())
    };
    assert!(accepts("src", "image/webp,width=16,height=16"));
    assert!(!accepts("src", "video/x-h264"));
    assert!(!accepts("sink", "audio/x-raw"));
    // The text of the property counts, not what was asked for before.
    element.set_property("codec", "sbcenc");
    assert_eq!(
        caps(&element),
        [template("sbcenc", Sink), template("sbcenc", Src)]
    );
    for factory in ["webpenc", "sbcenc"] {
        assert!(!is_loaded(factory), "{factory}");
    }
}

#[test]
fn in_null_a_chain_answers_by_its_ends_as_far_as_its_filters_allow() {
    use gst::PadDirection::{Sink, Src};
    support::init();
    let gray = "video/x-raw,format=GRAY8";
    let element = hosted(&format!(
        "{gray} ! jpegenc ! jpegdec ! capsfilter caps={gray}"
    ));
    let filter: gst::Caps = gray.parse().unwrap();
    let [sink, src] = caps(&element);
    assert!(sink.can_intersect(&template("jpegenc", Sink)));
    assert!(sink.is_subset(&filter), "{sink}");
    assert!(src.can_intersect(&template("jpegdec", Src)));
    assert!(src.is_subset(&filter), "{src}");
    element.set_property("codec", "jpegenc ! jpegdec");
    assert_eq!(
        caps(&element),
        [template("jpegenc", Sink), template("jpegdec", Src)]
    );
}

#[test]
fn in_null_a_codec_that_cannot_be_can_be_linked_so_that_its_error_is_told() {
    support::init();
    for codec in ["nosuchenc", "", "jpegenc ! video/x-raw", "x264enc ! ! x"] {
        let element = hosted(codec);
        let [_, src] = caps(&element);
        assert!(src.is_any(), "{codec}: {src}");
    }
    let element = gst::ElementFactory::make("codecwatch").build().unwrap();
    assert!(caps(&element).iter().all(|caps| caps.is_any()));
}

#[test]
fn after_null_another_codec_answers_for_itself() {
    use gst::PadDirection::{Sink, Src};
    support::init();
    let element = hosted("jpegenc");
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Null).unwrap();
    element.set_property("codec", "flacenc");
    assert_eq!(
        caps(&element),
        [template("flacenc", Sink), template("flacenc", Src)]
    );
}
