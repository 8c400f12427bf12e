// SPDX-License-Identifier: MPL-2.0
//! The complete config of a session, as plain data, and its conversion for dav1d.

use serde::{Deserialize, Serialize};

use codecwatch_supervisor::CodecError;

use crate::sys;

/// The largest picture of the highest level that AV1 defines (6.0 to 6.3), in
/// luma samples: AV1 specification, annex A.3, `MaxPicSize`.
pub const LARGEST_LEVEL_PICTURE: u32 = 35_651_584;

/// How to decode. The default is conformant: every filter, film grain, the highest
/// layer. Plain data: a copy opens the same session, also in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Threads; 0 = one for each processor. Clamped to dav1d's maximum (256).
    pub n_threads: u32,
    /// Frames that dav1d may work on at the same time, which is also how many
    /// it holds back; 0 = its own choice from the number of threads, 1 = none
    /// held back. Clamped to dav1d's maximum (256).
    pub max_frame_delay: u32,
    /// Whether pictures come with their film grain.
    pub apply_grain: bool,
    /// The in-loop filters that are run. Without one of them, pictures differ from
    /// those that the encoder had, and errors accumulate until a key frame.
    pub inloop_filters: InloopFilters,
    /// Operating point of a scalable stream, 0 to 31; 0 = everything.
    pub operating_point: u8,
    /// Largest picture, in luma samples; 0 = any size. Checked before memory
    /// is requested.
    pub frame_size_limit: u32,
    /// OBUs that apply to the stream but may not be in it: the
    /// [`config_obus`](codecwatch_av1::config_obus) of its container.
    pub headers: Vec<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            n_threads: 0,
            max_frame_delay: 0,
            apply_grain: true,
            inloop_filters: InloopFilters::default(),
            operating_point: 0,
            frame_size_limit: LARGEST_LEVEL_PICTURE,
            headers: Vec::new(),
        }
    }
}

/// The filters inside the coding loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InloopFilters {
    /// Deblocking.
    pub deblock: bool,
    /// Constrained directional enhancement.
    pub cdef: bool,
    /// Loop restoration.
    pub restoration: bool,
}

impl Default for InloopFilters {
    fn default() -> Self {
        Self {
            deblock: true,
            cdef: true,
            restoration: true,
        }
    }
}

impl InloopFilters {
    fn bits(self) -> sys::Dav1dInloopFilterType {
        let bit = |on, bit| {
            if on {
                bit
            } else {
                sys::DAV1D_INLOOPFILTER_NONE
            }
        };
        bit(self.deblock, sys::DAV1D_INLOOPFILTER_DEBLOCK)
            | bit(self.cdef, sys::DAV1D_INLOOPFILTER_CDEF)
            | bit(self.restoration, sys::DAV1D_INLOOPFILTER_RESTORATION)
    }
}

impl Config {
    /// dav1d's settings for this config; the callbacks keep dav1d's defaults.
    pub(crate) fn to_native(&self) -> Result<sys::Dav1dSettings, CodecError> {
        if self.operating_point > 31 {
            let asked = self.operating_point;
            return Err(CodecError::Settings(format!(
                "operating point {asked} does not exist: use 0 to 31"
            )));
        }
        let mut native = native_defaults();
        native.n_threads = self.n_threads.min(sys::DAV1D_MAX_THREADS) as i32;
        native.max_frame_delay = self.max_frame_delay.min(sys::DAV1D_MAX_FRAME_DELAY) as i32;
        native.apply_grain = self.apply_grain.into();
        native.inloop_filters = self.inloop_filters.bits();
        native.operating_point = self.operating_point.into();
        // The highest one only.
        native.all_layers = 0;
        native.frame_size_limit = self.frame_size_limit;
        Ok(native)
    }
}

fn native_defaults() -> sys::Dav1dSettings {
    let mut native = sys::Dav1dSettings::default();
    // SAFETY: valid for writes of one Dav1dSettings.
    unsafe { sys::dav1d_default_settings(&raw mut native) };
    native
}

/// How many frames a decoder with these settings works on at the same time, according
/// to dav1d. A computation without a session, which cannot block.
#[cfg(dav1d_frame_delay)]
pub(crate) fn native_frame_delay(native: &sys::Dav1dSettings) -> usize {
    // SAFETY: a reference is a valid pointer; dav1d only reads.
    let answer = unsafe { sys::dav1d_get_frame_delay(native) };
    // `to_native` keeps the settings in the range that dav1d accepts, so this
    // is no error.
    usize::try_from(answer).unwrap_or(1)
}

/// dav1d before 1.1 does not report it; this is what its `dav1d_open` computes
/// (src/lib.c, `n_tc` and `n_fc`, the same from 1.0.0 to 1.5.4): the square
/// root of the number of threads, rounded up and at most 8, unless the user has
/// set it.
#[cfg(not(dav1d_frame_delay))]
pub(crate) fn native_frame_delay(native: &sys::Dav1dSettings) -> usize {
    let threads = match native.n_threads {
        0 => processors().clamp(1, sys::DAV1D_MAX_THREADS as usize),
        n => n as usize,
    };
    match native.max_frame_delay {
        0 => (1..8).find(|delay| delay * delay >= threads).unwrap_or(8),
        delay => threads.min(delay as usize),
    }
}

/// The processors that dav1d 1.0 counts on Linux (src/cpu.c): those that this
/// process may run on.
#[cfg(all(not(dav1d_frame_delay), target_os = "linux"))]
fn processors() -> usize {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the pointer is valid for writes of the size that is passed.
    let answer =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    if answer != 0 {
        return 1;
    }
    // SAFETY: the set is an array of integers, valid as zeros and as written.
    let set = unsafe { set.assume_init() };
    // SAFETY: the macro only counts the bits of the set that it is given.
    unsafe { libc::CPU_COUNT(&set) }.try_into().unwrap_or(1)
}

#[cfg(all(not(dav1d_frame_delay), not(target_os = "linux")))]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_conformant() {
        let native = Config::default().to_native().unwrap();
        assert_eq!(native.inloop_filters, sys::DAV1D_INLOOPFILTER_ALL);
        assert_eq!(native.apply_grain, 1);
        assert_eq!(native.all_layers, 0);
        assert_eq!(native.operating_point, 0);
    }

    #[test]
    fn too_many_threads_are_clamped_to_what_dav1d_takes() {
        let config = Config {
            n_threads: 9999,
            max_frame_delay: 9999,
            ..Config::default()
        };
        let native = config.to_native().unwrap();
        assert_eq!((native.n_threads, native.max_frame_delay), (256, 256));
    }

    #[test]
    fn each_filter_is_one_bit() {
        let cdef_off = InloopFilters {
            cdef: false,
            ..InloopFilters::default()
        };
        let both = sys::DAV1D_INLOOPFILTER_DEBLOCK | sys::DAV1D_INLOOPFILTER_RESTORATION;
        assert_eq!(cdef_off.bits(), both);
    }

    #[test]
    fn an_operating_point_out_of_range_is_the_users_to_mend() {
        let config = Config {
            operating_point: 32,
            ..Config::default()
        };
        assert!(matches!(config.to_native(), Err(CodecError::Settings(_))));
    }

    #[test]
    fn frame_delay_is_the_root_of_the_threads_unless_asked_otherwise() {
        let delay = |n_threads, max_frame_delay| {
            let config = Config {
                n_threads,
                max_frame_delay,
                ..Config::default()
            };
            native_frame_delay(&config.to_native().unwrap())
        };
        let expected = [
            (1, 1),
            (2, 2),
            (4, 2),
            (5, 3),
            (9, 3),
            (10, 4),
            (49, 7),
            (50, 8),
            (256, 8),
        ];
        for (threads, frames) in expected {
            assert_eq!(delay(threads, 0), frames, "{threads} threads");
        }
        assert_eq!(delay(8, 1), 1);
        assert_eq!(delay(2, 5), 2);
        assert!(delay(0, 0) >= 1);
    }
}
