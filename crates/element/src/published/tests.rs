// SPDX-License-Identifier: MPL-2.0

use gst::prelude::*;

use super::*;

#[test]
fn every_file_that_has_entered_is_read_and_one_that_says_nothing_is_left_out() {
    gst::init().unwrap();
    let type_ = join();
    let enter = |answer: Option<&'static str>| {
        let file = glib::Object::with_type(type_);
        file.connect(READ, false, move |_| {
            Some(answer.map(gst::Structure::new_empty).to_value())
        });
        file.emit_by_name::<()>(ENTER, &[]);
    };
    enter(Some("of-another-file"));
    enter(None);
    let answers: gst::List = glib::Object::with_type(type_).emit_by_name(READ_ALL, &[]);
    let answers = answers.iter().map(|answer| answer.get::<gst::Structure>());
    let names: Vec<_> = answers
        .map(|answer| answer.unwrap().name().to_string())
        .collect();
    assert_eq!(names, ["codecwatch-published", "of-another-file"]);
    // A second call enters nothing.
    assert_eq!(join(), type_);
    let answers: gst::List = glib::Object::with_type(type_).emit_by_name(READ_ALL, &[]);
    assert_eq!(answers.len(), 2);
}

#[test]
fn elements_have_numbers_of_their_own() {
    gst::init().unwrap();
    let type_ = join();
    let numbers: Vec<_> = (0..10).map(|_| next_element(type_)).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(numbers[0] > 0);
}
