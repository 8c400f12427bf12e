// SPDX-License-Identifier: MPL-2.0
//! Whole pipelines, with the bare codec and with the hosted one: the bundled clip, live
//! sources, and a seek by the application.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use crate::record::{Record, assert_same};
use crate::rig::count_buffers;

const SECONDS: gst::ClockTime = gst::ClockTime::from_seconds(90);

/// A pipeline, and what arrives at its sink.
struct Played {
    text: String,
    pipeline: gst::Pipeline,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Played {
    fn new(text: &str, sync: bool) -> Self {
        let text = format!("{text} ! fakesink name=end sync={sync}");
        let pipeline = gst::parse::launch(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let end = pipeline.by_name("end").unwrap().static_pad("sink").unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        let seen = records.clone();
        let events = gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        let kinds = gst::PadProbeType::BUFFER | events;
        end.add_probe(kinds, move |pad, info| {
            let record = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    Record::buffer(buffer, pad.current_caps().as_ref(), false)
                }
                Some(gst::PadProbeData::Event(event)) => Record::event(event),
                _ => return gst::PadProbeReturn::Ok,
            };
            seen.lock().unwrap().push(record);
            gst::PadProbeReturn::Ok
        });
        Self {
            text,
            pipeline,
            records,
        }
    }

    fn wait_for(&self, wanted: gst::MessageType) {
        let bus = self.pipeline.bus().unwrap();
        let wanted = [wanted, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(SECONDS, &wanted);
        let message = message.unwrap_or_else(|| panic!("{}: no {wanted:?}", self.text));
        assert_eq!(message.type_(), wanted[0], "{}: {message:?}", self.text);
    }

    /// Plays to the end.
    fn end(self) -> Vec<Record> {
        self.pipeline.set_state(gst::State::Playing).unwrap();
        self.wait_for(gst::MessageType::Eos);
        self.pipeline.set_state(gst::State::Null).unwrap();
        std::mem::take(&mut *self.records.lock().unwrap())
    }

    /// Shows the first picture, seeks, and plays to the end; what comes after the seek.
    fn end_behind_seek(self, to: gst::ClockTime) -> Vec<Record> {
        self.pipeline.set_state(gst::State::Paused).unwrap();
        self.wait_for(gst::MessageType::AsyncDone);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        self.pipeline.seek_simple(flags, to).unwrap();
        self.wait_for(gst::MessageType::AsyncDone);
        let mut records = self.end();
        let flushed = |record: &Record| format!("{record:?}").starts_with("flush-stop");
        let last = records.iter().rposition(flushed).expect("no flush");
        records.split_off(last)
    }
}

/// Compares the runs of a pipeline with the bare codec, with the hosted one, and with that
/// in a child process.
fn compare(codec: &str, run: impl Fn(&str) -> Vec<Record>) -> Vec<Record> {
    let bare = run(codec);
    assert!(bare.len() > 10, "{codec}: {bare:?}");
    let hosted = run(&format!("codecwatch codec=\"{codec}\""));
    assert_same(codec, &bare, &hosted);
    let isolated = run(&format!("codecwatch isolate=true codec=\"{codec}\""));
    assert_same(&format!("isolated {codec}"), &bare, &isolated);
    bare
}

/// The times of a live source begin when it was started: those since the first buffer.
fn without_start(mut records: Vec<Record>) -> Vec<Record> {
    records.retain(|record| !format!("{record:?}").starts_with("segment"));
    let first = records.iter().find_map(|record| match record {
        Record::Buffer { times, .. } => times[0],
        _ => None,
    });
    let first = first.expect("no time");
    for record in &mut records {
        if let Record::Buffer {
            times: [pts, dts, _],
            ..
        } = record
        {
            // What lies before it is zero in all runs, which is not looked at here.
            for time in [pts, dts] {
                *time = time.map(|time| time.saturating_sub(first));
            }
        }
    }
    records
}

fn is_installed(codec: &str) -> bool {
    support::init();
    let name = codec.split_whitespace().next().unwrap();
    let installed = gst::ElementFactory::find(name).is_some();
    if !installed {
        support::skip("hosted", &format!("not installed: {name}"));
    }
    installed
}

/// The clip's packets.
fn clip() -> String {
    let file = support::media::clip();
    format!("filesrc location={} ! matroskademux", file.display())
}

#[test]
fn the_clip_is_decoded_the_same() {
    let codec = "av1dec";
    if is_installed(codec) {
        let run = |codec: &str| Played::new(&format!("{} ! {codec}", clip()), false).end();
        let bare = compare(codec, run);
        let pictures = bare.iter().filter(|record| record.size().is_some());
        assert!(pictures.count() > 100);
    }
}

#[test]
fn the_clip_is_encoded_the_same() {
    let source = format!("{} ! av1parse ! dav1dwatchdec", clip());
    for codec in [
        "x264enc speed-preset=ultrafast bframes=2 threads=1",
        // (With a deadline of 1, what it does depends on how long it takes.)
        "vp8enc deadline=1000000 cpu-used=5 lag-in-frames=5 threads=1",
        "jpegenc",
    ] {
        if is_installed(codec) {
            compare(codec, |codec| {
                Played::new(&format!("{source} ! {codec}"), false).end()
            });
        }
    }
}

#[test]
fn a_live_stream_comes_out_the_same() {
    let video = "videotestsrc is-live=true num-buffers=25 ! \
                 video/x-raw,format=I420,width=160,height=120,framerate=25/1";
    let audio = "audiotestsrc is-live=true num-buffers=40 samplesperbuffer=960 ! \
                 audio/x-raw,format=S16LE,rate=48000,channels=2";
    for (source, codec) in [
        (video, "x264enc tune=zerolatency threads=1"),
        (
            video,
            "vp8enc deadline=1000000 cpu-used=5 lag-in-frames=0 threads=1",
        ),
        (video, "jpegenc ! jpegdec"),
        (
            video,
            "x264enc bframes=2 threads=1 ! avdec_h264 max-threads=1",
        ),
        (audio, "opusenc"),
        (audio, "opusenc ! opusdec"),
        (audio, "lamemp3enc"),
    ] {
        if is_installed(codec) {
            compare(codec, |codec| {
                without_start(Played::new(&format!("{source} ! {codec}"), true).end())
            });
        }
    }
}

#[test]
fn a_seek_of_the_application_comes_out_the_same() {
    let to = gst::ClockTime::from_mseconds(2_480);
    let h264 = support::media::h264_clip();
    for (source, codec) in [
        (clip(), "av1dec"),
        (
            format!(
                "filesrc location={} ! qtdemux name=demux demux.video_0",
                h264.display()
            ),
            "h264parse ! avdec_h264 max-threads=1",
        ),
    ] {
        if is_installed(codec) {
            compare(codec, |codec| {
                let played = Played::new(&format!("{source} ! {codec}"), false);
                let mut records = played.end_behind_seek(to);
                // h264parse goes on with what it has seen before, which may be more.
                records.retain(|record| !format!("{record:?}").contains("minimum-bitrate"));
                records
            });
        }
    }
}

/// The clip in MP4, which qtdemux would pull from a source that lets it.
#[test]
fn a_demuxer_behind_the_element_gets_pushed_what_it_would_pull_from_the_source() {
    support::init();
    let clip = support::media::h264_clip();
    let count = |between: &str| {
        count_buffers(&format!(
            "filesrc location={} ! {between} qtdemux ! fakesink name=end sync=false",
            clip.display()
        ))
    };
    assert_eq!(count("codecwatch codec=identity !"), count(""));
}

/// The encoder answers EOS to the first picture, and would encode each that follows.
#[test]
fn a_codec_that_needs_no_more_gets_no_more() {
    support::init();
    for codec in ["pngenc snapshot=true", "jpegenc snapshot=true"] {
        let pictures = count_buffers(&format!(
            "videotestsrc num-buffers=20 ! codecwatch codec=\"{codec}\" \
             ! fakesink name=end sync=false"
        ));
        assert_eq!(pictures, 1, "{codec}");
    }
}
