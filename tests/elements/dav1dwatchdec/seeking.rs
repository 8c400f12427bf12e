// SPDX-License-Identifier: MPL-2.0
//! Seeks: flushing, in trick mode, in reverse.

use gst::prelude::*;
use support::pictures::{Downstream, collect, info, md5, plane_rows};

use crate::streams::ivf;
use crate::util::{
    FRAME, KEY_EVERY_8, THREADED, buffer, clip, clip_start, decoder, encoded, has_ended, numbers,
    pull_all, push, wait_until,
};

#[test]
fn a_flushing_seek_drops_what_is_inside_and_goes_on() {
    for properties in ["n-threads=1", THREADED] {
        let mut harness = decoder(properties);
        push(&mut harness, &clip_start(30), 0);
        assert!(harness.push_event(gst::event::FlushStart::new()));
        assert!(harness.push_event(gst::event::FlushStop::new(true)));
        pull_all(&mut harness);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
        push(&mut harness, &clip()[..10], 100);
        assert!(harness.push_event(gst::event::Eos::new()));
        let seen = numbers(&pull_all(&mut harness));
        assert_eq!(seen, (100..110).collect::<Vec<_>>(), "{properties}");
        assert!(has_ended(&mut harness));
    }
}

#[test]
fn a_flush_before_the_session_is_open_does_no_harm() {
    for _ in 0..20 {
        let mut harness = decoder("n-threads=2 max-frame-delay=0");
        push(&mut harness, &clip_start(1), 0);
        assert!(harness.push_event(gst::event::FlushStart::new()));
        assert!(harness.push_event(gst::event::FlushStop::new(true)));
        pull_all(&mut harness);
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
        push(&mut harness, &clip()[..3], 7);
        assert!(harness.push_event(gst::event::Eos::new()));
        assert_eq!(numbers(&pull_all(&mut harness)), [7, 8, 9]);
    }
}

#[test]
fn in_trick_mode_each_key_frame_shows_at_once() {
    let Some(units) = encoded(32, (160, 96), KEY_EVERY_8) else {
        return;
    };
    let mut harness = decoder(THREADED);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_flags(gst::SegmentFlags::TRICKMODE_KEY_UNITS);
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    for (at, number) in [(0, 0_u64), (8, 8), (16, 16)] {
        let mut buffer = crate::util::buffer(&units[at], number);
        let shown = buffer.get_mut().unwrap();
        shown.set_flags(gst::BufferFlags::DISCONT);
        harness.push(buffer).unwrap();
        // The key frame before this one has been let out.
        let expected = number / 8;
        wait_until("a key frame", || {
            u64::from(harness.buffers_received()) >= expected
        });
    }
}

/// A file of 40 frames with a key frame every eight.
fn file() -> Option<tempfile::TempPath> {
    let units = encoded(40, (160, 96), KEY_EVERY_8)?;
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("in.ivf");
    std::fs::write(&raw, ivf::write(&units)).unwrap();
    // IVF has no index: Matroska has.
    let file = tempfile::NamedTempFile::with_suffix(".mkv").unwrap();
    let run = support::Launch::pipeline(&format!(
        "filesrc location={} ! ivfparse ! av1parse ! matroskamux ! filesink location={}",
        raw.display(),
        file.path().display()
    ))
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    Some(file.into_temp_path())
}

fn player(file: &std::path::Path) -> gst::Pipeline {
    support::init();
    let description = format!(
        "filesrc location={} ! matroskademux ! av1parse ! dav1dwatchdec \
         ! appsink name=out sync=false",
        file.display()
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    pipeline.downcast().unwrap()
}

fn preroll(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Paused).unwrap();
    pipeline.state(gst::ClockTime::from_seconds(20)).0.unwrap();
}

fn play_backward(pipeline: &gst::Pipeline) {
    pipeline
        .seek(
            -1.0,
            gst::SeekFlags::FLUSH,
            gst::SeekType::Set,
            gst::ClockTime::ZERO,
            gst::SeekType::Set,
            FRAME * 40,
        )
        .unwrap();
}

fn wait_for_eos(pipeline: &gst::Pipeline) {
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let message = message.expect("the pipeline hangs");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
}

/// The MD5 of each picture, by its time in milliseconds.
fn sums(samples: &[gst::Sample]) -> Vec<(u64, String)> {
    let pts = |sample: &gst::Sample| sample.buffer().unwrap().pts().unwrap().mseconds();
    let sum = |sample| (pts(sample), md5(std::slice::from_ref(sample), 3));
    samples.iter().map(sum).collect()
}

#[test]
fn in_reverse_every_picture_shows_back_to_front() {
    let Some(file) = file() else { return };
    let pipeline = player(&file);
    let samples = collect(&pipeline, Downstream::TakesVideoMeta);
    let take = || sums(&std::mem::take(&mut *samples.lock().unwrap()));
    preroll(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait_for_eos(&pipeline);
    let mut forward = take();
    assert_eq!(forward.len(), 40);

    play_backward(&pipeline);
    wait_for_eos(&pipeline);
    forward.reverse();
    assert_eq!(take(), forward);

    // And forward again.
    pipeline
        .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)
        .unwrap();
    wait_for_eos(&pipeline);
    forward.reverse();
    assert_eq!(take(), forward);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_state_change_in_reverse_does_not_hang() {
    let Some(file) = file() else { return };
    for wait in [0, 5, 20, 50] {
        let pipeline = player(&file);
        let _samples = collect(&pipeline, Downstream::TakesVideoMeta);
        preroll(&pipeline);
        play_backward(&pipeline);
        pipeline.set_state(gst::State::Playing).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// A group of pictures is handed over with the base class's lock held. In a process of
/// its own under the fault shim, for each frame of a group.
#[test]
fn a_restart_in_reverse_goes_on_whichever_frame_of_a_group_hangs() {
    const THIS: &str = "seeking::a_restart_in_reverse_goes_on_whichever_frame_of_a_group_hangs";
    if !support::is_child() {
        if file().is_none() {
            return;
        }
        for number in 20..28 {
            let run = support::Launch::this_test(THIS)
                .rehearse(&format!("dav1d_send_data:hang@{number}"))
                .bound(std::time::Duration::from_secs(60))
                .run();
            assert_eq!(run.code(), 0, "frame {number}: {}", run.text());
            assert!(run.says("rehearse: "), "nothing hung: {}", run.text());
        }
        return;
    }
    let file = file().unwrap();
    let pipeline = player(&file);
    for element in pipeline.children() {
        if element.find_property("watchdog-timeout").is_some() {
            element.set_property("watchdog-timeout", 500_000_000_u64);
            element.set_property("close-timeout", 500_000_000_u64);
            element.set_property("restart-limit", 1_u32);
            element.set_property("n-threads", 1_u32);
        }
    }
    let _samples = collect(&pipeline, Downstream::TakesVideoMeta);
    preroll(&pipeline);
    play_backward(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait_for_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}

/// Every picture that comes out after a seek is what the stream has there: no
/// reference is lost or left over.
#[test]
fn a_hundred_flushing_seeks_show_the_right_pictures() {
    let Some(file) = file() else { return };
    let pipeline = player(&file);
    let samples = collect(&pipeline, Downstream::TakesVideoMeta);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait_for_eos(&pipeline);
    let right = sums(&std::mem::take(&mut *samples.lock().unwrap()));
    for seek in 0..100_u64 {
        let to = FRAME * (seek * 7 % 40);
        pipeline
            .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, to)
            .unwrap();
        if seek % 10 == 9 {
            wait_for_eos(&pipeline);
        } else {
            std::thread::sleep(std::time::Duration::from_millis(seek % 4 * 5));
        }
        let seen = sums(&std::mem::take(&mut *samples.lock().unwrap()));
        for picture in &seen {
            assert!(
                right.contains(picture),
                "seek {seek} to {to}: {}",
                picture.0
            );
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn planes_are_shown_to_the_end() {
    // What the other tests compare is all of a picture.
    let Some(file) = file() else { return };
    let pipeline = player(&file);
    let samples = collect(&pipeline, Downstream::TakesPlain);
    pipeline.set_state(gst::State::Playing).unwrap();
    wait_for_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    let samples = samples.lock().unwrap();
    let mut bytes = 0;
    for plane in 0..3 {
        plane_rows(&samples[0], plane, |row| bytes += row.len());
    }
    assert_eq!(bytes, info(&samples[0]).size());
}

#[test]
fn a_flush_begins_the_counts_of_max_frames_and_max_duration_anew() {
    let mut harness = decoder("n-threads=1 max-frames=10 max-duration=400000000");
    for round in 0..3 {
        push(&mut harness, &clip()[..10], 100 * round);
        assert!(harness.push_event(gst::event::FlushStart::new()));
        assert!(harness.push_event(gst::event::FlushStop::new(true)));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        assert!(harness.push_event(gst::event::Segment::new(&segment)));
    }
    push(&mut harness, &clip()[..10], 0);
    assert!(harness.push(buffer(&clip()[10], 10)).is_err());
}
