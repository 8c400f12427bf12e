// SPDX-License-Identifier: MPL-2.0
//! Every property is shown to reach what it is for: the codec's own ones the native
//! library (`own`), the shared ones the supervision (`shared`). A property without a
//! case fails here, so that none can be added and go nowhere.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod handed;
mod own;
mod rig;
mod shared;

use std::collections::BTreeSet;

use gst::glib;
use gst::prelude::*;

use rig::Element;

/// The own properties of elements that have no library to show them with, and the tests
/// that set each.
const ELSEWHERE: &[(&str, &[(&str, &str)])] = &[
    (
        "codecwatch",
        &[
            ("codec", include_str!("../hosted/settings.rs")),
            ("max-inside", include_str!("../hosted/faults.rs")),
        ],
    ),
    (
        "wholefilesink",
        &[
            ("location", include_str!("../whole/places.rs")),
            ("keep-partial", include_str!("../whole/places.rs")),
        ],
    ),
];

/// The properties of the element's class, those of its base class left out.
fn properties(factory: &str) -> Vec<glib::ParamSpec> {
    support::init();
    let element = gst::ElementFactory::make(factory).build().unwrap();
    let specs = element.list_properties().to_vec();
    let own = |spec: &glib::ParamSpec| spec.owner_type() == element.type_();
    specs.into_iter().filter(own).collect()
}

fn names(specs: &[glib::ParamSpec]) -> BTreeSet<&str> {
    specs.iter().map(|spec| spec.name()).collect()
}

#[test]
fn every_property_has_a_case_that_shows_what_it_does() {
    for element in Element::ALL {
        let specs = properties(element.factory());
        let own = element.cases().iter().map(|case| case.property);
        let shown: BTreeSet<_> = own.chain(shared::PROPERTIES.iter().copied()).collect();
        assert_eq!(names(&specs), shown, "{element:?}");
    }
}

#[test]
fn every_property_of_the_other_elements_is_set_by_a_test() {
    for (factory, set) in ELSEWHERE {
        let mut specs = properties(factory);
        specs.retain(|spec| !shared::PROPERTIES.contains(&spec.name()));
        let named: BTreeSet<_> = set.iter().map(|(property, _)| *property).collect();
        assert_eq!(names(&specs), named, "{factory}");
        for (property, test) in *set {
            assert!(
                test.contains(&format!("{property}=")) || test.contains(&format!("\"{property}\"")),
                "{factory}: {property}"
            );
        }
    }
}

#[test]
fn no_element_is_left_out() {
    support::init();
    let hosts = gst::ElementFactory::make("codecwatch").build().unwrap();
    let with_a_library = Element::ALL.map(Element::factory);
    for plugin in ["codecwatch", "dav1dwatch", "svtav1watch"] {
        for feature in gst::Registry::get().features_by_plugin(plugin) {
            let Ok(factory) = feature.downcast::<gst::ElementFactory>() else {
                continue;
            };
            // The elements for hardware codecs are `codecwatch`.
            let class = factory.load().unwrap().element_type();
            if class != hosts.type_() && class.is_a(hosts.type_()) {
                continue;
            }
            let name = factory.name();
            let elsewhere = ELSEWHERE.iter().any(|(other, _)| name == *other);
            assert!(elsewhere || with_a_library.contains(&&*name), "{name}");
        }
    }
}

#[test]
fn every_property_that_may_be_set_while_playing_has_a_case_that_does_so() {
    for element in Element::ALL {
        let mut specs = properties(element.factory());
        specs.retain(|spec| spec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING));
        let own = element.cases_while_playing().iter();
        let own = own.map(|case| case.property);
        // The cases of the shared ones look at the flags themselves.
        let shared = shared::PROPERTIES.iter().copied();
        let may = |name: &&str| rig::is_mutable_while_playing(element, name);
        let shown: BTreeSet<_> = own.chain(shared.filter(may)).collect();
        assert_eq!(names(&specs), shown, "{element:?}");
    }
}
