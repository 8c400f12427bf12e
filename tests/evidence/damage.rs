// SPDX-License-Identifier: MPL-2.0
//! A damaged stream that stops the decoder.

use gst::prelude::*;
use support::media;

use crate::rig::{Folder, Place};

const CAPS: &str = "video/x-av1,stream-format=obu-stream,alignment=tu,width=1280,height=720,\
                    framerate=25/1";

/// The first temporal units of the clip.
fn units(count: usize) -> Vec<Vec<u8>> {
    let description = format!(
        "filesrc location={} ! matroskademux ! appsink name=end sync=false",
        media::clip().display()
    );
    let pipeline = gst::parse::launch(&description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let end = pipeline.by_name("end").unwrap();
    let end = end.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let units = (0..count).map(|_| {
        let sample = end.pull_sample().unwrap();
        sample.buffer().unwrap().map_readable().unwrap().to_vec()
    });
    let units = units.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    units
}

#[test]
fn the_sample_of_a_damaged_stream_shows_the_same_in_dav1d() {
    support::init();
    let place = Place::new();
    let mut units = units(12);
    let cut = units[7].len() / 2;
    units[7].truncate(cut);
    let mut harness = gst_check::Harness::new_parse(&format!(
        "dav1dwatchdec name=codec n-threads=1 max-errors=0 evidence-dir={}",
        place.path().display()
    ));
    harness.set_src_caps_str(CAPS);
    let bus = gst::Bus::new();
    let element = harness.element().unwrap();
    element.set_bus(Some(&bus));
    for (unit, number) in units.iter().zip(0..) {
        let mut buffer = gst::Buffer::from_slice(unit.clone());
        let time = 40 * number * gst::ClockTime::MSECOND;
        buffer.get_mut().unwrap().set_pts(time);
        if harness.push(buffer).is_err() {
            break;
        }
    }
    // The folder may be there before the error is posted.
    let (mut said, mut written) = (None, None);
    while said.is_none() || written.is_none() {
        let kinds = [gst::MessageType::Error, gst::MessageType::Element];
        let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(20), &kinds);
        let message = message.expect("an error and its evidence");
        match message.view() {
            gst::MessageView::Error(error) => said = error.details().map(ToOwned::to_owned),
            gst::MessageView::Element(element) => {
                let structure = element.structure().unwrap();
                if structure.name() == "codecwatch-evidence" {
                    written = structure.get::<String>("evidence-path").ok();
                }
            }
            _ => unreachable!(),
        }
    }
    let details = said.unwrap();
    assert_eq!(details.get::<&str>("outcome"), Ok("CodecFailed"));
    let path = details.get::<String>("evidence-path").unwrap();
    assert_eq!(written.as_ref(), Some(&path));
    let codec = harness.find_element("dav1dwatchdec").unwrap();
    let stats = codec.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u32>("evidence-written"), Ok(1));
    assert_eq!(stats.get::<u32>("evidence-pending"), Ok(0));
    drop(harness);

    let folder = Folder(path.into());
    assert!(folder.file().text.contains("errors in the stream"));
    let played = folder.dav1d();
    let said = String::from_utf8_lossy(&played.stderr).into_owned();
    assert!(said.contains("Error decoding frame"), "{said}");
    let replay = folder.replay().run();
    assert_eq!(replay.code(), 3, "{}", replay.text());
    assert!(replay.says("the first is input 7"), "{}", replay.text());
}
