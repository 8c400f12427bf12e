// SPDX-License-Identifier: MPL-2.0
//! What elements publish, read in the process that they are in.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use codecwatch_health::{Element, Published, Source};
use gst::prelude::*;

use crate::rig::BOUND;

fn make(name: &str) -> gst::Element {
    let element = gst::ElementFactory::make("codecwatch");
    let element = element.property("name", name).property("codec", "identity");
    element.build().unwrap()
}

fn read(name: &str) -> Option<Element> {
    let mut elements = Published::new().read().elements.into_iter();
    elements.find(|element| element.name == name)
}

#[test]
fn an_element_is_published_from_its_making_until_it_is_freed_under_the_name_that_it_has() {
    support::init();
    let element = make("early");
    let first = read("early").unwrap();
    assert_eq!(first.path, "/GstCodecWatch:early");
    assert_eq!(first.factory, "codecwatch");
    assert_eq!(
        (first.session, &*first.phase, &*first.verdict),
        (0, "none", "idle")
    );
    assert_eq!((first.max_abandoned, first.call), (4, None));
    element.set_property("name", "late");
    assert!(read("early").is_none());
    let bin = gst::Bin::with_name("inner");
    let sink = gst::ElementFactory::make("fakesink").build().unwrap();
    bin.add_many([&element, &sink]).unwrap();
    element.link(&sink).unwrap();
    assert_eq!(
        read("late").unwrap().path,
        "/GstBin:inner/GstCodecWatch:late"
    );
    element.set_property("max-abandoned", 7_u32);
    let late = read("late").unwrap();
    assert_eq!((late.max_abandoned, late.id), (7, first.id));
    bin.remove(&element).unwrap();
    drop(element);
    assert!(read("late").is_none());
}

#[test]
fn an_element_that_refuses_to_start_has_failed_until_it_is_set_to_null() {
    support::init();
    let element = make("refusing");
    element.set_property("codec", "nosuchenc");
    let failed = || read("refusing").unwrap().failed;
    assert!(!failed());
    assert!(element.set_state(gst::State::Playing).is_err());
    assert!(failed());
    element.set_state(gst::State::Null).unwrap();
    assert!(!failed());
    // Bins take their elements back to NULL by themselves, and do not tell them again.
    let (pipeline, inner) = (gst::Pipeline::new(), gst::Bin::new());
    inner.add(&element).unwrap();
    pipeline.add(&inner).unwrap();
    assert!(pipeline.set_state(gst::State::Playing).is_err());
    assert_eq!(element.current_state(), gst::State::Null);
    assert!(failed());
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(failed());
    element.set_state(gst::State::Null).unwrap();
    assert!(!failed());
    // In READY, the property may change.
    element.set_property("codec", "identity");
    pipeline.set_state(gst::State::Ready).unwrap();
    element.set_property("codec", "nosuchenc");
    assert!(pipeline.set_state(gst::State::Playing).is_err());
    assert!(failed());
    element.set_property("codec", "identity");
    pipeline.set_state(gst::State::Paused).unwrap();
    assert!(!failed());
    pipeline.set_state(gst::State::Ready).unwrap();
    element.set_property("codec", "nosuchenc");
    assert!(pipeline.set_state(gst::State::Paused).is_err());
    assert!(failed());
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(!failed());
}

#[test]
fn elements_may_come_and_go_while_they_are_read() {
    support::init();
    let over = AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut ids = BTreeSet::new();
            while !over.load(Ordering::SeqCst) {
                let elements = Published::new().read().elements;
                let ours = elements
                    .iter()
                    .filter(|element| element.name.starts_with("brief"));
                ids.extend(ours.map(|element| (element.id, element.name.clone())));
            }
            ids
        });
        for round in 0..50 {
            let name = format!("brief{round}");
            let pipeline = format!(
                "videotestsrc num-buffers=5 ! codecwatch name={name} codec=identity ! fakesink"
            );
            let pipeline = gst::parse::launch(&pipeline).unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            let bus = pipeline.bus().unwrap();
            let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
            let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted);
            assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
            let element = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name(&name);
            let weak = element.unwrap().downgrade();
            pipeline.set_state(gst::State::Null).unwrap();
            drop(bus);
            drop(pipeline);
            // The reader never holds it; its own threads may, for a moment.
            let dropped = Instant::now();
            while weak.upgrade().is_some() && dropped.elapsed() < BOUND {
                std::thread::sleep(Duration::from_millis(1));
            }
            if weak.upgrade().is_some() {
                over.store(true, Ordering::SeqCst);
                panic!("{name} is never freed");
            }
        }
        over.store(true, Ordering::SeqCst);
        reader.join().unwrap()
    });
    let names: BTreeSet<_> = ids.iter().map(|(_, name)| name).collect();
    let numbers: BTreeSet<_> = ids.iter().map(|(id, _)| id).collect();
    assert_eq!(names.len(), ids.len(), "a number has changed: {ids:?}");
    assert_eq!(numbers.len(), ids.len(), "a number was used again: {ids:?}");
    assert!(ids.len() > 5, "{ids:?}");
}
