// SPDX-License-Identifier: MPL-2.0
//! HDR10 metadata: the bitstream's word, and the container's where it has none.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_check::Harness;

use crate::streams::surgery;
use crate::util::{THREADED, buffer, encoded, harness};

/// BT.2020 primaries, D65, 1000 and 0.005 cd/m².
const VOLUME: &str = "35400:14600:8500:39850:6550:2300:15635:16450:10000000:50";

/// What a container says wrongly.
const OTHER_VOLUME: &str = "1:2:3:4:5:6:7:8:10000:1";

fn volume_unit() -> Vec<u8> {
    let chromaticities = [0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329]
        .map(|value: f64| ((value * 65536.0).round() as u16).to_be_bytes());
    let luminances = [1000 << 8, 82_u32].map(u32::to_be_bytes);
    surgery::metadata(2, &[chromaticities.concat(), luminances.concat()].concat())
}

fn light_unit(max: u16, average: u16) -> Vec<u8> {
    surgery::metadata(1, &[max.to_be_bytes(), average.to_be_bytes()].concat())
}

/// Key frames alone.
fn keys(frames: usize, size: (usize, usize)) -> Option<Vec<Vec<u8>>> {
    encoded(frames, size, &["--kf-max-dist=0", "--kf-min-dist=0"])
}

fn caps(hdr: &str) -> String {
    format!("video/x-av1,stream-format=obu-stream,alignment=tu,framerate=25/1{hdr}")
}

/// Both fields in the caps of each picture (empty where there is none), and how
/// often caps came.
type Seen = Arc<Mutex<(Vec<[String; 2]>, usize)>>;

fn watch(harness: &Harness) -> Seen {
    let seen = Seen::default();
    let watched = seen.clone();
    let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    harness
        .sinkpad()
        .unwrap()
        .add_probe(kinds, move |pad, info| {
            let mut watched = watched.lock().unwrap();
            if let Some(event) = info.event() {
                watched.1 += usize::from(event.type_() == gst::EventType::Caps);
            } else {
                let caps = pad.current_caps().unwrap();
                let field = |name| caps.structure(0).unwrap().get(name).unwrap_or_default();
                let fields = ["mastering-display-info", "content-light-level"].map(field);
                watched.0.push(fields);
            }
            gst::PadProbeReturn::Ok
        });
    seen
}

/// The fields of each picture of a stream whose container says `hdr`, and how often
/// caps came.
fn decode(properties: &str, hdr: &str, units: &[Vec<u8>]) -> (Vec<[String; 2]>, usize) {
    let mut harness = harness(properties);
    let seen = watch(&harness);
    harness.set_src_caps_str(&caps(hdr));
    for (unit, number) in units.iter().zip(0..) {
        harness.push(buffer(unit, number)).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    std::mem::take(&mut *seen.lock().unwrap())
}

fn fields(volume: &str, light: &str) -> [String; 2] {
    [volume.to_owned(), light.to_owned()]
}

#[test]
fn the_bitstream_wins_over_the_container() {
    let Some(mut units) = keys(4, (160, 96)) else {
        return;
    };
    units[0] = surgery::insert(&units[0], &[light_unit(832, 166), volume_unit()].concat());
    let hdr =
        format!(",mastering-display-info=(string){OTHER_VOLUME},content-light-level=(string)1:1");
    for properties in ["n-threads=1", THREADED] {
        let (seen, changes) = decode(properties, &hdr, &units);
        assert_eq!(seen, vec![fields(VOLUME, "832:166"); 4], "{properties}");
        assert_eq!(changes, 1, "{properties}");
    }
}

#[test]
fn what_the_bitstream_does_not_say_is_the_containers_word_field_by_field() {
    let Some(mut units) = keys(2, (160, 96)) else {
        return;
    };
    let hdr =
        format!(",mastering-display-info=(string){OTHER_VOLUME},content-light-level=(string)1:1");
    let (seen, changes) = decode("", &hdr, &units);
    assert_eq!((seen, changes), (vec![fields(OTHER_VOLUME, "1:1"); 2], 1));
    units[0] = surgery::insert(&units[0], &volume_unit());
    let (seen, changes) = decode("", &hdr, &units);
    assert_eq!((seen, changes), (vec![fields(VOLUME, "1:1"); 2], 1));
    units[0] = surgery::insert(&units[0], &light_unit(5, 4));
    let (seen, changes) = decode("", ",content-light-level=(string)1:1", &units);
    assert_eq!((seen, changes), (vec![fields(VOLUME, "5:4"); 2], 1));
    let (seen, _) = decode("", "", &units);
    assert_eq!(seen, vec![fields(VOLUME, "5:4"); 2]);
}

/// A coded video sequence begins without what the one before it said.
#[test]
fn when_the_bitstream_begins_and_ceases_to_say_it_the_caps_follow() {
    let (Some(units), Some(other)) = (keys(6, (160, 96)), keys(2, (176, 96))) else {
        return;
    };
    let mut units = [units, other].concat();
    units[2] = surgery::insert(&units[2], &light_unit(832, 166));
    units[4] = surgery::insert(&units[4], &light_unit(400, 100));
    for properties in ["n-threads=1", THREADED] {
        for hdr in ["", "1:1"] {
            let said = format!(",content-light-level=(string){hdr}");
            let (seen, changes) =
                decode(properties, if hdr.is_empty() { "" } else { &said }, &units);
            let levels: Vec<_> = seen.iter().map(|[_, light]| light.as_str()).collect();
            let expected = [
                hdr, hdr, "832:166", "832:166", "400:100", "400:100", hdr, hdr,
            ];
            assert_eq!(levels, expected, "{properties}");
            assert_eq!(changes, 4, "{properties}");
        }
    }
}

#[test]
fn a_change_in_the_container_comes_with_its_picture_where_the_bitstream_says_nothing() {
    let Some(units) = keys(6, (160, 96)) else {
        return;
    };
    for properties in ["n-threads=1", THREADED] {
        let mut harness = harness(properties);
        let seen = watch(&harness);
        for (number, unit) in units.iter().enumerate() {
            match number {
                0 => harness.set_src_caps_str(&caps(",content-light-level=(string)1:1")),
                2 => harness.set_src_caps_str(&caps(",content-light-level=(string)2:2")),
                4 => harness.set_src_caps_str(&caps("")),
                _ => {}
            }
            harness.push(buffer(unit, number as u64)).unwrap();
        }
        assert!(harness.push_event(gst::event::Eos::new()));
        let seen = seen.lock().unwrap();
        let levels: Vec<_> = seen.0.iter().map(|[_, light]| light.as_str()).collect();
        assert_eq!(levels, ["1:1", "1:1", "2:2", "2:2", "", ""], "{properties}");
    }
}
