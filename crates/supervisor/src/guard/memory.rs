// SPDX-License-Identifier: MPL-2.0
//! Memory.

use std::path::Path;

use super::{Refusal, control_group};

/// Checks that `needed` bytes fit into what is available.
///
/// # Errors
/// [`Refusal::Memory`], with the purpose, the need and what is available.
pub fn check_memory(needed: u64, available: Option<u64>, what: &str) -> Result<(), Refusal> {
    match available {
        Some(available) if needed > available => Err(Refusal::Memory(format!(
            "{what} needs about {} MB of memory, {} MB are available",
            needed / 1_000_000,
            available / 1_000_000
        ))),
        _ => Ok(()),
    }
}

/// Memory that this process could still get, in bytes: what the kernel estimates for
/// the machine, or what its control groups leave if that is less. What the kernel can
/// reclaim or swap out counts as available. `None` if the system does not provide it.
pub fn available_memory() -> Option<u64> {
    available_below(Path::new("/"))
}

/// The same for the system whose `/proc` and `/sys` are below `root`.
fn available_below(root: &Path) -> Option<u64> {
    let meminfo = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let swap = kibibytes(&meminfo, "SwapFree:").unwrap_or(0);
    let machine = kibibytes(&meminfo, "MemAvailable:").map(|memory| memory.saturating_add(swap));
    let groups = control_group::headroom(root, swap);
    [machine, groups].into_iter().flatten().min()
}

/// A field of `/proc/meminfo`, in bytes.
fn kibibytes(meminfo: &str, field: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_fit_is_refused_and_an_unknown_amount_is_not() {
        assert!(check_memory(10, Some(10), "x").is_ok());
        assert!(check_memory(11, Some(10), "x").is_err());
        assert!(check_memory(u64::MAX, None, "x").is_ok());
    }

    fn available(meminfo: &str) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        std::fs::write(root.path().join("proc/meminfo"), meminfo).unwrap();
        available_below(root.path())
    }

    #[test]
    fn a_machine_has_what_the_kernel_estimates_and_free_swap() {
        assert_eq!(
            available("MemTotal: 9 kB\nMemAvailable:  2 kB\n"),
            Some(2048)
        );
        assert_eq!(
            available("MemAvailable: 2 kB\nSwapFree: 3 kB\n"),
            Some(5120)
        );
    }

    #[test]
    fn a_system_that_does_not_say_has_an_unknown_amount() {
        assert_eq!(available("MemTotal: 9 kB\nSwapFree: 3 kB\n"), None);
        assert_eq!(available("MemAvailable: much\n"), None);
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(available_below(nothing.path()), None);
    }
}
