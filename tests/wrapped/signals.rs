// SPDX-License-Identifier: MPL-2.0
//! A wrapped element has the signals of its original, and says what that changes by itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use crate::properties::wrapped;
use crate::rig::{Rig, produce};

const WAIT: Duration = Duration::from_secs(20);

/// An element that an application can make count.
mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Counts(AtomicU32);

    #[glib::object_subclass]
    impl ObjectSubclass for Counts {
        const NAME: &'static str = "GstTestCounts";
        type Type = super::Counts;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for Counts {
        fn properties() -> &'static [glib::ParamSpec] {
            static SPECS: LazyLock<Vec<glib::ParamSpec>> =
                LazyLock::new(|| vec![glib::ParamSpecUInt::builder("count").build()]);
            &SPECS
        }

        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
                let add = glib::subclass::Signal::builder("add")
                    .action()
                    .run_last()
                    .param_types([u32::static_type()])
                    .return_type::<u32>()
                    .class_handler(|values| {
                        let element = values[0].get::<super::Counts>().unwrap();
                        let more = values[1].get::<u32>().unwrap();
                        let before = element.imp().0.fetch_add(more, Ordering::AcqRel);
                        element.notify("count");
                        let text = format!("{before} and {more}");
                        element.emit_by_name::<()>("added", &[&text]);
                        Some((before + more).to_value())
                    });
                let added = glib::subclass::Signal::builder("added");
                let asked = glib::subclass::Signal::builder("asked");
                vec![
                    add.build(),
                    added.param_types([String::static_type()]).build(),
                    // It waits for an answer.
                    asked.return_type::<u32>().build(),
                ]
            });
            &SIGNALS
        }

        fn set_property(&self, _id: usize, value: &glib::Value, _spec: &glib::ParamSpec) {
            self.0.store(value.get().unwrap(), Ordering::Release);
        }

        fn property(&self, _id: usize, _spec: &glib::ParamSpec) -> glib::Value {
            self.0.load(Ordering::Acquire).to_value()
        }

        fn constructed(&self) {
            self.parent_constructed();
            for name in ["sink", "src"] {
                let element = self.obj();
                let template = element.pad_template(name).unwrap();
                let pad = gst::Pad::builder_from_template(&template).build();
                element.add_pad(&pad).unwrap();
            }
        }
    }

    impl GstObjectImpl for Counts {}

    impl ElementImpl for Counts {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Counts", "Filter", "Counts", "Test")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let template = |name, direction| {
                    let any = gst::Caps::new_any();
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &any).unwrap()
                };
                vec![
                    template("sink", gst::PadDirection::Sink),
                    template("src", gst::PadDirection::Src),
                ]
            });
            &TEMPLATES
        }
    }
}

glib::wrapper! {
    pub struct Counts(ObjectSubclass<imp::Counts>)
        @extends gst::Element, gst::Object;
}

fn counts() -> gst::Element {
    support::init();
    let rank = gst::Rank::NONE;
    gst::Element::register(None, "testcounts", rank, Counts::static_type()).unwrap();
    let (_, element) = wrapped("testcounts").unwrap();
    element
}

#[test]
fn an_action_signal_reaches_the_codec_and_what_it_does_is_heard() {
    let element = counts();
    assert_eq!(
        element.emit_by_name::<u32>("add", &[&3_u32]),
        0,
        "none is open"
    );
    let rig = Rig::around(element.clone(), "counts".to_owned());
    rig.settle_open();
    let (sender, added) = mpsc::channel();
    element.connect("added", false, move |values| {
        let _ = sender.send(values[1].get::<String>().unwrap());
        None
    });
    let (sender, changed) = mpsc::channel();
    element.connect_notify(Some("count"), move |_, spec| {
        let _ = sender.send(spec.name().to_owned());
    });
    // The application hears of what it sets itself once.
    element.set_property("count", 4_u32);
    assert_eq!(changed.recv_timeout(WAIT).as_deref(), Ok("count"));
    assert_eq!(element.emit_by_name::<u32>("add", &[&3_u32]), 7);
    assert_eq!(added.recv_timeout(WAIT).as_deref(), Ok("4 and 3"));
    assert_eq!(changed.recv_timeout(WAIT).as_deref(), Ok("count"));
    assert_eq!(element.property::<u32>("count"), 7);
    assert!(changed.try_recv().is_err(), "more than what has changed");
    let asked = glib::subclass::SignalId::lookup("asked", element.type_());
    assert!(asked.is_none(), "nobody could answer it");
}

#[test]
fn a_signal_that_the_original_emits_is_heard_with_its_arguments() {
    let (_, element) = wrapped("identity").unwrap();
    let rig = Rig::around(element.clone(), "identity".to_owned());
    let sizes = Arc::new(AtomicU32::new(0));
    let summed = sizes.clone();
    element.connect("handoff", false, move |values| {
        let buffer = values[1].get::<gst::Buffer>().unwrap();
        summed.fetch_add(u32::try_from(buffer.size()).unwrap(), Ordering::AcqRel);
        None
    });
    rig.play(&produce(
        "audiotestsrc num-buffers=8 samplesperbuffer=10 ! audio/x-raw,format=S16LE,channels=1",
    ));
    assert_eq!(sizes.load(Ordering::Acquire), 8 * 20);
}
