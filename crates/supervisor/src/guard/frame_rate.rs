// SPDX-License-Identifier: MPL-2.0
//! Frame rates.

use super::Refusal;

/// Frame rates above this count as a mistake: no camera or display in use comes near
/// it, and frame budgets become meaningless.
pub const MAX_FPS: u32 = 1000;

/// A frame duration above this, in seconds, counts as a mistake where a latency is
/// derived from it.
const LONGEST_FRAME: i64 = 3600;

/// Checks a frame rate before it is passed to a codec. 0/1 is a variable rate and
/// passes.
///
/// # Errors
/// [`Refusal::Format`], with the rate.
pub fn check_frame_rate(numerator: i32, denominator: i32) -> Result<(), Refusal> {
    if numerator < 0 || denominator <= 0 {
        return Err(Refusal::Format(format!(
            "{numerator}/{denominator} is not a frame rate: expected 0/1 (variable) or a positive \
             fraction"
        )));
    }
    if i64::from(numerator) > i64::from(MAX_FPS) * i64::from(denominator) {
        return Err(Refusal::Format(format!(
            "the frame rate {numerator}/{denominator} is above the maximum of {MAX_FPS} frames per \
             second"
        )));
    }
    Ok(())
}

/// Whether a latency can be derived from a frame rate: a positive one, up to
/// [`MAX_FPS`], of frames that last an hour at most. For callers that use the rate for
/// nothing else, and refuse no stream because of it.
pub fn is_plausible_frame_rate(numerator: i32, denominator: i32) -> bool {
    numerator > 0
        && check_frame_rate(numerator, denominator).is_ok()
        && i64::from(denominator) <= LONGEST_FRAME * i64::from(numerator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_latency_can_be_derived_from_the_rates_that_are_in_use_and_from_no_other() {
        for (numerator, denominator) in [(25, 1), (60_000, 1001), (1000, 1), (1, 60), (1, 3600)] {
            assert!(is_plausible_frame_rate(numerator, denominator));
        }
        for (numerator, denominator) in [
            (0, 1),
            (90_001, 1),
            (1, 3601),
            (1, i32::MAX),
            (-25, 1),
            (25, -1),
            (25, 0),
        ] {
            assert!(!is_plausible_frame_rate(numerator, denominator));
        }
    }

    proptest! {
        #[test]
        fn any_frame_rate_is_judged_without_overflow(n: i32, d: i32) {
            let plausible = n >= 0 && d > 0 && f64::from(n) / f64::from(d) <= f64::from(MAX_FPS);
            prop_assert_eq!(check_frame_rate(n, d).is_ok(), plausible);
            prop_assert!(!is_plausible_frame_rate(n, d) || plausible);
        }
    }
}
