// SPDX-License-Identifier: MPL-2.0
//! The property `codec`: what cannot be is one clear error on the way to READY, and
//! nothing is opened.

use std::path::PathBuf;

use gst::prelude::*;
use support::Launch;

/// An element with this codec, and its bus.
fn element(codec: Option<&str>) -> (gst::Element, gst::Bus) {
    support::init();
    let element = gst::ElementFactory::make("codecwatch").build().unwrap();
    element.set_property("codec", codec);
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    (element, bus)
}

/// The error that the way to READY ends with, and the other messages.
fn refused(codec: Option<&str>) -> (gst::glib::Error, Vec<gst::Message>) {
    let (element, bus) = element(codec);
    assert!(
        element.set_state(gst::State::Ready).is_err(),
        "{codec:?} is taken"
    );
    assert_eq!(element.current_state(), gst::State::Null, "{codec:?}");
    let stats = element.property::<gst::Structure>("stats");
    assert_eq!(stats.get("phase"), Ok("none"), "{codec:?}: {stats}");
    let messages: Vec<_> = std::iter::from_fn(|| bus.pop()).collect();
    let mut errors = messages.iter().filter_map(|message| match message.view() {
        gst::MessageView::Error(error) => Some(error.error()),
        _ => None,
    });
    let error = errors
        .next()
        .unwrap_or_else(|| panic!("{codec:?}: no error"));
    assert!(errors.next().is_none(), "{codec:?}: {messages:?}");
    element.set_state(gst::State::Null).unwrap();
    (error, messages)
}

/// The codec is refused with LIBRARY/SETTINGS and a text that has all of these words.
fn assert_refused(codec: &str, words: &[&str]) {
    let (error, _) = refused(Some(codec));
    assert!(
        error.matches(gst::LibraryError::Settings),
        "{codec}: {error:?}"
    );
    for word in words {
        assert!(error.message().contains(word), "{codec}: {error}");
    }
}

#[test]
fn without_a_codec_the_error_says_which_property_is_missing() {
    let (error, _) = refused(None);
    assert!(error.matches(gst::LibraryError::Settings), "{error:?}");
    assert!(error.message().contains("'codec'"), "{error}");
}

#[test]
fn an_element_that_is_not_installed_is_named_as_package_installers_read_it() {
    let (error, messages) = refused(Some("identity ! nosuchenc bitrate=5"));
    assert!(error.matches(gst::CoreError::MissingPlugin), "{error:?}");
    assert!(error.message().contains("nosuchenc"), "{error}");
    let missing = messages
        .iter()
        .position(|message| message.type_() == gst::MessageType::Element);
    let missing = missing.expect("no missing-plugin message");
    let structure = messages[missing].structure().unwrap();
    assert_eq!(structure.name(), "missing-plugin");
    assert_eq!(structure.get("type"), Ok("element"), "{structure}");
    assert_eq!(structure.get("detail"), Ok("nosuchenc"), "{structure}");
    assert!(
        structure.get::<&str>("name").unwrap().contains("nosuchenc"),
        "{structure}"
    );
    let error = messages
        .iter()
        .position(|message| message.type_() == gst::MessageType::Error);
    assert!(Some(missing) < error, "the application stops at the error");
}

#[test]
fn what_cannot_be_read_is_an_error_that_shows_the_place() {
    assert_refused("", &["names no element"]);
    assert_refused("   ", &["names no element"]);
    assert_refused("identity !", &["beside '!'"]);
    assert_refused("! identity", &["beside '!'"]);
    assert_refused("identity ! ! identity", &["beside '!'"]);
    assert_refused("x264enc option-string=\"a", &["quotation mark"]);
    assert_refused("x264enc fast", &["'fast'"]);
    assert_refused("( identity )", &["linear"]);
    assert_refused("tee name=t ! identity t. ! identity", &["tee"]);
    assert_refused("identity name=i i. ! identity", &["'i.'"]);
    assert_refused("identity ! video/x-raw,width= ! identity", &["caps"]);
}

#[test]
fn a_property_that_is_not_there_or_does_not_take_the_value_is_named() {
    assert_refused("identity ! x264enc no-such=1", &["x264enc", "no-such"]);
    // It can be read only.
    assert_refused("identity last-message=a", &["identity", "last-message"]);
    assert_refused("x264enc bitrate=many", &["bitrate", "many", "guint"]);
    assert_refused("x264enc bitrate=-5", &["bitrate", "-5"]);
    assert_refused("x264enc bitrate=99999999999", &["bitrate"]);
    assert_refused("x264enc bitrate=", &["bitrate"]);
    assert_refused("x264enc qp-max=64", &["qp-max", "from 0 to 63"]);
    assert_refused("x264enc tune=warp", &["tune", "warp"]);
    assert_refused("x264enc byte-stream=perhaps", &["byte-stream", "perhaps"]);
    assert_refused("identity drop-probability=1.5", &["drop-probability"]);
    assert_refused("identity drop-probability=nan", &["drop-probability"]);
}

#[test]
fn an_element_with_other_pads_than_one_of_each_is_named() {
    for (codec, factory) in [
        ("qtdemux", "qtdemux"),
        ("tee", "tee"),
        ("fakesink", "fakesink"),
        ("videotestsrc", "videotestsrc"),
        ("x264enc ! mp4mux", "mp4mux"),
        ("decodebin", "decodebin"),
        ("identity ! funnel ! identity", "funnel"),
    ] {
        assert_refused(codec, &[factory, "pad"]);
    }
}

#[test]
fn elements_whose_pads_cannot_be_linked_are_refused_before_anything_is_opened() {
    assert_refused("avdec_h264 ! opusenc", &["avdec_h264", "opusenc"]);
    assert_refused("identity ! x264enc ! vp8dec", &["x264enc", "vp8dec"]);
    assert_refused(
        "x264enc ! audio/x-raw ! identity",
        &["x264enc", "audio/x-raw"],
    );
}

#[test]
fn another_codec_after_null_is_the_one_that_runs() {
    let (element, _) = element(Some("x264enc tune=zerolatency"));
    let name = || {
        let stats = element.property::<gst::Structure>("stats");
        stats.get::<String>("codec").unwrap()
    };
    element.set_state(gst::State::Ready).unwrap();
    assert_eq!(name(), "x264enc");
    element.set_state(gst::State::Null).unwrap();
    element.set_property("codec", "identity ! jpegenc");
    element.set_state(gst::State::Ready).unwrap();
    assert_eq!(name(), "identity ! jpegenc");
    element.set_state(gst::State::Null).unwrap();
    element.set_property("codec", "nosuchenc");
    assert!(element.set_state(gst::State::Ready).is_err());
    element.set_property("codec", "jpegenc");
    element.set_state(gst::State::Ready).unwrap();
    assert_eq!(name(), "jpegenc");
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_codec_that_is_set_in_ready_is_the_one_that_runs() {
    // The property says that it can be changed in READY.
    let (element, _) = element(Some("x264enc tune=zerolatency"));
    element.set_state(gst::State::Ready).unwrap();
    element.set_property("codec", "jpegenc");
    element.set_state(gst::State::Paused).unwrap();
    let stats = element.property::<gst::Structure>("stats");
    element.set_state(gst::State::Null).unwrap();
    assert_eq!(stats.get::<&str>("codec"), Ok("jpegenc"), "{stats}");
}

fn clip() -> PathBuf {
    support::media::clip().with_file_name("bbb-720p25-h264.mp4")
}

/// `gst-launch-1.0` with these words.
fn launch(words: &[&str]) -> support::Finished {
    Launch::program("gst-launch-1.0")
        .args(["-m", "--no-fault"])
        .args(words)
        .run()
}

/// How many samples an MP4 file has.
fn frames(file: &std::path::Path) -> usize {
    support::init();
    let text = format!(
        "filesrc location={} ! qtdemux ! fakesink name=end",
        file.display()
    );
    crate::rig::count_buffers(&text)
}

#[test]
fn a_chain_in_gst_launch_transcodes_a_file_and_keeps_its_frames() {
    support::init();
    if gst::ElementFactory::find("avdec_h264").is_none() {
        return support::skip("hosted", "no avdec_h264");
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mp4");
    let run = launch(&[
        "filesrc",
        &format!("location={}", clip().display()),
        "!",
        "qtdemux",
        "!",
        "codecwatch",
        "codec=h264parse ! avdec_h264",
        "!",
        "codecwatch",
        "codec=x264enc tune=zerolatency speed-preset=ultrafast",
        "!",
        "h264parse",
        "!",
        "mp4mux",
        "!",
        "filesink",
        &format!("location={}", out.display()),
    ]);
    assert_eq!(run.code(), 0, "{}", run.text());
    assert_eq!(frames(&out), frames(&clip()));
}

#[test]
fn a_codec_that_is_not_installed_ends_gst_launch_with_its_name() {
    let run = launch(&[
        "videotestsrc",
        "num-buffers=3",
        "!",
        "codecwatch",
        "codec=nosuchenc",
        "!",
        "fakesink",
    ]);
    assert_ne!(run.code(), 0, "{}", run.text());
    assert!(
        run.says("no element 'nosuchenc' is installed"),
        "{}",
        run.text()
    );
}
