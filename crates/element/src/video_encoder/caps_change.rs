// SPDX-License-Identifier: MPL-2.0
//! New caps of an encoder: the frames inside come out first, and their session ends.

use gst_video::subclass::prelude::*;

use super::SupervisedVideoEncoder;
use crate::CAT;

/// Whether caps are other ones: no frame inside may come out under them, or be lost.
pub(super) fn is_new<T: SupervisedVideoEncoder>(imp: &T, caps: &gst::CapsRef) -> bool {
    current(imp).is_some_and(|old| !old.is_strictly_equal(caps))
}

/// Chains up a caps event whose caps may take effect.
pub(super) fn chain_up<T: SupervisedVideoEncoder>(
    imp: &T,
    event: gst::Event,
    caps: &gst::Caps,
) -> bool {
    let same = |old: gst::Caps| old.is_strictly_equal(caps) || same_hdr(&old, caps);
    let compared = current(imp).is_none_or(same) || prime(imp, caps);
    compared && imp.parent_sink_event(event)
}

/// The caps of the frames so far.
fn current<T: SupervisedVideoEncoder>(imp: &T) -> Option<gst::Caps> {
    imp.stream().format()?.caps_owned()
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
