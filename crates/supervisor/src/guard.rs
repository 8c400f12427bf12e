// SPDX-License-Identifier: MPL-2.0
//! The guard: refuses impossible work before any native call. Pure.

use std::time::Duration;

/// What the guard refuses, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stream as described cannot be worked on.
    #[error("{0}")]
    Format(String),
    /// It could, but not with the memory that this machine has.
    #[error("{0}")]
    Memory(String),
}

/// The longest stream and the most frames that a user lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `max-duration`; zero = no limit.
    pub duration: Duration,
    /// `max-frames`; zero = no limit.
    pub frames: u64,
}

/// Frame rates above this are taken for a mistake: no camera, display or
/// container in use comes near it, and budgets of frames stop making sense.
pub const MAX_FPS: u32 = 1000;

/// Checks a frame rate. 0/1 is a variable rate and passes.
///
/// # Errors
/// [`Refusal::Format`] names the rate.
pub fn check_frame_rate(numerator: i32, denominator: i32) -> Result<(), Refusal> {
    if numerator < 0 || denominator <= 0 {
        return Err(Refusal::Format(format!(
            "a frame rate of {numerator}/{denominator} is none: expected 0/1 (variable) or a \
             positive fraction"
        )));
    }
    if i64::from(numerator) > i64::from(MAX_FPS) * i64::from(denominator) {
        return Err(Refusal::Format(format!(
            "a frame rate of {numerator}/{denominator} is above {MAX_FPS} frames per second"
        )));
    }
    Ok(())
}

impl Limits {
    /// Checks the length that upstream announces, in nanoseconds; `None` when it
    /// does not know.
    ///
    /// # Errors
    /// [`Refusal::Format`] for a length that no stream has, or above `max-duration`.
    pub fn check_duration(&self, announced: Option<u64>) -> Result<(), Refusal> {
        let Some(nanoseconds) = announced else {
            return Ok(());
        };
        if i64::try_from(nanoseconds).is_err() {
            return Err(Refusal::Format(format!(
                "upstream announces a duration of {nanoseconds} ns, which is a sentinel and no \
                 duration"
            )));
        }
        let announced = Duration::from_nanos(nanoseconds);
        if !self.duration.is_zero() && announced > self.duration {
            return Err(Refusal::Format(format!(
                "upstream announces {announced:.0?} of stream, max-duration allows {:.0?}",
                self.duration
            )));
        }
        Ok(())
    }

    /// Checks the position of a frame in the stream.
    ///
    /// # Errors
    /// [`Refusal::Format`] above `max-duration` (running time) or `max-frames`.
    pub fn check_frame(&self, number: u64, running_time: Option<Duration>) -> Result<(), Refusal> {
        if self.frames > 0 && number >= self.frames {
            return Err(Refusal::Format(format!(
                "the stream goes on after {number} frames, max-frames allows {}",
                self.frames
            )));
        }
        match running_time {
            Some(at) if !self.duration.is_zero() && at > self.duration => {
                Err(Refusal::Format(format!(
                    "a frame at {at:.0?} of running time, max-duration allows {:.0?}",
                    self.duration
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Checks that `needed` bytes fit into what is available.
///
/// # Errors
/// [`Refusal::Memory`] says what was wanted for and what there is.
pub fn check_memory(needed: u64, available: Option<u64>, what: &str) -> Result<(), Refusal> {
    match available {
        Some(available) if needed > available => Err(Refusal::Memory(format!(
            "{what} needs about {} MB, {} MB are available",
            needed / 1_000_000,
            available / 1_000_000
        ))),
        _ => Ok(()),
    }
}

/// Memory that this process could still get, in bytes: what the kernel estimates
/// (`MemAvailable`), or what its control group leaves if that is less. `None`
/// where the system does not say.
pub fn available_memory() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .as_deref()
        .and_then(mem_available);
    [machine, group_headroom()].into_iter().flatten().min()
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Limit minus use of the process's own control group (version 2).
fn group_headroom() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let read = |file: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/{file}"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        duration: Duration::from_secs(3600),
        frames: 100,
    };

    #[test]
    fn sentinels_and_overlong_durations_are_refused() {
        assert!(LIMITS.check_duration(None).is_ok());
        assert!(LIMITS.check_duration(Some(3_600_000_000_000)).is_ok());
        assert!(LIMITS.check_duration(Some(3_600_000_000_001)).is_err());
        let unlimited = Limits {
            duration: Duration::ZERO,
            frames: 0,
        };
        assert!(unlimited.check_duration(Some(i64::MAX as u64)).is_ok());
        assert!(unlimited.check_duration(Some(u64::MAX - 1)).is_err());
    }

    #[test]
    fn frames_beyond_the_limits_are_refused() {
        assert!(
            LIMITS
                .check_frame(99, Some(Duration::from_secs(3600)))
                .is_ok()
        );
        assert!(LIMITS.check_frame(100, None).is_err());
        assert!(
            LIMITS
                .check_frame(0, Some(Duration::from_secs(3601)))
                .is_err()
        );
    }

    #[test]
    fn memory_that_cannot_fit_is_refused_and_an_unknown_amount_is_not() {
        assert!(check_memory(10, Some(10), "x").is_ok());
        assert!(check_memory(11, Some(10), "x").is_err());
        assert!(check_memory(u64::MAX, None, "x").is_ok());
    }

    #[test]
    fn meminfo_is_read_in_kibibytes() {
        assert_eq!(
            mem_available("MemTotal: 9 kB\nMemAvailable:  2 kB\n"),
            Some(2048)
        );
        assert_eq!(mem_available("MemTotal: 9 kB\n"), None);
    }

    proptest! {
        #[test]
        fn any_frame_rate_is_judged_without_overflow(n: i32, d: i32) {
            let plausible = n >= 0 && d > 0 && f64::from(n) / f64::from(d) <= f64::from(MAX_FPS);
            prop_assert_eq!(check_frame_rate(n, d).is_ok(), plausible);
        }
    }
}
