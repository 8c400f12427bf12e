// SPDX-License-Identifier: MPL-2.0
use gst::prelude::*;

use crate::util::{CAPS, bus, encoder, error, frame, harness, pull_all, push};

fn refusal(caps: &str) -> String {
    let mut harness = harness("");
    let bus = bus(&harness);
    harness.set_src_caps_str(caps);
    assert!(harness.push(frame(caps, 0)).is_err(), "{caps} was taken");
    error(&bus).map(|error| error.text).unwrap_or_default()
}

#[test]
fn interlaced_video_is_refused_in_words() {
    let text = refusal(
        "video/x-raw,format=I420,width=128,height=96,framerate=25/1,interlace-mode=interleaved",
    );
    assert!(text.contains("interlaced"), "{text}");
}

#[test]
fn a_size_that_the_library_does_not_take_is_refused_in_words() {
    let text = refusal("video/x-raw,format=I420,width=2,height=2,framerate=25/1");
    assert!(text.contains("2x2"), "{text}");
}

#[test]
fn odd_sizes_are_encoded_or_refused_in_words() {
    let caps = "video/x-raw,format=I420,width=129,height=97,framerate=25/1";
    let mut harness = harness("");
    let bus = bus(&harness);
    harness.set_src_caps_str(caps);
    if harness.push(frame(caps, 0)).is_ok() {
        assert!(harness.push_event(gst::event::Eos::new()));
        assert_eq!(pull_all(&mut harness).len(), 1);
    } else {
        let text = error(&bus).map(|error| error.text).unwrap_or_default();
        assert!(text.contains("129x97"), "{text}");
    }
}

#[test]
fn a_frame_rate_beyond_reason_is_refused_in_words() {
    let text = refusal("video/x-raw,format=I420,width=128,height=96,framerate=2000000000/1");
    assert!(text.contains("2000000000/1"), "{text}");
}

#[test]
fn a_frame_rate_of_very_large_numbers_is_encoded() {
    let caps = CAPS.replace("25/1", "2147483647/2147483646");
    let mut harness = harness("");
    harness.set_src_caps_str(&caps);
    harness.push(frame(&caps, 0)).unwrap();
    let latency = harness.query_latency().unwrap();
    assert!(latency < gst::ClockTime::from_seconds(100), "{latency}");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 1);
}

#[test]
fn an_unknown_format_is_not_negotiated() {
    let mut harness = harness("");
    let caps = "video/x-raw,format=YUY2,width=128,height=96,framerate=25/1";
    harness.set_src_caps_str(caps);
    assert_eq!(
        harness.push(frame(caps, 0)),
        Err(gst::FlowError::NotNegotiated)
    );
}

#[test]
fn caps_without_a_frame_rate_are_a_variable_rate() {
    for rate in ["", ",framerate=0/1"] {
        let caps = format!("video/x-raw,format=I420,width=128,height=96{rate}");
        let mut harness = harness("low-latency=true");
        harness.set_src_caps_str(&caps);
        for number in 0..5 {
            harness.push(frame(&caps, number)).unwrap();
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        assert_eq!(pull_all(&mut harness).len(), 5, "{caps}");
    }
}

#[test]
fn less_than_one_frame_per_second_works() {
    let caps = "video/x-raw,format=I420,width=128,height=96,framerate=1/10";
    let mut harness = harness("");
    harness.set_src_caps_str(caps);
    for number in 0..3 {
        harness.push(frame(caps, number)).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 3);
}

#[test]
fn ten_bits_are_encoded_as_ten_bits() {
    let caps = "video/x-raw,format=I420_10LE,width=128,height=96,framerate=25/1";
    let mut harness = harness("");
    harness.set_src_caps_str(caps);
    for number in 0..3 {
        let mut buffer = frame(caps, number);
        // Samples stay below 1024.
        for sample in buffer
            .get_mut()
            .unwrap()
            .map_writable()
            .unwrap()
            .chunks_exact_mut(2)
        {
            sample[1] = 1;
        }
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 3);
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    let structure = caps.structure(0).unwrap();
    assert_eq!(structure.get::<u32>("bit-depth-luma"), Ok(10));
}

#[test]
fn the_caps_say_what_muxers_ask_for() {
    let mut harness = encoder("");
    push(&mut harness, 0, 3);
    assert!(harness.push_event(gst::event::Eos::new()));
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    let structure = caps.structure(0).unwrap();
    assert_eq!(structure.get::<&str>("profile"), Ok("main"));
    assert_eq!(structure.get::<&str>("tier"), Ok("main"));
    assert_eq!(structure.get::<&str>("chroma-format"), Ok("4:2:0"));
    assert_eq!(structure.get::<u32>("bit-depth-luma"), Ok(8));
    assert!(structure.has_field("level"), "{caps}");
    assert_eq!(structure.get::<&str>("colorimetry"), Ok("bt709"));
    assert_eq!(
        structure.get::<gst::Fraction>("framerate"),
        Ok(gst::Fraction::new(25, 1))
    );
    let record = structure.get::<gst::Buffer>("codec_data").unwrap();
    let record = record.map_readable().unwrap();
    // Marker and version, then profile 0, as the AV1-ISOBMFF binding has them.
    assert_eq!(record[0], 0x81);
    assert_eq!(record[1] >> 5, 0);
    assert!(record.len() > 4, "no sequence header in codec_data");
}

#[test]
fn a_buffer_smaller_than_its_caps_say_is_an_error_in_words() {
    let mut harness = encoder("");
    let bus = bus(&harness);
    let short = gst::Buffer::with_size(1000).unwrap();
    assert_eq!(harness.push(short), Err(gst::FlowError::Error));
    let text = error(&bus).unwrap().text;
    assert!(text.contains("1000 bytes"), "{text}");
}

#[test]
fn what_is_refused_in_mid_stream_does_not_end_like_a_complete_stream() {
    let refusals: [&dyn Fn(&mut gst_check::Harness); 2] = [
        &|harness| {
            let short = gst::Buffer::with_size(1000).unwrap();
            assert_eq!(harness.push(short), Err(gst::FlowError::Error));
        },
        &|harness| {
            let caps = CAPS.replace("width=128", "interlace-mode=interleaved,width=128");
            let caps = gst::event::Caps::new(&caps.parse::<gst::Caps>().unwrap());
            // The pad keeps it whatever the element says; the next buffer learns.
            harness.push_event(caps);
        },
    ];
    for refuse in refusals {
        let mut harness = encoder("");
        push(&mut harness, 0, 10);
        refuse(&mut harness);
        assert!(harness.push(frame(CAPS, 10)).is_err());
        harness.push_event(gst::event::Eos::new());
        let events: Vec<_> = std::iter::from_fn(|| harness.try_pull_event()).collect();
        assert!(
            events
                .iter()
                .all(|event| event.type_() != gst::EventType::Eos)
        );
    }
}

#[test]
fn any_stride_is_read_as_the_meta_says() {
    // The same picture, once tight and once with strides and offsets of its own.
    let encode = |padded: bool| {
        let mut harness = encoder("low-latency=true");
        for number in 0..3 {
            let tight = frame(CAPS, number);
            let buffer = if padded { with_padding(&tight) } else { tight };
            harness.push(buffer).unwrap();
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        pull_all(&mut harness)
            .iter()
            .map(|buffer| buffer.map_readable().unwrap().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(encode(true), encode(false));
}

fn with_padding(tight: &gst::Buffer) -> gst::Buffer {
    let (width, height) = (128, 96);
    let strides = [160, 96, 112];
    let rows = [height, height / 2, height / 2];
    let widths = [width, width / 2, width / 2];
    let mut offsets = [0; 3];
    let mut size = 64;
    for plane in 0..3 {
        offsets[plane] = size;
        size += strides[plane] * rows[plane] + 32;
    }
    let mut padded = gst::Buffer::with_size(size).unwrap();
    {
        let padded = padded.get_mut().unwrap();
        let source = tight.map_readable().unwrap();
        let mut target = padded.map_writable().unwrap();
        target.fill(0xee);
        let mut from = 0;
        for plane in 0..3 {
            for row in 0..rows[plane] {
                let to = offsets[plane] + row * strides[plane];
                target[to..to + widths[plane]].copy_from_slice(&source[from..from + widths[plane]]);
                from += widths[plane];
            }
        }
        drop(target);
        gst_video::VideoMeta::add_full(
            padded,
            gst_video::VideoFrameFlags::empty(),
            gst_video::VideoFormat::I420,
            width as u32,
            height as u32,
            &offsets,
            &strides.map(|stride| stride as i32),
        )
        .unwrap();
        padded.set_pts(tight.pts());
        padded.set_duration(tight.duration());
    }
    padded
}
