// SPDX-License-Identifier: MPL-2.0
//! Elements that omit what the compiler cannot check: their streams end with an error
//! and not with EOS.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod decoder;
mod encoder;

use support::pictures::Played;

/// The text of the error that ended a stream.
fn error(played: &Played) -> String {
    assert!(!played.complete, "EOS although frames are missing");
    match played.complaints.last().unwrap().view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        other => panic!("{other:?}"),
    }
}
