// SPDX-License-Identifier: MPL-2.0
//! Upstream gets its pixels back as soon as the library has copied them, not when
//! the packet is out.
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;
use gst_video::VideoInfo;

use crate::util::{CAPS, comes_true, element, encoder, frame, pull_all};

/// Buffers of the pool: few against the seventy that are inside in random access.
const BUFFERS: usize = 8;

fn picture_bytes() -> usize {
    let caps = CAPS.parse::<gst::Caps>().unwrap();
    VideoInfo::from_caps(&caps).unwrap().size()
}

fn pool() -> gst::BufferPool {
    support::init();
    let pool = gst::BufferPool::new();
    let mut config = pool.config();
    let buffers = u32::try_from(BUFFERS).unwrap();
    let caps = CAPS.parse::<gst::Caps>().unwrap();
    let bytes = u32::try_from(picture_bytes()).unwrap();
    config.set_params(Some(&caps), bytes, 0, buffers);
    pool.set_config(config).unwrap();
    pool.set_active(true).unwrap();
    pool
}

fn acquire(pool: &gst::BufferPool) -> Option<gst::Buffer> {
    let params = gst::BufferPoolAcquireParams::with_flags(gst::BufferPoolAcquireFlags::DONTWAIT);
    pool.acquire_buffer(Some(&params)).ok()
}

/// A buffer of the pool; fails when none comes back.
fn acquire_at_length(pool: &gst::BufferPool) -> gst::Buffer {
    let mut buffer = None;
    let waited = std::cell::RefCell::new(&mut buffer);
    assert!(comes_true(|| {
        let buffer = acquire(pool);
        let came = buffer.is_some();
        **waited.borrow_mut() = buffer;
        came
    }));
    buffer.unwrap()
}

/// Whether all buffers come back while nothing else happens.
fn comes_back_whole(pool: &gst::BufferPool) -> bool {
    comes_true(|| {
        let buffers: Vec<_> = std::iter::from_fn(|| acquire(pool)).collect();
        buffers.len() == BUFFERS
    })
}

/// Frame `number` in this buffer.
fn fill(mut buffer: gst::Buffer, number: u64) -> gst::Buffer {
    let content = frame(CAPS, number);
    let writable = buffer.get_mut().unwrap();
    let bytes = content.map_readable().unwrap();
    writable.copy_from_slice(0, &bytes).unwrap();
    writable.set_pts(content.pts());
    writable.set_duration(content.duration());
    buffer
}

#[test]
fn a_pool_of_eight_buffers_feeds_random_access_and_is_whole_while_packets_wait() {
    let mut harness = encoder("");
    let pool = pool();
    let mut pictures = HashSet::new();
    for number in 0..60 {
        let buffer = fill(acquire_at_length(&pool), number);
        pictures.insert(buffer.map_readable().unwrap().as_ptr());
        harness.push(buffer).unwrap();
    }
    assert!(comes_back_whole(&pool));
    // The pool would replace a buffer whose memory somebody has kept.
    assert!(pictures.len() <= BUFFERS, "{} pictures", pictures.len());
    // They would have come back with the packets, too.
    let out = pull_all(&mut harness).len();
    assert!(out < 60 - BUFFERS, "{out} packets are out");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(out + pull_all(&mut harness).len(), 60);
}

#[test]
fn a_buffer_that_shares_the_memory_of_another_keeps_neither() {
    let mut harness = encoder("");
    let pool = pool();
    for number in 0..40 {
        let parent = fill(acquire_at_length(&pool), number);
        let mut buffer = parent.copy_region(gst::BUFFER_COPY_ALL, ..).unwrap();
        gst::ParentBufferMeta::add(buffer.make_mut(), &parent);
        drop(parent);
        harness.push(buffer).unwrap();
    }
    assert!(comes_back_whole(&pool));
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 40);
}

#[test]
fn a_frame_outside_of_the_segment_is_given_back_too() {
    let mut harness = encoder("");
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_stop(gst::ClockTime::from_seconds(1));
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    let pool = pool();
    for number in [0, 1, 100] {
        let buffer = fill(acquire_at_length(&pool), number);
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 2);
    assert!(comes_back_whole(&pool));
}

#[test]
fn buffers_of_a_list_are_given_back_as_well() {
    let mut harness = encoder("");
    let pool = pool();
    let pad = harness.srcpad().unwrap();
    for pair in 0..20 {
        let mut list = gst::BufferList::new();
        for number in [2 * pair, 2 * pair + 1] {
            let buffer = fill(acquire_at_length(&pool), number);
            list.get_mut().unwrap().add(buffer);
        }
        pad.push_list(list).unwrap();
    }
    assert!(comes_back_whole(&pool));
    assert!(harness.push_event(gst::event::Eos::new()));
    assert_eq!(pull_all(&mut harness).len(), 40);
}

#[test]
fn upstream_is_told_how_many_buffers_wait_here() {
    let harness = encoder("");
    let caps = CAPS.parse::<gst::Caps>().unwrap();
    let mut query = gst::query::Allocation::new(Some(&caps), true);
    let pad = element(&harness).static_pad("sink").unwrap();
    assert!(pad.query(&mut query));
    let least = query.allocation_pools().map(|(_, _, min, _)| min).max();
    assert!(
        least.is_some_and(|least| (2..=BUFFERS as u32).contains(&least)),
        "{least:?}"
    );
}

/// Also one that was installed when frames were on their way already.
#[test]
fn a_probe_of_the_application_sees_whole_pictures() {
    let mut harness = encoder("");
    let pad = element(&harness).static_pad("sink").unwrap();
    let whole = Arc::new(AtomicUsize::new(0));
    for number in 0..20 {
        if number % 10 == 0 {
            let whole = whole.clone();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if info.buffer().unwrap().size() == picture_bytes() {
                    whole.fetch_add(1, Ordering::Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
        }
        harness.push(frame(CAPS, number)).unwrap();
    }
    assert_eq!(whole.load(Ordering::Relaxed), 20 + 10);
}

#[test]
fn metas_of_a_frame_arrive_with_its_packet() {
    const NAME: &str = "codecwatch-test-meta";
    let mut harness = encoder("");
    gst::meta::CustomMeta::register(NAME, &[]);
    for number in 0..20 {
        let mut buffer = frame(CAPS, number);
        let writable = buffer.get_mut().unwrap();
        let mut meta = gst::meta::CustomMeta::add(writable, NAME).unwrap();
        meta.mut_structure().set("number", number);
        let byte = u8::try_from(number).unwrap();
        gst_video::VideoCaptionMeta::add(
            writable,
            gst_video::VideoCaptionType::Cea708Raw,
            &[0xfc, byte, byte],
        );
        harness.push(buffer).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    let packets = pull_all(&mut harness);
    assert_eq!(packets.len(), 20);
    for (number, packet) in (0_u64..).zip(&packets) {
        let meta = gst::meta::CustomMeta::from_buffer(packet, NAME).unwrap();
        assert_eq!(meta.structure().get("number"), Ok(number));
        let caption = packet.meta::<gst_video::VideoCaptionMeta>().unwrap();
        assert_eq!(u64::from(caption.data()[1]), number);
    }
}
