// SPDX-License-Identifier: MPL-2.0
//! Programs that know nothing of supervision, with the tracer and without.

use std::time::Duration;

use gst::prelude::*;
use support::{Finished, Launch, media};

/// Budgets of the wrapped elements, short, so that a rehearsal ends soon.
const DEFAULTS: &str = "watchdog-timeout=1000000000,drain-timeout=1000000000,\
     open-timeout=5000000000,close-timeout=1000000000,slow-limit=5000000000";
/// A program without supervision that has not ended by then hangs.
const HANGS: Duration = Duration::from_secs(8);
/// What an ending may take after the budgets, on a loaded machine.
const PROMPT: Duration = Duration::from_secs(10);

/// Runs it with these elements wrapped.
fn wrapping(launch: Launch, names: &str) -> Launch {
    launch
        .env("GST_TRACERS", format!("codecwatch(wrap={names})"))
        .env("CODECWATCH_DEFAULTS", DEFAULTS)
}

/// Says so, and returns false, unless all are installed.
fn installed(elements: &[&str]) -> bool {
    gst::init().unwrap();
    let missing: Vec<_> = elements
        .iter()
        .filter(|name| gst::ElementFactory::find(name).is_none())
        .collect();
    if !missing.is_empty() {
        support::skip("wrapped", &format!("not installed: {missing:?}"));
    }
    missing.is_empty()
}

/// A pipeline that encodes into a file.
fn encode(encoder: &str, file: &std::path::Path) -> Launch {
    Launch::pipeline(&format!(
        "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240 ! {encoder} ! \
         filesink location={}",
        file.display()
    ))
}

fn player() -> Launch {
    Launch::pipeline(&format!(
        "playbin uri=file://{} video-sink=fakesink audio-sink=fakesink",
        media::h264_clip().display()
    ))
}

fn passes(run: &Finished) {
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(!run.killed, "{}", run.text());
    assert!(run.says("EOS"), "{}", run.text());
}

/// The element ended with the supervisor's error, soon after the call hung.
fn ends_promptly(run: &Finished, element: &str) {
    let text = run.text();
    assert!(!run.killed, "hangs: {text}");
    let wedged =
        |line: &support::Line| line.text.contains("is wedged") && line.text.contains(element);
    assert!(
        run.lines.iter().any(wedged),
        "no error of {element}: {text}"
    );
    let struck = run.when("rehearse: ");
    assert!(
        run.took < struck + PROMPT,
        "{:?}: {text}",
        run.took - struck
    );
}

#[test]
fn a_wrapped_encoder_gives_the_bytes_of_the_bare_one() {
    if !installed(&["x264enc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let encoder = "x264enc bitrate=300 threads=1 speed-preset=superfast key-int-max=12 \
                   option-string=bframes=1:ref=2";
    let [bare, wrapped] = ["bare", "wrapped"].map(|name| folder.path().join(name));
    passes(&encode(encoder, &bare).run());
    let run = wrapping(
        encode(&format!("{encoder} max-inside=200"), &wrapped),
        "x264enc",
    )
    .run();
    // Only a wrapped element has the last property.
    passes(&run);
    let [bare, wrapped] = [bare, wrapped].map(|file| std::fs::read(file).unwrap());
    assert!(bare.len() > 5_000);
    assert!(
        bare == wrapped,
        "{} and {} bytes",
        bare.len(),
        wrapped.len()
    );
}

#[test]
fn a_list_of_elements_is_wrapped_and_other_tracers_are_left_alone() {
    if !installed(&["x264enc", "jpegenc", "vp8enc"]) {
        return;
    }
    let pipeline = "videotestsrc num-buffers=5 ! tee name=t t. ! queue ! \
         x264enc max-inside=100 ! fakesink t. ! queue ! jpegenc max-inside=100 ! fakesink \
         t. ! queue ! vp8enc max-inside=100 ! fakesink";
    for tracers in [
        "codecwatch(wrap=x264enc;jpegenc;vp8enc)",
        "stats;codecwatch(wrap=x264enc;jpegenc;vp8enc);leaks",
        "codecwatch(wrap=x264enc,wrap=jpegenc;vp8enc;jpegenc)",
    ] {
        let run = Launch::pipeline(pipeline).env("GST_TRACERS", tracers).run();
        passes(&run);
        let complains = run.lines.iter().find(|line| line.text.contains("WARNING"));
        assert!(complains.is_none(), "{tracers}: {}", run.text());
    }
}

#[test]
fn codecwatch_itself_is_an_element_as_ever_and_runs_the_originals() {
    if !installed(&["x264enc"]) {
        return;
    }
    let pipeline = "videotestsrc num-buffers=5 ! codecwatch codec=x264enc codec::bitrate=300 ! \
                    capsfilter ! fakesink";
    let run = wrapping(Launch::pipeline(pipeline), "x264enc;capsfilter").run();
    passes(&run);
    let complains = run.lines.iter().find(|line| line.text.contains("WARNING"));
    assert!(complains.is_none(), "{}", run.text());
}

#[test]
fn what_cannot_be_wrapped_is_one_warning_and_the_program_runs_on() {
    for (tracers, said) in [
        (
            "codecwatch(wrap=nosuchenc)",
            "nosuchenc is not wrapped: no such element is installed",
        ),
        (
            "codecwatch(wrap=tee;capsfilter)",
            "tee is not wrapped: 'tee' has no source pad",
        ),
        ("codecwatch(speed=3)", "there is no parameter 'speed'"),
        (
            // An application answers with an object.
            "codecwatch(wrap=rtph264pay)",
            "rtph264pay is wrapped without these of its signals: ",
        ),
        ("codecwatch(wrap)", "'wrap' is not NAME=VALUE"),
        ("codecwatch(wrap=)", "'wrap' names no element"),
        ("codecwatch(wrap=codecwatch)", "it is already supervised"),
        (
            "codecwatch(wrap=leaks;capsfilter)",
            "leaks is not wrapped: no such element",
        ),
    ] {
        let run = Launch::pipeline("videotestsrc num-buffers=3 ! capsfilter ! fakesink")
            .env("GST_TRACERS", tracers)
            .run();
        passes(&run);
        let warnings = run
            .lines
            .iter()
            .filter(|line| line.text.contains("WARNING"));
        let warnings: Vec<_> = warnings.map(|line| &*line.text).collect();
        assert_eq!(warnings.len(), 1, "{tracers}: {warnings:?}");
        assert!(warnings[0].contains(said), "{tracers}: {warnings:?}");
    }
}

#[test]
fn a_program_gets_the_wrapped_element_wherever_it_looks() {
    const NAME: &str = "tracer::a_program_gets_the_wrapped_element_wherever_it_looks";
    if !support::is_child() {
        if installed(&["x264enc"]) {
            let child = Launch::this_test(NAME)
                .env("GST_TRACERS", "codecwatch(wrap=x264enc;jpegdec)")
                .env("CODECWATCH_DEFAULTS", "restart-limit=3,max-inside=77");
            let run = child.run();
            assert_eq!(run.code(), 0, "{}", run.text());
        }
        return;
    }
    // The plugin comes from its file, as in any program.
    gst::init().unwrap();
    let is_wrapped = |element: &gst::Element| {
        assert_eq!(element.property::<u32>("restart-limit"), 3);
        assert_eq!(element.property::<u32>("max-inside"), 77);
        assert_eq!(element.factory().unwrap().name(), "x264enc");
    };
    let made = gst::ElementFactory::make("x264enc").build().unwrap();
    assert_eq!(made.name(), "x264enc0");
    is_wrapped(&made);
    let bin = gst::parse::bin_from_description("x264enc bitrate=7", true).unwrap();
    let parsed = bin.iterate_elements().next().unwrap().unwrap();
    is_wrapped(&parsed);
    assert_eq!(parsed.property::<u32>("bitrate"), 7);
    let kinds = gst::ElementFactoryType::VIDEO_ENCODER;
    let listed = gst::ElementFactory::factories_with_type(kinds, gst::Rank::PRIMARY);
    let mut listed = listed.iter().filter(|factory| factory.name() == "x264enc");
    let factory = listed.next().expect("it has lost its class or its rank");
    assert!(listed.next().is_none(), "the original is listed, too");
    is_wrapped(&factory.create().build().unwrap());
    let plain = gst::ElementFactory::make("codecwatch").build().unwrap();
    assert_eq!(
        plain.property::<u32>("restart-limit"),
        0,
        "it is not wrapped"
    );
    let bare = gst::ElementFactory::make("jpegenc").build().unwrap();
    assert!(bare.find_property("restart-limit").is_none());
}

#[test]
fn a_default_that_cannot_be_used_is_one_warning() {
    let program = "videotestsrc num-buffers=3 ! capsfilter name=i ! fakesink";
    let run = |defaults: &str| {
        let run = wrapping(Launch::pipeline(program), "capsfilter")
            .env("CODECWATCH_DEFAULTS", defaults)
            .run();
        passes(&run);
        let warnings = run
            .lines
            .iter()
            .filter(|line| line.text.contains("WARNING"));
        warnings.map(|line| line.text.clone()).collect::<Vec<_>>()
    };
    assert!(run("watchdog-timeout=5000000000,restart-limit=3").is_empty());
    let warnings = run("speed=1,restart-limit=3");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("CODECWATCH_DEFAULTS: there is no shared property 'speed'"));
}

#[test]
fn a_player_takes_the_wrapped_decoder_and_plays_to_the_end() {
    if !installed(&["avdec_h264", "qtdemux", "h264parse"]) {
        return;
    }
    let run = wrapping(player(), "avdec_h264")
        .env("GST_DEBUG", "codecwatchelement:5")
        .run();
    passes(&run);
    assert!(
        run.says("avdec_h264 runs under supervision"),
        "{}",
        run.text()
    );
}

#[test]
fn a_player_whose_decoder_hangs_ends_with_an_error() {
    if !installed(&["avdec_h264", "qtdemux", "h264parse"]) {
        return;
    }
    let script = "avcodec_send_packet:hang@20";
    let bare = player().rehearse(script).bound(HANGS).start().end();
    assert!(bare.killed, "does not hang: {}", bare.text());
    let wrapped = wrapping(player(), "avdec_h264;avdec_aac")
        .rehearse(script)
        .run();
    assert_eq!(wrapped.code(), 1, "{}", wrapped.text());
    ends_promptly(&wrapped, "avdec_");
}

#[test]
fn gst_play_ends_where_it_hangs_without_the_wrapping() {
    const PLAYER: &str = "/usr/bin/gst-play-1.0";
    if !installed(&["avdec_h264", "qtdemux", "h264parse"]) {
        return;
    }
    if !std::path::Path::new(PLAYER).exists() {
        return support::skip("wrapped", "no gst-play-1.0");
    }
    let play = || {
        let clip = media::h264_clip();
        Launch::program(PLAYER)
            .args([
                "--no-interactive",
                "--videosink=fakesink",
                "--audiosink=fakesink",
            ])
            .args([&clip])
    };
    let script = "avcodec_send_packet:hang@20";
    let bare = play().rehearse(script).bound(HANGS).start().end();
    assert!(bare.killed, "does not hang: {}", bare.text());
    let wrapped = wrapping(play(), "avdec_h264;avdec_aac")
        .rehearse(script)
        .run();
    ends_promptly(&wrapped, "avdec_");
}

#[test]
fn a_program_with_encodebin_whose_encoder_hangs_ends_with_an_error() {
    const PYTHON: &str = "/usr/bin/python3";
    const PROGRAM: &str = "
import sys
import gi
gi.require_version('Gst', '1.0')
gi.require_version('GstPbutils', '1.0')
from gi.repository import Gst, GstPbutils
Gst.init(None)
if len(sys.argv) < 2:
    sys.exit(0)
container = GstPbutils.EncodingContainerProfile.new(
    'mkv', None, Gst.Caps.from_string('video/x-matroska'), None)
container.add_profile(GstPbutils.EncodingVideoProfile.new(
    Gst.Caps.from_string('video/x-h264'), None, None, 0))
pipeline = Gst.Pipeline.new(None)
source = Gst.ElementFactory.make('videotestsrc', None)
source.set_property('num-buffers', 100)
encoder = Gst.ElementFactory.make('encodebin', None)
encoder.set_property('profile', container)
sink = Gst.ElementFactory.make('filesink', None)
sink.set_property('location', sys.argv[1])
for element in (source, encoder, sink):
    pipeline.add(element)
source.link(encoder)
encoder.link(sink)
pipeline.set_state(Gst.State.PLAYING)
message = pipeline.get_bus().timed_pop_filtered(
    Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
error = message.type == Gst.MessageType.ERROR
print(message.parse_error() if error else 'EOS')
pipeline.set_state(Gst.State.NULL)
print('stopped')
sys.exit(3 if error else 0)
";
    if !installed(&["x264enc", "matroskamux"]) {
        return;
    }
    let python = || Launch::program(PYTHON).args(["-c", PROGRAM]);
    if !std::path::Path::new(PYTHON).exists() || python().run().code() != 0 {
        return support::skip("wrapped", "no GStreamer for Python");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.mkv");
    let program = || {
        python()
            .args([&file])
            // Other encoders of H.264 may be installed.
            .env("GST_PLUGIN_FEATURE_RANK", "x264enc:MAX")
    };
    let script = "x264_encoder_encode:hang@60";
    let bare = program().rehearse(script).bound(HANGS).start().end();
    assert!(bare.killed, "does not hang: {}", bare.text());
    let wrapped = wrapping(program(), "x264enc").rehearse(script).run();
    assert_eq!(wrapped.code(), 3, "{}", wrapped.text());
    assert!(wrapped.says("stopped"), "{}", wrapped.text());
    ends_promptly(&wrapped, "x264enc");
    let healthy = wrapping(program(), "x264enc").run();
    passes(&healthy);
}

#[test]
fn with_restarts_the_encoder_is_replaced_and_the_stream_goes_on() {
    if !installed(&["x264enc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let encoder = "x264enc tune=zerolatency speed-preset=ultrafast bitrate=300";
    let run = wrapping(encode(encoder, &file), "x264enc")
        .env("CODECWATCH_DEFAULTS", format!("{DEFAULTS},restart-limit=1"))
        .rehearse("x264_encoder_encode:hang@30")
        .run();
    passes(&run);
    assert!(run.says("codecwatch-restarted"), "{}", run.text());
}
