// SPDX-License-Identifier: MPL-2.0
//! A change of bitrate while the element plays.

use codecwatch_svtav1 as svtav1;
use gst::subclass::prelude::*;

use super::imp::SvtAv1WatchEnc;

impl SvtAv1WatchEnc {
    /// The bitrate that the next frame changes to. Evaluated only then, because an
    /// application that keeps a constant bitrate sets two properties, one by one.
    pub(super) fn new_bitrate(&self) -> Option<u32> {
        let rate_control = self.settings.get().rate_control();
        let next = {
            let mut state = self.state();
            if !std::mem::take(&mut state.bitrate_was_set) {
                return None;
            }
            let format = state.format.as_mut()?;
            format.next_rate_control = None;
            if format.config.rate_control == rate_control {
                return None;
            }
            if let svtav1::RateControl::Cbr { target } = rate_control
                && format.config.can_change_bitrate()
            {
                format.config.rate_control = rate_control;
                return Some(target);
            }
            svtav1::Config {
                rate_control,
                ..format.config.clone()
            }
        };
        let version = svtav1::Version::installed();
        let consequence = match next.check() {
            Ok(_) => {
                if let Some(format) = &mut self.state().format {
                    format.next_rate_control = Some(rate_control);
                }
                "the next session uses it".to_owned()
            }
            Err(error) => format!("it is not used, because no session supports it ({error})"),
        };
        gst::element_imp_warning!(
            self,
            gst::LibraryError::Settings,
            ("SVT-AV1 {version} cannot change to the new bitrate in mid-stream: {consequence}")
        );
        None
    }
}
