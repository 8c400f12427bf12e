// SPDX-License-Identifier: MPL-2.0
//! Which encoders can run beside each other in one process.
//!
//! Until 4.0 the library keeps tables of block shapes for the whole process and
//! makes them anew whenever an encoder opens. Fast presets all use the same
//! small tables, which survive that. With a slow preset, an encoder that runs
//! while another opens crashes the process, or never comes back: of twenty pairs
//! tried on 1.4.1 and 2.3.0, with one or both at a slow preset, fifteen did so
//! within a minute. So an encoder with a slow preset is alone, or it is not
//! opened.

use std::sync::{Mutex, MutexGuard, PoisonError};

use codecwatch_supervisor::CodecError;

use crate::config::Config;
use crate::effective::Effective;
use crate::version::Version;

#[derive(Debug, Default)]
struct Present {
    fast: usize,
    slow: usize,
}

static PRESENT: Mutex<Present> = Mutex::new(Present { fast: 0, slow: 0 });

fn present() -> MutexGuard<'static, Present> {
    PRESENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of one encoder in the process. Not given up when dropped: an
/// encoder that leaks goes on running.
#[derive(Debug)]
#[must_use = "a place that is not left is taken for ever"]
pub(crate) struct PresetSlot {
    slow: bool,
}

impl PresetSlot {
    /// # Errors
    /// [`CodecError::Settings`] when this encoder cannot run beside those that
    /// are there.
    pub(crate) fn take(config: &Config) -> Result<Self, CodecError> {
        let version = Version::installed();
        let Some(least) = least_fast_preset(version) else {
            return Ok(Self { slow: false });
        };
        let preset = Effective::new(config, version).coded_preset();
        let slow = preset < least;
        let mut present = present();
        if present.slow > 0 || (slow && present.fast > 0) {
            return Err(CodecError::Settings(format!(
                "SVT-AV1 {version} cannot run an encoder with preset {preset} beside those that \
                 this process has: with a preset below {least} in any of them, it crashes. Use \
                 presets from {least} on for all, or a process for each, or SVT-AV1 4.1",
            )));
        }
        *present.count(slow) += 1;
        Ok(Self { slow })
    }

    /// The encoder runs no more.
    pub(crate) fn leave(self) {
        if least_fast_preset(Version::installed()).is_some() {
            *present().count(self.slow) -= 1;
        }
    }
}

impl Present {
    fn count(&mut self, slow: bool) -> &mut usize {
        if slow { &mut self.slow } else { &mut self.fast }
    }
}

/// The slowest of the presets that go with each other; `None` where all do.
fn least_fast_preset(version: Version) -> Option<i64> {
    if version.at_least(4, 1) {
        None
    } else if version.at_least(1, 5) {
        Some(8)
    } else {
        Some(6)
    }
}
