// SPDX-License-Identifier: MPL-2.0
//! New caps of an encoder: the frames inside come out first, and their session ends.

use gst_video::subclass::prelude::*;

use super::SupervisedVideoEncoder;
use crate::CAT;

/// Chains up a caps event once its caps may take effect.
pub(super) fn new_caps<T: SupervisedVideoEncoder>(
    imp: &T,
    event: gst::Event,
    caps: &gst::Caps,
) -> bool {
    if imp.supervision().check_announced_duration(imp).is_err() {
        return false;
    }
    let old = imp.stream().format();
    let old = old.and_then(|format| format.caps_owned());
    let Some(old) = old.filter(|old| !old.is_strictly_equal(caps)) else {
        return imp.parent_sink_event(event);
    };
    // No frame inside may come out under the new caps, or be lost.
    imp.supervision().before_new_format(imp).apply(|| {
        let compared = same_hdr(&old, caps) || prime(imp, caps);
        compared && imp.parent_sink_event(event)
    })
}

/// The base class ignores new caps that differ in HDR metadata only. Caps with another
/// frame rate in between make it compare again.
fn prime<T: SupervisedVideoEncoder>(imp: &T, caps: &gst::Caps) -> bool {
    gst::debug!(CAT, imp = imp, "the HDR metadata changes");
    let mut other = caps.clone();
    other
        .make_mut()
        .set("framerate", gst::Fraction::new(i32::MAX, 1));
    imp.stream().state().priming = true;
    let primed = imp.parent_sink_event(gst::event::Caps::new(&other));
    imp.stream().state().priming = false;
    primed
}

/// The part of caps that the base class does not compare.
fn same_hdr(a: &gst::CapsRef, b: &gst::CapsRef) -> bool {
    let fields = |caps: &gst::CapsRef| {
        let structure = caps.structure(0);
        let field = |name: &str| structure.and_then(|s| s.get::<String>(name).ok());
        (
            field("mastering-display-info"),
            field("content-light-level"),
        )
    };
    fields(a) == fields(b)
}
