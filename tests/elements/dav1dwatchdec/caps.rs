// SPDX-License-Identifier: MPL-2.0
//! What the bitstream says, in caps and metas.

use gst::prelude::*;
use support::pictures::{Downstream, info, md5, plane_rows, play};

use crate::streams::{ivf, set::SET, surgery};
use crate::util::{decoder, encoded, harness, numbers, pull_all, push};

fn caps(harness: &gst_check::Harness) -> gst::Caps {
    harness.sinkpad().unwrap().current_caps().unwrap()
}

fn field(caps: &gst::Caps, name: &str) -> Option<String> {
    caps.structure(0).unwrap().get(name).ok()
}

fn decode_all(harness: &mut gst_check::Harness, units: &[Vec<u8>]) -> Vec<gst::Buffer> {
    push(harness, units, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    pull_all(harness)
}

#[test]
fn rate_and_aspect_are_upstreams() {
    let Some(units) = encoded(2, (160, 96), &[]) else {
        return;
    };
    let mut harness = decoder("");
    decode_all(&mut harness, &units);
    let caps = caps(&harness);
    let caps = caps.structure(0).unwrap();
    assert_eq!(caps.get("framerate"), Ok(gst::Fraction::new(25, 1)));
    assert_eq!(caps.get("pixel-aspect-ratio"), Ok(gst::Fraction::new(4, 3)));
}

#[test]
fn colours_are_the_bitstreams() {
    let arguments = [
        "--color-primaries=bt2020",
        "--transfer-characteristics=smpte2084",
        "--matrix-coefficients=bt2020ncl",
        "--chroma-sample-position=colocated",
    ];
    let Some(units) = encoded(2, (160, 96), &arguments) else {
        return;
    };
    let mut harness = harness("");
    harness.set_src_caps_str(
        "video/x-av1,stream-format=obu-stream,alignment=tu,colorimetry=bt709,chroma-site=mpeg2",
    );
    decode_all(&mut harness, &units);
    let caps = caps(&harness);
    assert_eq!(field(&caps, "colorimetry").as_deref(), Some("bt2100-pq"));
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    assert_eq!(info.chroma_site(), gst_video::VideoChromaSite::COSITED);
}

#[test]
fn what_the_bitstream_leaves_open_is_upstreams() {
    let Some(units) = encoded(2, (160, 96), &[]) else {
        return;
    };
    let mut harness = harness("");
    harness.set_src_caps_str(
        "video/x-av1,stream-format=obu-stream,alignment=tu,colorimetry=bt2020,chroma-site=mpeg2",
    );
    decode_all(&mut harness, &units);
    let caps = caps(&harness);
    assert_eq!(field(&caps, "colorimetry").as_deref(), Some("bt2020"));
    assert_eq!(field(&caps, "chroma-site").as_deref(), Some("mpeg2"));
}

#[test]
fn hdr10_metadata_is_in_caps_and_a_change_of_it_comes_with_its_picture() {
    let Some(mut units) = encoded(4, (160, 96), &["--kf-max-dist=0", "--kf-min-dist=0"]) else {
        return;
    };
    let light = |max: u16| {
        let bytes = [max.to_be_bytes(), 100_u16.to_be_bytes()].concat();
        surgery::metadata(1, &bytes)
    };
    let volume = {
        let numbers = [
            0.708, 0.292, 0.17, 0.797, 0.131, 0.046, // red, green, blue
            0.3127, 0.329, // white
        ]
        .map(|value: f64| ((value * 65536.0).round() as u16).to_be_bytes());
        let luminance = [1000 << 8, 82_u32].map(u32::to_be_bytes);
        surgery::metadata(2, &[numbers.concat(), luminance.concat()].concat())
    };
    units[0] = surgery::insert(&units[0], &[light(1000), volume].concat());
    units[2] = surgery::insert(&units[2], &light(400));
    let mut harness = decoder("n-threads=1");
    let pad = harness.sinkpad().unwrap();
    let levels = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = levels.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, _| {
        let level = field(&pad.current_caps().unwrap(), "content-light-level");
        seen.lock().unwrap().push(level.unwrap_or_default());
        gst::PadProbeReturn::Ok
    });
    assert_eq!(decode_all(&mut harness, &units).len(), 4);
    assert_eq!(
        *levels.lock().unwrap(),
        ["1000:100", "1000:100", "400:100", "400:100"]
    );
    assert_eq!(
        field(&caps(&harness), "mastering-display-info").as_deref(),
        Some("35400:14600:8500:39850:6550:2300:15635:16450:10000000:50")
    );
}

#[test]
fn captions_and_other_t35_messages_come_with_their_picture() {
    let Some(mut units) = encoded(3, (160, 96), &[]) else {
        return;
    };
    let triplets = [0xfc, 0x94, 0x2c, 0xfd, 0x80, 0x80];
    let captions = [
        &[0xb5, 0x00, 0x31][..],
        b"GA94",
        &[0x03, 0xc2, 0xff],
        &triplets,
        &[0xff],
    ]
    .concat();
    units[1] = surgery::insert(&units[1], &surgery::metadata(4, &captions));
    let mut harness = decoder("");
    let buffers = decode_all(&mut harness, &units);
    let captioned: Vec<_> = buffers
        .iter()
        .map(|buffer| {
            buffer
                .meta::<gst_video::VideoCaptionMeta>()
                .map(|meta| meta.data().to_vec())
        })
        .collect();
    assert_eq!(captioned, [None, Some(triplets.to_vec()), None]);
    let raw = gst::meta::CustomMeta::from_buffer(&buffers[1], "ITU-T-T35").unwrap();
    let messages = raw.structure().get::<gst::Array>("messages").unwrap();
    assert_eq!(messages.len(), 1);
}

/// GStreamer 1.22 has no format for gray of more than 8 bits in 16.
#[test]
fn gray_of_10_and_12_bits_keeps_every_sample_and_has_neutral_chroma() {
    for (name, format, neutral) in [
        ("mono-10", "I420_10LE", 512_u16),
        ("mono-12", "I420_12LE", 2048),
    ] {
        let case = SET.iter().find(|case| case.name == name).unwrap();
        let Some(units) = case.encode() else {
            return support::skip("dav1dwatchdec", &format!("{name} cannot be encoded here"));
        };
        let file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
        std::fs::write(file.path(), ivf::write(&units)).unwrap();
        let source = format!("filesrc location={}", file.path().display());
        let runs = [Downstream::TakesVideoMeta, Downstream::TakesPlain].map(|downstream| {
            play(
                &format!("{source} ! ivfparse ! av1parse ! dav1dwatchdec"),
                downstream,
            )
            .samples
        });
        for samples in &runs {
            assert_eq!(info(&samples[0]).format().to_str(), format);
            for plane in [1, 2] {
                plane_rows(&samples[0], plane, |row| {
                    assert!(row.chunks(2).all(|s| s == neutral.to_le_bytes()), "{name}");
                });
            }
        }
        assert_eq!(md5(&runs[0], 1), md5(&runs[1], 1), "{name}");
    }
}

#[test]
fn pictures_keep_their_order_across_a_change_of_colours() {
    let bt2020 = ["--matrix-coefficients=bt2020ncl"];
    let (Some(mut units), Some(other)) =
        (encoded(5, (160, 96), &[]), encoded(5, (160, 96), &bt2020))
    else {
        return;
    };
    units.extend(other);
    let mut harness = decoder("n-threads=5 max-frame-delay=0");
    let buffers = decode_all(&mut harness, &units);
    assert_eq!(numbers(&buffers), (0..10).collect::<Vec<_>>());
}
