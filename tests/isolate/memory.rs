// SPDX-License-Identifier: MPL-2.0
//! What is copied on the way to the child and back.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_check::Harness;

use crate::rig::{Element, Rig};

fn copies(rig: &Rig) -> u64 {
    rig.stats().get("copies").unwrap()
}

#[test]
fn a_source_that_writes_into_the_pool_of_the_encoder_costs_no_copy() {
    let rig = Rig::new(Element::Encoder, "");
    rig.play();
    let ended = rig.end();
    assert!(ended.eos, "{ended:?}");
    assert_eq!(copies(&rig), 0);
    rig.stop();
}

#[test]
fn a_picture_from_elsewhere_is_copied_once() {
    support::init();
    let mut harness =
        Harness::new_parse("svtav1watchenc name=codec preset=12 low-latency=true isolate=true");
    harness.set_src_caps_str("video/x-raw,format=I420,width=64,height=64,framerate=25/1");
    for number in 0..10 {
        let mut buffer = gst::Buffer::from_slice(vec![100_u8; 64 * 64 * 3 / 2]);
        let writable = buffer.get_mut().unwrap();
        writable.set_pts(gst::ClockTime::from_mseconds(40) * number);
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let bin = harness.element().unwrap().downcast::<gst::Bin>().unwrap();
    let codec = bin.by_name("codec").unwrap();
    let stats: gst::Structure = codec.property("stats");
    assert_eq!(stats.get::<u64>("copies").unwrap(), 10);
}

/// The maps of this process in which shared memory of a child lies.
fn shared_maps() -> Vec<std::ops::Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps
        .lines()
        .filter(|line| line.contains("memfd:codecwatch"));
    let range = |line: &str| {
        let (range, _) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(number(start)?..number(end)?)
    };
    shared.filter_map(range).collect()
}

#[test]
fn decoded_pictures_lie_where_the_child_has_written_them() {
    let rig = Rig::new(Element::Decoder, "");
    let seen = Arc::new(Mutex::new((0, 0)));
    let counted = seen.clone();
    let pad = rig.codec.static_pad("src").unwrap();
    support::pictures::take_video_meta(
        &rig.pipeline
            .by_name("out")
            .unwrap()
            .static_pad("sink")
            .unwrap(),
    );
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        // Of the first memory: several would be copied into one.
        let memory = buffer.peek_memory(0);
        let address = memory.map_readable().unwrap().as_ptr().addr();
        let is_shared = shared_maps().iter().any(|map| map.contains(&address));
        let mut seen = counted.lock().unwrap();
        seen.0 += 1;
        seen.1 += usize::from(is_shared);
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let ended = rig.end();
    assert!(ended.eos, "{ended:?}");
    let (all, shared) = *seen.lock().unwrap();
    assert!(all > 100, "{all}");
    assert_eq!(all, shared);
}

/// Pictures that an application keeps outlive the child.
#[test]
fn a_picture_stays_when_its_child_is_gone() {
    let rig = Rig::new(Element::Decoder, "");
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let pad = rig.codec.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let mut kept = keeps.lock().unwrap();
        if kept.is_none() {
            let buffer = info.buffer().unwrap().clone();
            let bytes = buffer.map_readable().unwrap().to_vec();
            *kept = Some((buffer, bytes));
        }
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let ended = rig.end();
    assert!(ended.eos, "{ended:?}");
    rig.stop();
    crate::rig::eventually("the child ends", || !crate::rig::exists(rig.process()));
    let (buffer, bytes) = kept.lock().unwrap().take().unwrap();
    assert!(*buffer.map_readable().unwrap() == bytes[..], "it changed");
}

/// Does what a child could do to these bytes where it has written them.
fn rewrite(bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let blocks = links.filter(|link| {
        let target = std::fs::read_link(link.path()).unwrap_or_default();
        target.to_string_lossy().contains("memfd:codecwatch")
    });
    let others: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
    for block in blocks {
        let mut options = std::fs::File::options();
        // Another test's may be gone by now.
        let Ok(block) = options.read(true).write(true).open(block.path()) else {
            continue;
        };
        // All blocks of a child lie in one file, each at a page.
        let size = block.metadata().map_or(0, |it| it.len());
        let mut all = vec![0; size as usize];
        let _ = block.read_at(&mut all, 0);
        for at in (0..all.len()).step_by(4096) {
            if all[at..].starts_with(bytes) {
                // It cannot be written to if it is an input.
                let _ = block.write_all_at(&others, at as u64);
            }
        }
    }
}

/// How many outputs of a chain its child can change afterwards, and how many copies the
/// statistics show.
fn changed_afterwards(codec: &str) -> (u32, u64) {
    const OUTPUTS: u32 = 5;
    let rig = Rig::of(&format!(
        "videotestsrc num-buffers={OUTPUTS} pattern=snow \
         ! video/x-raw,format=I420,width=640,height=480,framerate=30/1 \
         ! codecwatch name=codec isolate=true codec=\"{codec}\" \
         ! fakesink name=out sync=false async=false"
    ));
    let changed = Arc::new(Mutex::new(0));
    let counted = changed.clone();
    let pad = rig.codec.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        let mapped = buffer.map_readable().unwrap();
        let (before, address) = (mapped.to_vec(), mapped.as_ptr().addr());
        drop(mapped);
        let is_shared = shared_maps().iter().any(|map| map.contains(&address));
        assert!(before.len() > 1 << 16, "{} bytes", before.len());
        rewrite(&before);
        let after = buffer.map_readable().unwrap().to_vec();
        *counted.lock().unwrap() += u32::from(is_shared || before != after);
        gst::PadProbeReturn::Ok
    });
    rig.play();
    let ended = rig.end();
    assert!(ended.eos, "{ended:?}");
    let changed = *changed.lock().unwrap();
    let copies = copies(&rig);
    rig.stop();
    (changed, copies)
}

/// A parser would go by what it has read first.
#[test]
fn coded_data_that_was_shown_is_not_the_childs_to_change() {
    let (changed, copies) = changed_afterwards("jpegenc");
    assert_eq!(changed, 0);
    // Of each input, and of each output.
    assert_eq!(copies, 10);
}

#[test]
fn raw_pictures_of_a_chain_are_not_copied_out_of_shared_memory() {
    let (changed, copies) = changed_afterwards("identity");
    assert_eq!((changed, copies), (5, 5));
}
