// SPDX-License-Identifier: MPL-2.0
//! What a transcode keeps.

use gst::prelude::*;

use crate::facts;
use crate::material::{film, make, patch};
use crate::rig::Folder;

/// A frame at 25 per second.
const FRAME: u64 = 40_000_000;

fn apart(a: u64, b: u64) -> u64 {
    a.abs_diff(b)
}

#[test]
fn h264_and_aac_become_av1_and_opus_with_every_frame_at_its_time() {
    for output in ["out.mkv", "out.mp4", "out.webm"] {
        let folder = Folder::new();
        film(&folder.path("in.mp4"));
        let run = folder.transcode("in.mp4", output, &["--audio", "opus:96k", "--compare"], 0);
        assert!(run.says("100 frames compared"), "{}", run.text());
        let (before, after) = (
            facts::of(&folder.path("in.mp4")),
            facts::of(&folder.path(output)),
        );
        assert_eq!(before.video.times.len(), 100);
        assert_eq!(after.video.times.len(), 100);
        for (before, after) in before.video.times.iter().zip(&after.video.times) {
            assert!(
                apart(*before, *after) < FRAME / 2,
                "{output}: {before} and {after}"
            );
        }
        // Audio begins and ends where it did.
        let [first, end] = [&before, &after].map(|facts| facts.audio.times[0]);
        assert!(apart(first, end) < FRAME, "{output}: {first} and {end}");
        assert!(apart(before.audio.end, after.audio.end) < FRAME, "{output}");
        assert!(
            after.titles.iter().any(|title| title == "Titel"),
            "{output}: {:?}",
            after.titles
        );
        let artist = after.tags.get::<gst::tags::Artist>();
        assert_eq!(artist.unwrap().get(), "Anna", "{output}");
        let colours = |facts: &facts::Facts| {
            let caps = facts.video.caps.clone().unwrap();
            gst_video::VideoInfo::from_caps(&caps)
                .unwrap()
                .colorimetry()
        };
        assert_eq!(colours(&before), colours(&after), "{output}");
    }
}

#[test]
fn audio_is_copied_where_the_container_can_hold_it() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    for (output, more, codec) in [
        ("copy.mkv", &["--audio", "copy"][..], Some("AAC")),
        ("copy.mp4", &[][..], Some("AAC")),
        ("auto.webm", &[][..], Some("Opus")),
        ("none.mkv", &["--audio", "none"][..], None),
    ] {
        folder.transcode("in.mp4", output, more, 0);
        let facts = facts::of(&folder.path(output));
        let found = facts
            .tags
            .get::<gst::tags::AudioCodec>()
            .map(|tag| tag.get().to_owned());
        match codec {
            Some(codec) => assert!(found.is_some_and(|found| found.contains(codec)), "{output}"),
            None => assert!(facts.audio.times.is_empty(), "{output}"),
        }
    }
    let run = folder.transcode("in.mp4", "copy.webm", &["--audio", "copy"], 1);
    assert!(run.says("webm cannot hold audio/mpeg"), "{}", run.text());
}

#[test]
fn pictures_that_are_turned_for_display_are_turned() {
    let folder = Folder::new();
    let input = folder.path("in.mp4");
    film(&input);
    // A quarter of a turn, in the matrix of the first track, which is the video.
    let one = |value: i32| (value << 16).to_be_bytes();
    let matrix: Vec<u8> = [one(0), one(1), one(0), one(-1), one(0), one(0)].concat();
    let bytes = std::fs::read(&input).unwrap();
    let header = bytes
        .windows(4)
        .position(|window| window == b"tkhd")
        .unwrap();
    let mut before = bytes[header..header + 44].to_vec();
    patch(&input, &std::mem::take(&mut before), &matrix);
    folder.transcode("in.mp4", "out.mkv", &[], 0);
    let facts = facts::of(&folder.path("out.mkv"));
    let caps = facts.video.caps.unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    assert_eq!((info.width(), info.height()), (240, 320));
    let orientation = facts.tags.get::<gst::tags::ImageOrientation>();
    assert!(orientation.is_none_or(|tag| tag.get() == "rotate-0"));
}

#[test]
fn hdr_metadata_and_bit_depth_are_kept() {
    let folder = Folder::new();
    make(&format!(
        "videotestsrc num-buffers=30 ! video/x-raw,format=I420_10LE,width=320,height=240,\
         framerate=25/1,colorimetry=bt2100-pq,\
         mastering-display-info=\"35400:14600:8500:39850:6550:2300:15635:16450:10000000:1\",\
         content-light-level=(string)1000:400 ! svtav1watchenc preset=12 ! matroskamux \
         ! filesink location={}",
        folder.path("in.mkv").display()
    ));
    for output in ["out.mkv", "out.mp4"] {
        folder.transcode("in.mkv", output, &[], 0);
        let [before, after] = ["in.mkv", output].map(|name| {
            let caps = facts::of(&folder.path(name)).video.caps.unwrap();
            let structure = caps.structure(0).unwrap();
            [
                "format",
                "colorimetry",
                "mastering-display-info",
                "content-light-level",
            ]
            .map(|field| structure.get::<String>(field).ok())
        });
        assert!(before.iter().all(Option::is_some), "{before:?}");
        assert_eq!(before, after, "{output}");
    }
}

#[test]
fn subtitles_and_chapters_are_kept() {
    let folder = Folder::new();
    std::fs::write(
        folder.path("in.srt"),
        "1\n00:00:00,500 --> 00:00:01,000\nTom & <i>Jerry</i>\n\n\
         2\n00:00:02,000 --> 00:00:02,800\nEnd\n",
    )
    .unwrap();
    support::init();
    let pipeline = gst::parse::launch(&format!(
        "matroskamux name=mux ! filesink location={} \
         videotestsrc num-buffers=100 ! video/x-raw,width=320,height=240,framerate=25/1 \
         ! vp8enc deadline=1 ! mux. filesrc location={} ! subparse ! mux.",
        folder.path("in.mkv").display(),
        folder.path("in.srt").display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let muxer = pipeline
        .by_name("mux")
        .unwrap()
        .dynamic_cast::<gst::TocSetter>()
        .unwrap();
    muxer.set_toc(Some(&table_of_contents()));
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();

    let before = facts::of(&folder.path("in.mkv"));
    folder.transcode("in.mkv", "out.mkv", &[], 0);
    let after = facts::of(&folder.path("out.mkv"));
    assert_eq!(before.text.texts.len(), 2);
    assert_eq!(before.text.times, after.text.times);
    assert_eq!(before.text.texts, after.text.texts);
    assert_eq!(before.chapters.len(), 2, "{before:?}");
    assert_eq!(before.chapters, after.chapters);

    folder.transcode("in.mkv", "none.mkv", &["--subtitles", "none"], 0);
    assert!(facts::of(&folder.path("none.mkv")).text.texts.is_empty());
    // MP4's subtitles are plain, and its muxer writes no chapters: that is told.
    let run = folder.transcode("in.mkv", "out.mp4", &[], 0);
    assert!(run.says("chapters are left out"), "{}", run.text());
    let after = facts::of(&folder.path("out.mp4"));
    let texts: Vec<&str> = after.text.texts.iter().map(String::as_str).collect();
    assert!(texts.contains(&"Tom & Jerry"), "{texts:?}");
}

fn table_of_contents() -> gst::Toc {
    let mut toc = gst::Toc::new(gst::TocScope::Global);
    let mut edition = gst::TocEntry::new(gst::TocEntryType::Edition, "edition");
    let chapter = |uid: &str, title: &str, start: i64, stop: i64| {
        let mut chapter = gst::TocEntry::new(gst::TocEntryType::Chapter, uid);
        let mut tags = gst::TagList::new();
        tags.make_mut()
            .add::<gst::tags::Title>(&title, gst::TagMergeMode::Replace);
        let writable = chapter.get_mut().unwrap();
        writable.set_start_stop_times(start, stop);
        writable.set_tags(tags);
        chapter
    };
    let edition_mut = edition.get_mut().unwrap();
    edition_mut.append_sub_entry(chapter("1", "One", 0, 2_000_000_000));
    edition_mut.append_sub_entry(chapter("2", "Two", 2_000_000_000, 4_000_000_000));
    toc.get_mut().unwrap().append_entry(edition);
    toc
}

#[test]
fn interlaced_video_has_as_many_pictures_as_frames() {
    let folder = Folder::new();
    make(&format!(
        "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1,\
         interlace-mode=interleaved,field-order=top-field-first \
         ! x264enc interlaced=true speed-preset=ultrafast ! h264parse ! matroskamux \
         ! filesink location={}",
        folder.path("in.mkv").display()
    ));
    folder.transcode("in.mkv", "out.mkv", &[], 0);
    assert_eq!(facts::of(&folder.path("out.mkv")).video.times.len(), 50);
}

#[test]
fn any_encoder_of_gstreamer_serves() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    for (output, chain) in [
        ("out.ts", "codecwatch:x264enc speed-preset=ultrafast"),
        ("out.mp4", "codecwatch:x264enc speed-preset=ultrafast"),
        ("out.webm", "codecwatch:vp8enc deadline=1"),
    ] {
        folder.run(&["transcode", "in.mp4", output, "--video", chain], 0);
        assert_eq!(
            facts::of(&folder.path(output)).video.times.len(),
            100,
            "{output}"
        );
    }
}
