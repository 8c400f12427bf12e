// SPDX-License-Identifier: MPL-2.0
//! Where the memory of pictures comes from, and who may write to it.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_video::VideoMeta;
use support::pictures::{Downstream, md5, play};

use crate::streams::{ivf, sources::Source};
use crate::util::{KEY_EVERY_8, decoder, encoded, pull_all, push};

/// A pool as a sink would offer it, of at most `max` buffers (0: no limit).
pub(crate) fn offer_pool(pad: &gst::Pad, max: u32) -> Arc<Mutex<Vec<gst::BufferPool>>> {
    let offered = Arc::new(Mutex::new(Vec::new()));
    let pools = offered.clone();
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
        let Some(gst::PadProbeData::Query(query)) = &mut info.data else {
            return gst::PadProbeReturn::Ok;
        };
        let gst::QueryViewMut::Allocation(query) = query.view_mut() else {
            return gst::PadProbeReturn::Ok;
        };
        let caps = query.get_owned().0.unwrap();
        let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
        let size = u32::try_from(info.size()).unwrap();
        let pool = gst_video::VideoBufferPool::new().upcast::<gst::BufferPool>();
        query.add_allocation_meta::<VideoMeta>(None);
        query.add_allocation_pool(Some(&pool), size, 0, max);
        pools.lock().unwrap().push(pool);
        gst::PadProbeReturn::Handled
    });
    offered
}

fn ivf_file(units: &[Vec<u8>]) -> tempfile::TempPath {
    let mut file = tempfile::NamedTempFile::with_suffix(".ivf").unwrap();
    std::io::Write::write_all(&mut file, &ivf::write(units)).unwrap();
    file.into_temp_path()
}

#[test]
fn pictures_are_decoded_into_downstreams_pool_and_one_that_is_needed_no_more_is_pushed_itself() {
    // No later frame refers to one that is not a key frame: every other frame.
    let Some(units) = encoded(24, (160, 96), &["--lag-in-frames=25", "--auto-alt-ref=1"]) else {
        return;
    };
    let mut harness = decoder("n-threads=1");
    let pools = offer_pool(&harness.sinkpad().unwrap(), 0);
    push(&mut harness, &units, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    assert_eq!(buffers.len(), 24);
    let pools = pools.lock().unwrap();
    assert!(!pools.is_empty(), "downstream was never asked");
    let own = buffers.iter().filter(|buffer| {
        let memory = buffer.peek_memory(0);
        buffer.n_memory() == 1 && memory.is_type("SystemMemory")
    });
    assert!(own.count() > 0, "no buffer of the pool came out");
}

/// A memory for each plane: the picture's own, shared.
fn is_shared(buffer: &gst::Buffer) -> bool {
    let memories = buffer.iter_memories();
    buffer.n_memory() == 3 && memories.into_iter().all(|one| !one.is_type("SystemMemory"))
}

#[test]
fn without_a_pool_of_downstreams_pictures_are_shown_where_they_were_decoded() {
    let Some(units) = encoded(8, (160, 96), KEY_EVERY_8) else {
        return;
    };
    let mut harness = decoder("n-threads=1");
    harness.add_propose_allocation_meta(VideoMeta::meta_api(), None);
    push(&mut harness, &units, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    assert_eq!(buffers.len(), 8);
    assert!(buffers.iter().all(is_shared), "{buffers:?}");
}

#[test]
fn a_pool_that_cannot_align_its_buffers_is_done_without() {
    let Some(units) = encoded(8, (160, 96), KEY_EVERY_8) else {
        return;
    };
    let mut harness = decoder("n-threads=1");
    let pad = harness.sinkpad().unwrap();
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(gst::PadProbeData::Query(query)) = &mut info.data
            && let gst::QueryViewMut::Allocation(query) = query.view_mut()
        {
            query.add_allocation_meta::<VideoMeta>(None);
            // It has no options at all.
            query.add_allocation_pool(Some(&gst::BufferPool::new()), 160 * 96 * 3 / 2, 0, 0);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    push(&mut harness, &units, 0);
    assert!(harness.push_event(gst::event::Eos::new()));
    let buffers = pull_all(&mut harness);
    assert_eq!(buffers.len(), 8);
    assert!(buffers.iter().all(is_shared), "{buffers:?}");
}

#[test]
fn a_pool_that_runs_dry_holds_nothing_up() {
    let Some(units) = encoded(40, (160, 96), KEY_EVERY_8) else {
        return;
    };
    for threads in [1, 4] {
        let expected = {
            let path = ivf_file(&units);
            let source = format!("filesrc location={} ! ivfparse ! av1parse", path.display());
            let played = play(
                &format!("{source} ! dav1dwatchdec"),
                Downstream::TakesVideoMeta,
            );
            md5(&played.samples, 3)
        };
        let mut harness = decoder(&format!("n-threads={threads}"));
        let _pools = offer_pool(&harness.sinkpad().unwrap(), 2);
        push(&mut harness, &units, 0);
        assert!(harness.push_event(gst::event::Eos::new()));
        // All are kept until the end, so that the pool gets nothing back.
        let caps = harness.sinkpad().unwrap().current_caps().unwrap();
        let samples: Vec<_> = pull_all(&mut harness)
            .iter()
            .map(|buffer| gst::Sample::builder().buffer(buffer).caps(&caps).build())
            .collect();
        assert_eq!(samples.len(), 40);
        assert_eq!(md5(&samples, 3), expected, "{threads} threads");
    }
}

#[test]
fn nobody_can_write_to_a_picture_that_dav1d_still_reads() {
    let Some(units) = encoded(16, (160, 96), KEY_EVERY_8) else {
        return;
    };
    let path = ivf_file(&units);
    let source = format!("filesrc location={} ! ivfparse ! av1parse", path.display());
    let clean = play(
        &format!("{source} ! dav1dwatchdec n-threads=1"),
        Downstream::TakesVideoMeta,
    );
    // Each picture is painted over, as soon as it comes out, by an element that
    // works in place.
    let painted = play(
        &format!(
            "{source} ! dav1dwatchdec n-threads=1 ! videobalance brightness=0.5 ! tee name=t \
             t. ! queue ! fakesink t. ! queue"
        ),
        Downstream::TakesVideoMeta,
    );
    assert_eq!(painted.samples.len(), 16);
    assert_ne!(md5(&clean.samples, 3), md5(&painted.samples, 3));

    // Had it painted over references, the later pictures of each group would
    // not be what they are without the painter.
    let sums = |samples: &[gst::Sample]| -> Vec<String> {
        let each = samples.iter().map(std::slice::from_ref);
        each.map(|sample| md5(sample, 3)).collect()
    };
    let mut harness = decoder("n-threads=1");
    harness.add_propose_allocation_meta(VideoMeta::meta_api(), None);
    let mut seen = Vec::new();
    let mut paint = |harness: &mut gst_check::Harness| {
        for mut buffer in pull_all(harness) {
            let caps = harness.sinkpad().unwrap().current_caps().unwrap();
            seen.extend(sums(&[gst::Sample::builder()
                .buffer(&buffer)
                .caps(&caps)
                .build()]));
            buffer.make_mut().map_writable().unwrap().fill(0);
        }
    };
    for (number, unit) in units.iter().enumerate() {
        push(&mut harness, std::slice::from_ref(unit), number as u64);
        crate::util::wait_until("a picture", || harness.buffers_in_queue() > 0);
        paint(&mut harness);
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    paint(&mut harness);
    assert_eq!(seen, sums(&clean.samples));
}

#[test]
fn downstream_without_video_meta_gets_plain_pictures() {
    let odd = (131, 73);
    let Some(units) = encoded(8, odd, &[]) else {
        return;
    };
    let path = ivf_file(&units);
    let source = format!("filesrc location={} ! ivfparse ! av1parse", path.display());
    let run = |downstream| play(&format!("{source} ! dav1dwatchdec"), downstream).samples;
    let plain = run(Downstream::TakesPlain);
    let any = run(Downstream::TakesVideoMeta);
    let source = Source::new(odd.0, odd.1, 8);
    assert_eq!((plain.len(), any.len()), (source.frames, source.frames));
    for sample in &plain {
        let info = support::pictures::info(sample);
        assert_eq!(sample.buffer().unwrap().size(), info.size());
    }
    assert_eq!(md5(&plain, 3), md5(&any, 3));
    let strides = |sample: &gst::Sample| {
        let buffer = sample.buffer().unwrap();
        buffer.meta::<VideoMeta>().unwrap().stride().to_vec()
    };
    assert_eq!(strides(&any[0])[0] % 64, 0);
}
