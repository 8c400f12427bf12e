// SPDX-License-Identifier: MPL-2.0
//! Counts the results of the inputs.

use codecwatch_dav1d as dav1d;

/// The results of the inputs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Since the start or the last flush.
    pub(super) inputs: u64,
    /// Since the start or the last flush.
    pub(super) pictures: u64,
    /// Inputs that could not be decoded.
    damaged: u64,
    /// Inputs that were dropped because what they refer to was lost.
    unreferenced: u64,
    /// Pictures that belonged to no frame.
    surplus: u64,
    /// Errors since the last picture.
    errors: u32,
    /// The last input led to a picture, or legitimately to none.
    in_sync: bool,
    /// Something was lost since the last picture.
    discont: bool,
    /// Inputs that were lost since the last picture.
    lost: u64,
}

impl Tally {
    /// Everything inside was dropped: resets all but the totals.
    pub(super) fn restart(&mut self) {
        *self = Self {
            damaged: self.damaged,
            unreferenced: self.unreferenced,
            ..Self::default()
        };
    }

    /// A picture came out. Returns whether something was lost before it.
    pub(super) fn note_picture(&mut self) -> bool {
        self.pictures += 1;
        self.errors = 0;
        self.in_sync = true;
        self.lost = 0;
        std::mem::take(&mut self.discont)
    }

    /// A picture was not shown: the next one follows a loss if this one did.
    pub(super) fn keep_discont(&mut self, discont: bool) {
        self.discont |= discont;
    }

    /// A picture belonged to no frame. Returns whether it is the first.
    pub(super) fn note_surplus(&mut self) -> bool {
        self.surplus += 1;
        self.surplus == 1
    }

    /// An input could not be decoded. Returns the errors since the last picture, if
    /// this is one.
    ///
    /// What is lost as a consequence of an error is not an error itself. But the first
    /// picture that is lost after a good one is, whatever the cause.
    pub(super) fn note_damage(&mut self, cause: &dav1d::DamageCause) -> Option<u32> {
        let was_in_sync = std::mem::replace(&mut self.in_sync, false);
        self.discont = true;
        self.lost += 1;
        let unreferenced = *cause == dav1d::DamageCause::Unreferenced;
        if unreferenced {
            self.unreferenced += 1;
        } else {
            self.damaged += 1;
        }
        let is_error = !unreferenced || was_in_sync;
        self.errors = self.errors.saturating_add(is_error.into());
        is_error.then_some(self.errors)
    }

    /// Adds to the `stats` structure.
    pub(super) fn add_to(&self, stats: &mut gst::Structure) {
        stats.set("damaged", self.damaged);
        stats.set("unreferenced", self.unreferenced);
    }

    /// Why a stream that ends here is incomplete, whatever the codec reports.
    /// `allowed`: the number of errors that are tolerated; `None` for any number.
    ///
    /// An error discards everything up to the next key frame. If the stream ends
    /// before there is one, that is no gap: the output is truncated.
    pub(super) fn why_cut_short(&self, allowed: Option<u32>) -> Option<String> {
        if self.inputs > 0 && self.pictures == 0 {
            return Some("No picture could be decoded before the end of the stream".to_owned());
        }
        let allowed = allowed.filter(|allowed| self.lost > u64::from(*allowed))?;
        Some(format!(
            "The stream is truncated: after an error its last {} frames could not be decoded, \
             max-errors allows {allowed}",
            self.lost
        ))
    }
}
