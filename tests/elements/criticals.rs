// SPDX-License-Identifier: MPL-2.0
//! A critical message of GLib or GStreamer fails the test that it appears in.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use gst::glib;
use gst::glib::translate::ToGlibPtrMut;
use gst::prelude::*;
use support::{Finished, Launch, is_child};

/// Plays a child that has a critical message written.
fn write_critical(this: &str, launch: impl FnOnce(Launch) -> Launch) -> Finished {
    let run = launch(Launch::this_test(this)).run();
    assert!(run.says("on purpose"), "{}", run.text());
    run
}

#[test]
fn a_critical_message_ends_the_process_of_a_test() {
    let this = "a_critical_message_ends_the_process_of_a_test";
    if is_child() {
        support::init();
        glib::g_critical!("codecwatch-tests", "on purpose");
        return;
    }
    // Without the environment, which a test that is started by hand has not got.
    let run = write_critical(this, |launch| launch.env("G_DEBUG", ""));
    assert!(run.status.code().is_none(), "{}", run.text());
}

#[test]
fn a_critical_message_ends_a_program_that_a_test_starts() {
    let this = "a_critical_message_ends_a_program_that_a_test_starts";
    if is_child() {
        glib::g_critical!("codecwatch-tests", "on purpose");
        return;
    }
    let run = write_critical(this, |launch| launch);
    assert!(run.status.code().is_none(), "{}", run.text());
}

/// What `g_object_set_property` and `g_object_get_property` do after their checks, with a
/// property that no class has.
fn reach_foreign_property(element: &gst::Element, how: &str) {
    const NUMBER: u32 = u32::MAX;
    let spec = glib::ParamSpecBoolean::builder("foreign").build();
    let mut value = true.to_value();
    let object = element.upcast_ref::<glib::Object>();
    let class = object.object_class().as_ref();
    let (set, get) = (class.set_property.unwrap(), class.get_property.unwrap());
    let (object, spec) = (object.as_ptr(), spec.as_ptr());
    if how == "set" {
        // SAFETY: all arguments live as long as the call.
        unsafe { set(object, NUMBER, value.to_glib_none_mut().0, spec) };
    } else {
        // SAFETY: all arguments live as long as the call, and the value is a boolean.
        unsafe { get(object, NUMBER, value.to_glib_none_mut().0, spec) };
    }
}

#[test]
fn a_property_that_a_class_does_not_handle_is_a_critical_message() {
    let this = "a_property_that_a_class_does_not_handle_is_a_critical_message";
    if is_child() {
        support::init();
        let original = gst::ElementFactory::find("vorbisenc").unwrap();
        gstcodecwatch::wrapped::register(None, &original, "wrapped", gst::Rank::NONE).unwrap();
        let [element, how] = ["ELEMENT", "HOW"].map(|name| std::env::var(name).unwrap());
        let element = gst::ElementFactory::make(&element).build().unwrap();
        reach_foreign_property(&element, &how);
        return;
    }
    for element in [
        "svtav1watchenc",
        "dav1dwatchdec",
        "codecwatch",
        "wrapped",
        "wholefilesink",
    ] {
        for how in ["set", "get"] {
            let launch = Launch::this_test(this).env("ELEMENT", element);
            let run = launch.env("HOW", how).run();
            assert!(
                run.says("does not handle its property foreign"),
                "{how}, {element}: {}",
                run.text()
            );
            assert!(run.status.code().is_none(), "{}", run.text());
        }
    }
}

#[test]
fn a_value_that_does_not_fit_its_field_is_a_critical_message() {
    let this = "a_value_that_does_not_fit_its_field_is_a_critical_message";
    if is_child() {
        support::init();
        codecwatch_element::store(&mut 0_u32, &"text".to_value());
        return;
    }
    let run = Launch::this_test(this).run();
    assert!(
        run.says("property type does not match its field"),
        "{}",
        run.text()
    );
    assert!(run.status.code().is_none(), "{}", run.text());
}
