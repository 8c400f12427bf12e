// SPDX-License-Identifier: MPL-2.0
//! HDR10 metadata of the container: applies if the bitstream has none.
//!
//! The base class copies these fields from the caps of the sink pad onto those of the
//! source pad ("prefer upstream information"), regardless of the bitstream and of the
//! input that the picture belongs to. So a probe renames them before the pad stores the
//! caps; they are restored with the format of each input.

use gst::prelude::*;

/// The fields, and their names in the caps of the sink pad.
const FIELDS: [(&str, &str); 2] = [
    (MASTERING_DISPLAY, "container-mastering-display-info"),
    (CONTENT_LIGHT, "container-content-light-level"),
];

/// HDR10 mastering display metadata, in caps.
pub const MASTERING_DISPLAY: &str = "mastering-display-info";
/// HDR10 content light level, in caps.
pub const CONTENT_LIGHT: &str = "content-light-level";

/// Installs a probe that renames the fields in all caps that come to this pad.
pub(super) fn install(sink_pad: &gst::Pad) {
    sink_pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        if let Some(event) = info.event().and_then(renamed) {
            info.data = Some(gst::PadProbeData::Event(event));
        }
        gst::PadProbeReturn::Ok
    });
}

/// The replacement for a caps event with these fields.
fn renamed(event: &gst::Event) -> Option<gst::Event> {
    let gst::EventView::Caps(event) = event.view() else {
        return None;
    };
    let structure = event.caps().structure(0)?;
    let has_field = |(field, _): &(&str, &str)| structure.has_field(*field);
    if !FIELDS.iter().any(has_field) {
        return None;
    }
    let mut caps = event.caps_owned();
    for structure in caps.make_mut().iter_mut() {
        for (field, name) in FIELDS {
            if let Ok(value) = structure.value(field).cloned() {
                structure.remove_field(field);
                structure.set_value(name, value);
            }
        }
    }
    let renamed = gst::event::Caps::builder(&caps)
        .seqnum(event.seqnum())
        .running_time_offset(event.running_time_offset());
    Some(renamed.build())
}

/// Sets `field` in `caps` to the container's value, if there is one. `upstream`: the
/// caps of the sink pad.
pub fn restore(field: &str, upstream: &gst::CapsRef, caps: &mut gst::CapsRef) {
    let name = FIELDS.iter().find(|(known, _)| *known == field);
    let (Some((_, name)), Some(said)) = (name, upstream.structure(0)) else {
        return;
    };
    if let (Ok(value), Some(structure)) = (said.value(*name), caps.structure_mut(0)) {
        structure.set_value(field, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn the_fields_are_renamed_and_come_back_where_they_are_wanted() {
        let said = caps(
            "video/x-av1,width=16,mastering-display-info=(string)a,content-light-level=(string)b",
        );
        let event = gst::event::Caps::builder(&said)
            .seqnum(gst::Seqnum::next())
            .build();
        let changed = renamed(&event).unwrap();
        assert_eq!(changed.seqnum(), event.seqnum());
        let gst::EventView::Caps(changed) = changed.view() else {
            unreachable!()
        };
        assert_eq!(
            changed.caps_owned(),
            caps(
                "video/x-av1,width=16,container-mastering-display-info=(string)a,\
                 container-content-light-level=(string)b"
            )
        );
        let mut output = caps("video/x-raw");
        restore(CONTENT_LIGHT, changed.caps(), output.make_mut());
        assert_eq!(output, caps("video/x-raw,content-light-level=(string)b"));
    }

    #[test]
    fn other_caps_and_events_pass_as_they_are() {
        let plain = caps("video/x-av1,width=16");
        assert!(renamed(&gst::event::Caps::new(&plain)).is_none());
        assert!(renamed(&gst::event::Eos::new()).is_none());
        let mut output = caps("video/x-raw");
        restore(MASTERING_DISPLAY, &plain, output.make_mut());
        assert_eq!(output, caps("video/x-raw"));
    }
}
