// SPDX-License-Identifier: MPL-2.0
//! Custom events that stay in force. Pads keep one of each name, so a chain in a child has
//! a few.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The most names in a session, and the longest text of such an event. Elements use one or
/// two, and say a few words.
const MOST: usize = 32;
const LONGEST: usize = 1 << 20;

/// The names that a session has used.
#[derive(Debug, Default)]
pub(super) struct StickyNames(Mutex<HashSet<String>>);

impl StickyNames {
    /// Whether an event, with a text of this length, may stay in force.
    pub(super) fn take(&self, event: &gst::EventRef, length: usize) -> bool {
        if event.type_() != gst::EventType::CustomDownstreamSticky {
            return true;
        }
        let Some(structure) = event.structure() else {
            return false;
        };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = names.len() < MOST || names.contains(structure.name().as_str());
        if has_room {
            names.insert(structure.name().to_string());
        }
        has_room && length <= LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_events_stay_in_force_under_few_names_and_with_short_texts() {
        gst::init().unwrap();
        let names = StickyNames::default();
        let event =
            |name: String| gst::event::CustomDownstreamSticky::new(gst::Structure::new_empty(name));
        let take = |number: usize| names.take(&event(format!("custom-{number}")), 100);
        assert_eq!((0..2 * MOST).filter(|&number| take(number)).count(), MOST);
        assert!(take(0));
        assert!(!names.take(&event("custom-0".to_owned()), LONGEST + 1));
        // The pad keeps one of these.
        let caps = gst::Caps::new_empty_simple("video/x-raw");
        assert!(names.take(&gst::event::Caps::new(&caps), LONGEST + 1));
    }
}
