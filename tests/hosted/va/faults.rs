// SPDX-License-Identifier: MPL-2.0
//! A driver that hangs or fails, wherever it does: one error that names the element and
//! what was asked of it, no EOS, no state change that waits for it, and the ledger is
//! right.

use std::time::{Duration, Instant};

use gst::prelude::*;
use support::is_child;

use super::{gpu, pictures};
use crate::faults::{STOP, account, error, eventually, has_eos, hosted, stop};
use crate::record::Record;
use crate::rig::{Item, Rig};

const H264: &str = "h264parse ! vah264dec";
const AV1: &str = "av1parse ! vaav1dec";

/// Runs the test again where the driver does what the script says; true there.
fn struck(name: &str, element: &str, script: &str) -> bool {
    if !is_child() {
        let name = format!("va::faults::{name}");
        let Some(run) = gpu::again(&name, element, script) else {
            return false;
        };
        assert!(run.says("rehearse: "), "nothing struck: {}", run.text());
        return false;
    }
    support::init();
    true
}

/// A hosted decoder whose pictures have to come out in system memory, as those for most
/// elements do.
fn decoder(codec: &str) -> Rig {
    let rig = hosted(codec);
    let raw = gst::Caps::new_empty_simple("video/x-raw");
    *rig.downstream.caps.lock().unwrap() = Some(raw);
    rig
}

/// Plays everything into a decoder whose driver hangs.
fn assert_one_error(codec: &str, items: &[Item], call: &str) {
    let rig = decoder(codec);
    let records = rig.play_on(items);
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Decode), "{error}");
    assert_eq!(details.get("outcome"), Ok("WatchdogAbandoned"), "{details}");
    let named = details.get::<&str>("call").unwrap();
    assert!(named.contains(call), "{call}: {details}");
    assert!(error.message().contains(named), "{named}: {error}");
    assert!(!has_eos(&records), "{records:?}");
    let took = stop(&rig);
    assert!(took < STOP, "{took:?}");
    assert!(rig.errors().is_empty(), "a second error");
    let now = account(codec);
    assert_eq!((now.opened, now.abandoned, now.reclaimed), (1, 1, 0));
}

#[test]
fn a_picture_that_is_never_decoded_ends_in_one_error() {
    if struck(
        "a_picture_that_is_never_decoded_ends_in_one_error",
        "vah264dec",
        "vaEndPicture:hang@7",
    ) {
        assert_one_error(H264, &pictures::h264(), "vah264dec0: chain");
    }
}

#[test]
fn an_av1_picture_that_is_never_decoded_ends_in_one_error() {
    if struck(
        "an_av1_picture_that_is_never_decoded_ends_in_one_error",
        "vaav1dec",
        "vaEndPicture:hang@7",
    ) {
        assert_one_error(AV1, &pictures::av1(), "vaav1dec0: chain");
    }
}

#[test]
fn a_surface_that_is_never_ready_ends_in_one_error() {
    if struck(
        "a_surface_that_is_never_ready_ends_in_one_error",
        "vah264dec",
        "vaSyncSurface:hang@7",
    ) {
        assert_one_error(H264, &pictures::h264(), "vah264dec0: picture from device");
    }
}

#[test]
fn a_decoder_that_is_never_created_ends_in_one_error() {
    if struck(
        "a_decoder_that_is_never_created_ends_in_one_error",
        "vah264dec",
        "vaCreateContext:hang",
    ) {
        assert_one_error(H264, &pictures::h264(), "vah264dec0: chain");
    }
}

/// Whoever has the display last ends it: here the bus, as in an application the pipeline.
#[test]
fn a_display_that_is_never_given_up_holds_nobody_up() {
    // The plugin gives up one when it is loaded.
    if !struck(
        "a_display_that_is_never_given_up_holds_nobody_up",
        "vah264dec",
        "vaTerminate:hang@2",
    ) {
        return;
    }
    let items = pictures::h264();
    let rig = decoder(H264);
    let records = rig.play_on(&items);
    assert!(has_eos(&records), "{records:?}");
    assert!(rig.errors().is_empty());
    let begun = Instant::now();
    assert!(stop(&rig) < STOP);
    let element = rig.element.downgrade();
    // Its messages refer to the element.
    rig.bus.set_flushing(true);
    drop(rig);
    assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
    eventually("the element is still there", || element.upgrade().is_none());
    let now = account(H264);
    assert_eq!((now.opened, now.completed, now.abandoned), (1, 1, 0));
    // It ends on a thread that nobody waits for.
    eventually("the display is never given up", || {
        support::process::thread_names().contains(&"cw-lent".to_owned())
    });
    // Another display is another matter.
    let rig = decoder(H264);
    let records = rig.play_on(&items);
    assert!(has_eos(&records), "{records:?}");
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_plugin_that_hangs_while_it_is_loaded_is_an_error_of_opening() {
    if !struck(
        "a_plugin_that_hangs_while_it_is_loaded_is_an_error_of_opening",
        "vah264dec",
        "vaTerminate:hang@1",
    ) {
        return;
    }
    support::init();
    let element = gst::ElementFactory::make("codecwatch").property("codec", H264);
    let element = element.build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let begun = Instant::now();
    assert!(element.set_state(gst::State::Ready).is_err());
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    let error = bus.pop_filtered(&[gst::MessageType::Error]).unwrap();
    let gst::MessageView::Error(error) = error.view() else {
        unreachable!()
    };
    assert!(error.error().matches(gst::LibraryError::Init), "{error:?}");
    assert!(error.error().message().contains("vah264dec"), "{error:?}");
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn properties_are_found_though_the_plugin_loads_for_longer_than_an_open_may_take() {
    if !struck(
        "properties_are_found_though_the_plugin_loads_for_longer_than_an_open_may_take",
        "vah264dec",
        "vaTerminate:hang=1s@1",
    ) {
        return;
    }
    let element = gst::ElementFactory::make("codecwatch")
        .property(
            "open-timeout",
            gst::ClockTime::from_mseconds(100).nseconds(),
        )
        .property("codec", H264)
        .build()
        .unwrap();
    let proxy = element.dynamic_cast::<gst::ChildProxy>().unwrap();
    assert!(proxy.child_by_name("codec").is_some());
}

#[test]
fn pictures_that_the_driver_fails_on_are_told() {
    if !struck(
        "pictures_that_the_driver_fails_on_are_told",
        "vah264dec",
        "vaEndPicture:fail@37+",
    ) {
        return;
    }
    // The decoder goes on without them, and says so.
    let rig = decoder(H264);
    let records = rig.play_on(&pictures::h264());
    assert!(has_eos(&records), "{records:?}");
    let qos = std::iter::from_fn(|| rig.bus.pop_filtered(&[gst::MessageType::Qos]));
    let lost = qos.last().expect("nothing is told");
    let gst::MessageView::Qos(lost) = lost.view() else {
        unreachable!()
    };
    let (_, dropped) = lost.stats();
    assert_eq!(dropped.value(), 40 - buffers(&records), "{lost:?}");
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_surface_that_cannot_be_read_is_an_error() {
    if !struck(
        "a_surface_that_cannot_be_read_is_an_error",
        "vah264dec",
        "vaSyncSurface:fail@7+",
    ) {
        return;
    }
    let rig = decoder(H264);
    let records = rig.play_on(&pictures::h264());
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Decode), "{error}");
    assert_eq!(details.get("outcome"), Ok("CodecFailed"), "{details}");
    assert!(error.message().contains("vah264dec0"), "{error}");
    assert!(!has_eos(&records), "{records:?}");
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_late_return_is_reclaimed() {
    if !struck(
        "a_late_return_is_reclaimed",
        "vah264dec",
        "vaEndPicture:hang=2.5s@7",
    ) {
        return;
    }
    let rig = decoder(H264);
    rig.play_on(&pictures::h264());
    let (_, details) = error(&rig);
    assert_eq!(details.get("outcome"), Ok("WatchdogAbandoned"), "{details}");
    assert!(stop(&rig) < STOP);
    eventually("it is reclaimed", || account(H264).reclaimed == 1);
}

fn buffers(records: &[Record]) -> i64 {
    let is_buffer = |record: &&Record| matches!(record, Record::Buffer { .. });
    records.iter().filter(is_buffer).count() as i64
}
