// SPDX-License-Identifier: MPL-2.0
//! What goes into a chain is accounted for: it comes out, is lost, or is skipped, and the
//! messages say how much.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::codecs::CASES;
use crate::record::Record;
use crate::rig::{Item, Rig, produce};

const VIDEO: &str =
    "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1";
/// A key frame every 8 frames.
const H264: &str = "x264enc tune=zerolatency key-int-max=8 speed-preset=ultrafast threads=1";
const FRAME: gst::ClockTime = gst::ClockTime::from_mseconds(40);

fn input(description: &str) -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce(description)
}

fn codecwatch(codec: &str, restarts: u32) -> Rig {
    let element = gst::ElementFactory::make("codecwatch")
        .property("codec", codec)
        .property("restart-limit", restarts)
        .property("watchdog-timeout", 500_000_000_u64)
        .property("max-abandoned", 0_u32)
        .build();
    Rig::around(element.unwrap(), codec.to_owned())
}

/// The element messages so far; there is no error.
fn messages(rig: &Rig) -> Vec<gst::Structure> {
    let messages = std::iter::from_fn(|| rig.bus.pop());
    let of = |message: gst::Message| {
        assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
        let is_element = message.type_() == gst::MessageType::Element;
        let structure = message.structure().filter(|_| is_element);
        structure.map(ToOwned::to_owned)
    };
    messages.filter_map(of).collect()
}

fn named<'a>(messages: &'a [gst::Structure], name: &str) -> Option<&'a gst::Structure> {
    messages.iter().find(|structure| structure.name() == name)
}

fn buffers(records: &[Record]) -> u64 {
    let is_buffer = |record: &&Record| matches!(record, Record::Buffer { .. });
    records.iter().filter(is_buffer).count() as u64
}

/// Each of them holds frames back; the first two move their timestamps by 1000 hours.
#[test]
fn the_frames_that_a_restart_loses_in_an_encoder_are_counted() {
    let items = input(VIDEO);
    for encoder in [
        "x264enc rc-lookahead=5 sync-lookahead=0 threads=1",
        "x265enc speed-preset=ultrafast",
        "vp8enc deadline=1 lag-in-frames=6",
    ] {
        let name = encoder.split(' ').next().unwrap();
        if gst::ElementFactory::find(name).is_none() {
            support::skip("hosted", &format!("{name} is not installed"));
            continue;
        }
        // Each session strikes at its 31st buffer: the second ends before.
        let rig = codecwatch(
            &format!("wedge at=chain how=sleep number=30 ! {encoder}"),
            1,
        );
        let out = buffers(&rig.play_on(&items));
        let messages = messages(&rig);
        let restarted = named(&messages, "codecwatch-restarted").expect("no restart");
        let lost = restarted.get::<u64>("frames-lost").unwrap();
        assert_eq!(lost + out, 50, "{encoder}: {out} came out, {restarted}");
        let skipped = named(&messages, "codecwatch-skipped");
        assert!(skipped.is_none(), "{encoder}: {skipped:?}");
    }
}

#[test]
fn a_restart_loses_nothing_that_had_come_out_before_however_slow_downstream_is() {
    let mut items = input(VIDEO);
    // The second session ends before its fifth buffer.
    let mut buffers_in = 0;
    items.retain(|item| {
        buffers_in += u32::from(matches!(item, Item::Buffer(_)));
        !matches!(item, Item::Buffer(_)) || buffers_in <= 8
    });
    let rig = codecwatch("wedge at=chain how=error number=5", 1);
    rig.downstream.block(true);
    let records = thread::scope(|scope| {
        let opens = rig.downstream.opens_at_last();
        let playing = scope.spawn(|| rig.play_on(&items));
        let stats = || rig.element.property::<gst::Structure>("stats");
        let deadline = Instant::now() + Duration::from_secs(20);
        let has_failed = || stats().get::<String>("outcome") == Ok("CodecFailed".to_owned());
        while !has_failed() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        // Time to do what has to wait.
        thread::sleep(Duration::from_millis(200));
        drop(opens);
        playing.join().unwrap()
    });
    let messages = messages(&rig);
    let restarted = named(&messages, "codecwatch-restarted").expect("no restart");
    let lost = restarted.get::<u64>("frames-lost").unwrap();
    assert_eq!(lost + buffers(&records), 8, "{restarted}");
    let times = records.iter().filter_map(|record| match record {
        Record::Buffer { times, .. } => times[0],
        _ => None,
    });
    let expected: Vec<_> = (0..4).map(|number| FRAME * number).collect();
    assert_eq!(times.take(4).collect::<Vec<_>>(), expected, "{restarted}");
}

/// Pictures in parts. Those of a clip have a time each; of those of the encoder, only the
/// first of each picture has one.
fn parts() -> [(Vec<Item>, &'static str); 2] {
    let parts = "video/x-h264,stream-format=byte-stream,alignment=nal";
    let clip = support::media::h264_clip();
    let clip = format!("filesrc location={} ! qtdemux", clip.display());
    let encoder = format!("{VIDEO} ! x264enc bframes=2 key-int-max=8 option-string=slices=2");
    [
        (
            input(&format!("{clip} ! h264parse ! {parts}")),
            "h264parse ! avdec_h264",
        ),
        (
            input(&format!("{encoder} ! h264parse ! {parts}")),
            "avdec_h264",
        ),
    ]
}

#[test]
fn the_parts_of_a_picture_that_comes_out_are_not_said_to_be_skipped() {
    for (items, codec) in parts() {
        let rig = codecwatch(codec, 0);
        let out = buffers(&rig.play_on(&items));
        let messages = messages(&rig);
        assert!(messages.is_empty(), "{codec}: {messages:?}");
        assert_eq!(out, buffers(&Rig::bare(codec).play_on(&items)), "{codec}");
    }
}

#[test]
fn a_picture_that_is_lost_with_all_its_parts_is_still_said_to_be_skipped() {
    let items = input(&format!(
        "{VIDEO} ! {H264} ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=nal"
    ));
    let times = items.iter().filter_map(|item| match item {
        Item::Buffer(buffer) => Some(buffer.pts()),
        _ => None,
    });
    let times: Vec<_> = times.collect();
    // Of the last picture, which has one slice, only the delimiter goes in.
    let number = times.len() - 1;
    let rig = codecwatch(
        &format!("wedge at=chain how=drop number={number} ! avdec_h264 max-threads=1"),
        0,
    );
    let out = buffers(&rig.play_on(&items));
    let messages = messages(&rig);
    assert_eq!(out, 49, "{messages:?}");
    let skipped = named(&messages, "codecwatch-skipped").expect("nothing is said");
    let first = skipped.get::<Option<gst::ClockTime>>("first-pts").unwrap();
    let last = times.iter().rev().find_map(|time| *time);
    assert_eq!(first, last, "{skipped}");
}

/// As before the position of an accurate seek. Others with a flag that makes the element
/// drop them are missing.
#[test]
fn pictures_that_are_only_decoded_are_not_said_to_be_skipped() {
    let flags = [
        ("decode-only", gst::BufferFlags::DECODE_ONLY),
        ("droppable", gst::BufferFlags::DROPPABLE),
    ];
    for (name, flag) in flags {
        let mut items = input(VIDEO);
        let buffers_in = items.iter_mut().filter_map(|item| match item {
            Item::Buffer(buffer) => Some(buffer),
            _ => None,
        });
        for buffer in buffers_in.skip(10).take(10) {
            buffer.make_mut().set_flags(flag);
        }
        let rig = codecwatch(&format!("identity drop-buffer-flags={name}"), 0);
        assert_eq!(buffers(&rig.play_on(&items)), 40, "{name}");
        let expected = match name {
            "decode-only" => 0,
            _ => 10,
        };
        assert_eq!(skipped(&messages(&rig)).0, expected, "{name}");
    }
}

/// How many buffers were said to be left out, and in how many messages.
fn skipped(messages: &[gst::Structure]) -> (u64, usize) {
    let skipped = messages
        .iter()
        .filter(|of| of.name() == "codecwatch-skipped");
    let counts = skipped.map(|of| of.get::<u64>("buffers").unwrap());
    counts.fold((0, 0), |(sum, count), buffers| (sum + buffers, count + 1))
}

const MANY: &str =
    "videotestsrc num-buffers=1500 ! video/x-raw,format=I420,width=32,height=32,framerate=25/1";

#[test]
fn frames_that_a_codec_drops_are_told_while_the_stream_goes_on() {
    let items = input(MANY);
    // Without a limit, too.
    for max_inside in [512_u32, 0] {
        let rig = codecwatch("identity drop-probability=0.5 ! jpegenc", 0);
        rig.element.set_property("max-inside", max_inside);
        let (stream, end) = items.split_at(items.len() - 1);
        rig.play_on(&[stream, &[Item::Settle]].concat());
        let messages = messages(&rig);
        let (before_end, count) = skipped(&messages);
        assert!(before_end > 500 && count > 400, "{before_end} in {count}");
        let out = buffers(&rig.play_on(end));
        let (at_end, _) = skipped(&self::messages(&rig));
        assert!(at_end < 64, "{at_end} are told at the end");
        assert_eq!(out + before_end + at_end, 1500);
    }
}

/// As of avidemux.
fn with_decoding_times_only(mut items: Vec<Item>) -> Vec<Item> {
    for item in &mut items {
        if let Item::Buffer(buffer) = item {
            let buffer = buffer.make_mut();
            let time = buffer.dts_or_pts();
            buffer.set_dts(time);
            buffer.set_pts(gst::ClockTime::NONE);
        }
    }
    items
}

#[test]
fn frames_that_have_decoding_times_only_are_counted() {
    let items = with_decoding_times_only(input(&format!("{MANY} ! jpegenc")));
    let rig = codecwatch("identity drop-probability=0.5 ! jpegdec", 0);
    let out = buffers(&rig.play_on(&items));
    // Its pictures follow each other without a gap: it shows at the end.
    let (skipped, _) = skipped(&messages(&rig));
    assert!(skipped > 500, "{skipped}");
    assert_eq!(out + skipped, 1500);
}

#[test]
fn reordered_frames_that_have_decoding_times_only_are_not_said_to_be_skipped() {
    let encoder = "x264enc bframes=3 b-adapt=false speed-preset=ultrafast threads=1";
    let items = with_decoding_times_only(input(&format!("{MANY} ! {encoder}")));
    let codec = "h264parse ! avdec_h264 max-threads=1";
    for codec in [codec, "avdec_h264 max-threads=1"] {
        let rig = codecwatch(codec, 0);
        let out = buffers(&rig.play_on(&items));
        let bare = buffers(&Rig::bare(codec).play_on(&items));
        let (skipped, _) = skipped(&messages(&rig));
        assert_eq!((out, skipped), (bare, 0), "{codec}");
    }
}

#[test]
fn frames_that_a_codec_has_dropped_are_not_lost_again_with_a_restart() {
    let items = input(MANY);
    let codec = "identity drop-probability=0.3 ! wedge at=chain how=error number=900 ! jpegenc";
    let rig = codecwatch(codec, 1);
    let out = buffers(&rig.play_on(&items));
    let messages = messages(&rig);
    let restarted = named(&messages, "codecwatch-restarted").expect("no restart");
    let lost = restarted.get::<u64>("frames-lost").unwrap();
    assert!(lost < 64, "{restarted}");
    let (skipped, _) = skipped(&messages);
    assert_eq!(out + lost + skipped, 1500, "{restarted}");
}

#[test]
fn sound_that_a_codec_drops_is_told() {
    let items = input("audiotestsrc num-buffers=400 ! audio/x-raw,rate=44100,channels=1");
    for encoder in ["alawenc", "audioconvert ! audioresample ! opusenc"] {
        // Of ten seconds, five.
        let codec = format!("identity drop-probability=0.5 ! audioresample ! {encoder}");
        let rig = codecwatch(&codec, 0);
        rig.play_on(&items);
        let (skipped, count) = skipped(&messages(&rig));
        assert!((150..250).contains(&skipped), "{codec}: {skipped}");
        assert!(count > 2, "{codec}: {count} messages");
    }
}

#[test]
fn a_codec_that_gives_everything_is_not_said_to_leave_anything_out() {
    support::init();
    for case in CASES {
        if let Some(missing) = case.missing() {
            support::skip("hosted", &format!("{missing} is not installed"));
            continue;
        }
        let items = case.long_input();
        let rig = codecwatch(case.codec, 0);
        rig.play_on(&items);
        let messages = messages(&rig);
        let (skipped, _) = skipped(&messages);
        assert_eq!(skipped, 0, "{}: {messages:?}", case.codec);
    }
}

#[test]
fn frames_that_videorate_leaves_out_or_repeats_are_not_said_to_be_skipped() {
    let items = input(MANY);
    for rate in ["5/1", "10/1", "12/1", "24/1", "30/1", "60/1"] {
        let codec = format!("videorate ! video/x-raw,framerate={rate} ! jpegenc");
        let rig = codecwatch(&codec, 0);
        rig.play_on(&items);
        let (skipped, _) = skipped(&messages(&rig));
        assert_eq!(skipped, 0, "{rate}");
    }
}

#[test]
fn what_a_decoder_clips_is_not_said_to_be_skipped() {
    let mut items = input(&format!("{MANY} ! jpegenc"));
    for item in &mut items {
        if let Item::Event(event) = item
            && let gst::EventView::Segment(segment) = event.view()
        {
            let mut segment = segment.segment().clone();
            let times = segment.downcast_mut::<gst::ClockTime>().unwrap();
            times.set_start(FRAME * 200);
            times.set_stop(FRAME * 300);
            *event = gst::event::Segment::new(&segment);
        }
    }
    items.retain({
        let mut number = 0;
        move |item| {
            number += i32::from(matches!(item, Item::Buffer(_)));
            number <= 400 || !matches!(item, Item::Buffer(_))
        }
    });
    let rig = codecwatch("jpegdec", 0);
    let out = buffers(&rig.play_on(&items));
    let messages = messages(&rig);
    assert_eq!((out, skipped(&messages)), (100, (0, 0)), "{messages:?}");
}

#[test]
fn a_frame_that_a_decoder_says_to_have_dropped_is_not_said_to_be_skipped() {
    let items = input(&format!("{VIDEO} ! {H264}"));
    let is_buffer = |item: &Item| matches!(item, Item::Buffer(_));
    let first = items.iter().position(is_buffer).unwrap();
    let rig = codecwatch("avdec_h264 max-threads=1", 0);
    rig.play_on(&[&items[..first + 5], &[Item::Settle]].concat());
    // Downstream is a second late.
    let late = gst::ClockTime::from_seconds(1)
        .nseconds()
        .try_into()
        .unwrap();
    let kind = gst::QOSType::Underflow;
    let event = gst::event::Qos::new(kind, 4.0, late, FRAME * 4);
    assert!(rig.end.push_event(event));
    let out = buffers(&rig.play_on(&[&[Item::Settle], &items[first + 5..]].concat()));
    let mut kinds = Vec::new();
    while let Some(message) = rig.bus.pop() {
        let name = message.structure().map(|of| of.name().to_string());
        kinds.push((message.type_(), name));
    }
    let qos = kinds
        .iter()
        .filter(|(kind, _)| *kind == gst::MessageType::Qos)
        .count();
    assert!(out < 50 && qos > 0, "nothing was dropped: {out} {kinds:?}");
    let name = "codecwatch-skipped";
    let skipped = kinds.iter().any(|(_, of)| of.as_deref() == Some(name));
    assert!(!skipped, "{kinds:?}");
}

#[test]
fn a_chain_that_decodes_and_encodes_begins_at_a_key_frame_after_a_restart() {
    let items = input(&format!("{VIDEO} ! {H264}"));
    let is_buffer = |item: &Item| matches!(item, Item::Buffer(_));
    let first = items.iter().position(is_buffer).unwrap();
    let Item::Buffer(begin) = &items[first] else {
        unreachable!()
    };
    let begin = begin.pts().unwrap();
    let rig = codecwatch(
        "wedge at=chain how=error number=10 ! avdec_h264 max-threads=1 ! jpegenc",
        1,
    );
    let mut script = items[..first].to_vec();
    for item in &items[first..first + 20] {
        script.extend([item.clone(), Item::Settle]);
    }
    rig.play_on(&script);
    // At the key frame, and not only at the end of the stream.
    let mut messages = messages(&rig);
    assert!(
        named(&messages, "codecwatch-skipped").is_some(),
        "{messages:?}"
    );
    let records = rig.play_on(&[Item::Event(gst::event::Eos::new())]);
    messages.extend(self::messages(&rig));
    let of = |record: &Record| match record {
        Record::Buffer { times, flags, .. } => Some((times[0].unwrap(), *flags)),
        _ => None,
    };
    let mut pictures = records.iter().filter_map(of).skip(1);
    let marked = pictures.find(|(_, flags)| flags.contains(gst::BufferFlags::DISCONT));
    let (time, _) = marked.expect("nothing is marked");
    // The second group is lost: it begins with the third.
    assert_eq!(time, begin + FRAME * 16, "{records:?}");

    let count = |name, field| {
        let structure = named(&messages, name);
        structure.map_or(0, |structure| structure.get::<u64>(field).unwrap())
    };
    let lost = count("codecwatch-restarted", "frames-lost");
    let skipped = count("codecwatch-skipped", "buffers");
    assert!(lost > 0 && skipped > 0, "{messages:?}");
    assert_eq!(buffers(&records) + lost + skipped, 20, "{messages:?}");

    let upstream = rig.upstream.lock().unwrap();
    let asks = |event: &gst::Event| gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok();
    assert!(upstream.iter().any(asks), "no key frame was asked for");
}

#[test]
fn a_chain_that_encodes_and_decodes_takes_raw_frames_after_a_restart() {
    let items = input(VIDEO);
    let rig = codecwatch("wedge at=chain how=error number=30 ! jpegenc ! jpegdec", 1);
    rig.play_on(&items);
    let messages = messages(&rig);
    assert!(named(&messages, "codecwatch-restarted").is_some());
    let upstream = rig.upstream.lock().unwrap();
    let asks = |event: &gst::Event| gst_video::UpstreamForceKeyUnitEvent::parse(event).is_ok();
    assert!(!upstream.iter().any(asks), "raw frames need no key frame");
}

/// Where the evidence of a chain that fails is written.
fn has_sample(codec: &str, items: &[Item]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let rig = codecwatch(codec, 0);
    let path = folder.path().to_str().unwrap();
    rig.element.set_property("evidence-dir", path);
    // It holds from the next start on.
    rig.element.set_state(gst::State::Null).unwrap();
    rig.element.set_state(gst::State::Playing).unwrap();
    let (sender, written) = mpsc::channel();
    rig.bus.set_sync_handler(move |_, message| {
        let structure = message.structure();
        if let Some(path) = structure.and_then(|of| of.get::<String>("evidence-path").ok())
            && structure.is_some_and(|of| of.name() == "codecwatch-evidence")
        {
            let _ = sender.send(path);
        }
        gst::BusSyncReply::Drop
    });
    rig.play_on(items);
    let wait = std::time::Duration::from_secs(20);
    let path = written.recv_timeout(wait).expect("no evidence");
    std::path::Path::new(&path).join("sample.gdp").exists()
}

#[test]
fn evidence_has_what_went_in_if_it_is_coded() {
    let coded = input(&format!("{VIDEO} ! {H264}"));
    let strikes = "wedge at=chain how=error number=10";
    let decodes_and_encodes = format!("{strikes} ! h264parse ! avdec_h264 ! jpegenc");
    assert!(has_sample(&decodes_and_encodes, &coded));
    let encodes_and_decodes = format!("{strikes} ! jpegenc ! jpegdec");
    assert!(!has_sample(&encodes_and_decodes, &input(VIDEO)));
}
