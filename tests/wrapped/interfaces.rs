// SPDX-License-Identifier: MPL-2.0
//! A wrapped element has the presets of its original, and takes tags as it does.

use gst::prelude::*;
use support::Launch;

use crate::properties::wrapped;
use crate::rig::{Item, Rig, produce};

/// What is in a stream as it comes out.
fn encoded(element: &gst::Element, format: &str, tags: bool) -> Vec<u8> {
    let setter = element.dynamic_cast_ref::<gst::TagSetter>().unwrap();
    let rig = Rig::around(element.clone(), "encoder".to_owned());
    if tags {
        // As late as possible: before the caps.
        setter.add_tag::<gst::tags::Artist>(&"Somebody", gst::TagMergeMode::ReplaceAll);
    }
    let bytes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let gathered = bytes.clone();
    rig.end
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let map = info.buffer().unwrap().map_readable().unwrap();
            gathered.lock().unwrap().extend_from_slice(&map);
            gst::PadProbeReturn::Ok
        });
    let input = produce(&format!(
        "audiotestsrc num-buffers=20 ! audioconvert ! \
         audio/x-raw,format={format},rate=48000,channels=2",
    ));
    rig.play(&input);
    if !matches!(input.last(), Some(Item::Event(event)) if event.type_() == gst::EventType::Eos) {
        rig.play(&[Item::Event(gst::event::Eos::new())]);
    }
    rig.settle();
    assert!(rig.errors().is_empty());
    std::mem::take(&mut *bytes.lock().unwrap())
}

#[test]
fn tags_that_an_application_sets_are_in_the_stream() {
    let Some((original, wrapped)) = wrapped("vorbisenc") else {
        return support::skip("wrapped", "no vorbisenc");
    };
    let has = |bytes: &[u8]| bytes.windows(8).any(|window| window == b"Somebody");
    assert!(
        has(&encoded(&original, "F32LE", true)),
        "the original does not"
    );
    assert!(has(&encoded(&wrapped, "F32LE", true)));
    let Some((_, wrapped)) = crate::properties::wrapped("vorbisenc") else {
        return;
    };
    assert!(
        !has(&encoded(&wrapped, "F32LE", false)),
        "they come from elsewhere"
    );
}

/// The kinds of the blocks of metadata at the beginning of a FLAC stream.
fn flac_blocks(bytes: &[u8]) -> Vec<u8> {
    let (mut kinds, mut rest) = (Vec::new(), bytes.strip_prefix(b"fLaC").unwrap());
    while let [kind, a, b, c, after @ ..] = rest {
        kinds.push(kind & 0x7f);
        rest = &after[u32::from_be_bytes([0, *a, *b, *c]) as usize..];
        if kind & 0x80 != 0 {
            break;
        }
    }
    kinds
}

#[test]
fn a_table_of_contents_that_an_application_sets_is_in_the_stream() {
    const CUE_SHEET: u8 = 5;
    let Some((original, wrapped)) = wrapped("flacenc") else {
        return support::skip("wrapped", "no flacenc");
    };
    let mut toc = gst::Toc::new(gst::TocScope::Global);
    let mut track = gst::TocEntry::new(gst::TocEntryType::Track, "track");
    track
        .get_mut()
        .unwrap()
        .set_start_stop_times(0, 1_000_000_000);
    toc.get_mut().unwrap().append_entry(track);
    for element in [original, wrapped] {
        let setter = element.dynamic_cast_ref::<gst::TocSetter>().unwrap();
        let name = element.type_().name();
        setter.set_toc(Some(&toc));
        let blocks = flac_blocks(&encoded(&element, "S16LE", false));
        assert!(blocks.contains(&CUE_SHEET), "{name}: {blocks:?}");
        element.set_state(gst::State::Null).unwrap();
        assert!(setter.toc().is_none(), "{name} keeps it for another stream");
    }
}

/// Each program has presets of its own, in an empty folder.
fn in_folder(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = Launch::this_test(test)
        .env("XDG_DATA_HOME", folder.path())
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn presets_are_those_of_the_original() {
    if !support::is_child() {
        return in_folder("interfaces::presets_are_those_of_the_original");
    }
    let Some((original, wrapped)) = wrapped("x264enc") else {
        return support::skip("wrapped", "no x264enc");
    };
    let preset = |element: &gst::Element| element.clone().dynamic_cast::<gst::Preset>().unwrap();
    let (its, ours) = (preset(&original), preset(&wrapped));
    let known = its.preset_names();
    assert_eq!(ours.preset_names(), known);
    assert!(!known.is_empty(), "x264enc comes with presets");
    assert_eq!(ours.property_names(), its.property_names());
    for name in &known {
        its.load_preset(name).unwrap();
        ours.load_preset(name).unwrap();
        for name in its.property_names().iter().filter(|name| *name != "name") {
            let value = |element: &gst::Element| format!("{:?}", element.property_value(name));
            assert_eq!(value(&wrapped), value(&original), "{name}");
        }
    }
    // A preset that one saves, the other has.
    wrapped.set_property("bitrate", 1234_u32);
    ours.save_preset("mine").unwrap();
    ours.set_meta("mine", "comment", Some("a test")).unwrap();
    wrapped.set_property("bitrate", 1_u32);
    let fresh = gst::ElementFactory::make("x264enc").build().unwrap();
    let fresh_preset = preset(&fresh);
    fresh_preset.load_preset("mine").unwrap();
    assert_eq!(fresh.property::<u32>("bitrate"), 1234);
    assert_eq!(ours.meta("mine", "comment").as_deref(), Some("a test"));
    ours.load_preset("mine").unwrap();
    assert_eq!(wrapped.property::<u32>("bitrate"), 1234);
    ours.rename_preset("mine", "yours").unwrap();
    assert!(ours.load_preset("mine").is_err());
    ours.delete_preset("yours").unwrap();
    assert_eq!(ours.preset_names(), known);
    assert!(ours.load_preset("no such").is_err());
}
