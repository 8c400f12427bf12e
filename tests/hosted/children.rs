// SPDX-License-Identifier: MPL-2.0
//! Properties of the elements of a chain, as an application sets them: through
//! GstChildProxy, at any time, without entering the chain.

use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::rig::{Rig, produce};

fn hosted(codec: &str) -> gst::Element {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    gst::ElementFactory::make("codecwatch")
        .property("codec", codec)
        .build()
        .unwrap()
}

fn proxy(element: &gst::Element) -> gst::ChildProxy {
    element.clone().dynamic_cast().unwrap()
}

fn get(element: &gst::Element, property: &str) -> u32 {
    proxy(element).child_property::<u32>(property)
}

#[test]
fn the_codec_and_each_element_are_found_by_name_and_by_place() {
    let element = hosted("videoconvert ! x264enc bitrate=700 ! identity ! identity");
    let proxy = proxy(&element);
    assert_eq!(proxy.children_count(), 4);
    let class = |name: &str| proxy.child_by_name(name).map(|child| child.type_().name());
    assert_eq!(class("codec"), Some("GstCodecwatchMirror+GstX264Enc"));
    assert_eq!(class("x264enc"), class("codec"));
    assert_eq!(class("identity-1"), class("identity"));
    assert_eq!(class("vp8enc"), None);
    assert_eq!(
        get(&element, "codec::bitrate"),
        700,
        "as it is written in the description"
    );
    assert_eq!(get_enum(&proxy, "x264enc::speed-preset"), 6, "the default");
    element.set_property("codec", "identity");
    assert_eq!(proxy.children_count(), 1);
    assert!(class("x264enc").is_none());
    element.set_property("codec", "no such thing !");
    assert_eq!(proxy.children_count(), 0);
}

#[test]
fn a_launch_line_hears_once_why_its_codec_has_no_properties() {
    let run = support::Launch::pipeline(
        "fakesrc ! codecwatch codec=nosuchelement codec::bitrate=1 codec::threads=1 ! fakesink",
    )
    .run();
    assert_ne!(run.code(), 0, "{}", run.text());
    let why = "properties of its codec cannot be set or read: no element 'nosuchelement'";
    let said = run.lines.iter().filter(|line| line.text.contains(why));
    assert_eq!(said.count(), 1, "{}", run.text());
}

fn get_enum(proxy: &gst::ChildProxy, property: &str) -> i32 {
    let value = proxy.child_property_value(property);
    let (_, value) = gst::glib::EnumValue::from_value(&value).unwrap();
    value.value()
}

#[test]
fn a_value_reaches_the_codec_whenever_it_is_set_and_every_later_one() {
    let element = hosted("wedge");
    proxy(&element).set_child_property("codec::time", 7_u32.to_value());
    assert_eq!(get(&element, "codec::time"), 7, "before it opens");
    let rig = Rig::around(element.clone(), "wedge".to_owned());
    rig.settle_open();
    assert_eq!(get(&element, "codec::time"), 7, "the chain itself says so");
    proxy(&element).set_child_property("wedge::time", 8_u32.to_value());
    assert_eq!(get(&element, "codec::time"), 8, "while it plays");
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    rig.settle_open();
    assert_eq!(get(&element, "codec::time"), 8, "the next chain, too");
}

#[test]
fn a_bitrate_that_is_set_in_mid_stream_is_obeyed() {
    support::init();
    let items = produce(
        "videotestsrc pattern=snow num-buffers=60 ! \
         video/x-raw,format=I420,width=320,height=240,framerate=30/1",
    );
    let size = |change: bool| {
        let rig = Rig::hosted("x264enc tune=zerolatency bitrate=4000 speed-preset=ultrafast");
        let (first, second) = items.split_at(items.len() / 2);
        rig.play(first);
        rig.settle();
        if change {
            proxy(&rig.element).set_child_property("codec::bitrate", 200_u32.to_value());
        }
        let records = rig.play(second);
        let sizes = records.iter().filter_map(crate::record::Record::size);
        sizes.sum::<usize>()
    };
    let (kept, changed) = (size(false), size(true));
    assert!(changed * 3 < kept * 2, "{changed} of {kept} bytes");
}

#[test]
fn a_codec_that_hangs_hangs_no_setter_and_no_getter() {
    let element = hosted("wedge at=chain how=sleep");
    let rig = Rig::around(element.clone(), "wedge".to_owned());
    let items = produce("videotestsrc num-buffers=3 ! video/x-raw,width=64,height=64");
    let feeding = std::thread::scope(|scope| {
        scope.spawn(|| rig.play_on(&items[..4]));
        std::thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        proxy(&element).set_child_property("codec::time", 9_u32.to_value());
        let set = begun.elapsed();
        assert_eq!(get(&element, "codec::time"), 9, "what was set");
        (set, begun.elapsed())
    });
    assert!(feeding.0 < Duration::from_millis(1800), "{feeding:?}");
    assert!(feeding.1 < Duration::from_millis(3600), "{feeding:?}");
}

#[test]
fn gst_launch_sets_them() {
    let pipeline = "videotestsrc num-buffers=10 ! codecwatch codec=x264enc codec::bitrate=321 \
                    x264enc::key-int-max=5 ! fakesink";
    let run = support::Launch::pipeline(pipeline).run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn values_belong_to_the_description_in_which_they_were_set() {
    let element = hosted("x264enc");
    let old = proxy(&element).child_by_name("codec").unwrap();
    proxy(&element).set_child_property("codec::bitrate", 300_u32.to_value());
    element.set_property("codec", "identity");
    // Without a look at the children in between: identity has no bitrate, and opens.
    let rig = Rig::around(element.clone(), "identity".to_owned());
    rig.settle_open();
    assert!(rig.errors().is_empty());
    assert_eq!(proxy(&element).children_count(), 1);
    old.set_property("bitrate", 400_u32);
    element.set_state(gst::State::Ready).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    rig.settle_open();
    assert!(rig.errors().is_empty());
}

#[test]
fn elements_are_numbered_by_their_own_kind() {
    let element = hosted("vp8enc ! vp8dec ! vp8enc");
    let names = ["vp8enc", "vp8dec", "vp8enc-1"];
    for name in names {
        assert!(proxy(&element).child_by_name(name).is_some(), "{name}");
    }
}

#[test]
fn a_codec_that_is_set_while_another_runs_changes_nothing() {
    let rig = Rig::around(hosted("wedge"), "wedge".to_owned());
    rig.settle_open();
    let element = &rig.element;
    proxy(element).set_child_property("codec::time", 7_u32.to_value());
    for state in [gst::State::Playing, gst::State::Paused] {
        element.set_state(state).unwrap();
        element.set_property("codec", "identity");
        let codec = element.property::<Option<String>>("codec");
        assert_eq!(codec.as_deref(), Some("wedge"));
        assert_eq!(get(element, "codec::time"), 7);
    }
    element.set_state(gst::State::Ready).unwrap();
    element.set_property("codec", "identity");
    assert!(proxy(element).child_by_name("wedge").is_none());
}
