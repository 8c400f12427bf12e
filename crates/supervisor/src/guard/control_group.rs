// SPDX-License-Identifier: MPL-2.0
//! The memory that control groups leave a process, by the kernel's files (Linux,
//! version 1 and 2).
//!
//! A limit applies to a group and all below it, so each visible ancestor counts. The
//! statistics of a group include those of its descendants.
//!
//! Before an allocation fails, the kernel reclaims a part of the used memory: pages of
//! files, recently used (`active_file`) or not, because they can be read again once they
//! are written out, and the slab caches marked as reclaimable. Its own `MemAvailable`
//! consists of the same. Shared memory and `tmpfs` are not among these pages.
//! `memory.high` is no limit here: above it a group is slowed down, and nothing fails.

use std::fs::read_to_string;
use std::path::{Component, Path, PathBuf};

/// The versions name files and fields differently.
struct Version {
    filesystem: &'static str,
    limit: &'static str,
    usage: &'static str,
    reclaimable: &'static [&'static str],
}

const V1: Version = Version {
    filesystem: "cgroup",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: &["total_inactive_file", "total_active_file"],
};

const V2: Version = Version {
    filesystem: "cgroup2",
    limit: "memory.max",
    usage: "memory.current",
    reclaimable: &["inactive_file", "active_file", "slab_reclaimable"],
};

/// The smallest amount that the groups of this process leave it, in bytes, if the
/// machine has `swap` bytes of free swap. `None` without a limit. `/proc` and `/sys`
/// are those below `root`.
pub(super) fn headroom(root: &Path, swap: u64) -> Option<u64> {
    let membership = read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = read_to_string(root.join("proc/self/mountinfo")).ok()?;
    [V1, V2]
        .iter()
        .filter_map(|version| Some((version, version.group(&membership)?)))
        .flat_map(|(version, group)| {
            let mounts = mounts.lines().filter_map(|line| version.mount(line));
            mounts
                .flat_map(move |mount| mount.groups_from(group))
                .filter_map(|folder| version.left(&root.join(folder), swap))
        })
        .min()
}

impl Version {
    /// The group of this process that limits its memory, by `/proc/self/cgroup`:
    /// lines of `id:controllers:path`; version 2 has the id 0 and names none.
    fn group<'a>(&self, membership: &'a str) -> Option<&'a Path> {
        let group = membership.lines().find_map(|line| {
            let (id, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_it = match self.filesystem {
                "cgroup2" => id == "0" && controllers.is_empty(),
                _ => controllers.split(',').any(|name| name == "memory"),
            };
            is_it.then_some(path)
        });
        group.map(Path::new)
    }

    /// A mount of the groups, by a line of `/proc/self/mountinfo`.
    fn mount(&self, line: &str) -> Option<Mount> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (filesystem, _source, options) = (after.next()?, after.next()?, after.next()?);
        let has_memory = filesystem == "cgroup2" || options.split(',').any(|name| name == "memory");
        if filesystem != self.filesystem || !has_memory {
            return None;
        }
        let mut before = before.split(' ').skip(3);
        // The kernel writes a backslash, which names of units contain, as \134.
        let path = |field: &str| PathBuf::from(field.replace("\\134", "\\"));
        Some(Mount {
            top: path(before.next()?),
            at: path(before.next()?),
        })
    }

    /// The memory that one group leaves.
    fn left(&self, group: &Path, swap: u64) -> Option<u64> {
        let number = |file: &str| -> Option<u64> {
            // "max" is no number and no limit.
            read_to_string(group.join(file)).ok()?.trim().parse().ok()
        };
        let (limit, usage) = (number(self.limit)?, number(self.usage)?);
        let statistics = read_to_string(group.join("memory.stat")).unwrap_or_default();
        let reclaimable: u64 = statistics
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(name, _)| self.reclaimable.contains(name))
            .filter_map(|(_, bytes)| bytes.parse::<u64>().ok())
            .fold(0, u64::saturating_add);
        let left = |limit: u64, usage: u64| limit.saturating_sub(usage.saturating_sub(reclaimable));
        let swap = match (number("memory.swap.max"), number("memory.swap.current")) {
            (Some(limit), Some(usage)) => swap.min(limit.saturating_sub(usage)),
            _ => swap,
        };
        let memory = left(limit, usage).saturating_add(swap);
        // Version 1 has one limit for memory and swap together.
        let together = match (
            number("memory.memsw.limit_in_bytes"),
            number("memory.memsw.usage_in_bytes"),
        ) {
            (Some(limit), Some(usage)) => left(limit, usage),
            _ => u64::MAX,
        };
        Some(memory.min(together))
    }
}

/// A mount point of groups.
struct Mount {
    /// The group that is mounted, as seen from this process's cgroup namespace.
    top: PathBuf,
    /// The mount point.
    at: PathBuf,
}

impl Mount {
    /// The folders of a group and its ancestors, as far as they are mounted; a
    /// path relative to the root of the file system.
    fn groups_from(&self, group: &Path) -> Vec<PathBuf> {
        let Ok(at) = self.at.strip_prefix("/") else {
            return Vec::new();
        };
        let Some(below) = self.below(group) else {
            return Vec::new();
        };
        let folder = at.join(below);
        let ancestors = folder
            .ancestors()
            .take_while(|folder| folder.starts_with(at));
        ancestors.map(Path::to_owned).collect()
    }

    /// The path from the mounted group to this one, as far as it is known; `None` if it
    /// is not below it. Outside of the process's cgroup namespace paths begin with
    /// `/..`.
    fn below<'a>(&self, group: &'a Path) -> Option<&'a Path> {
        let outside = |path: &Path| {
            path.components()
                .filter(|part| *part == Component::ParentDir)
                .count()
        };
        match group.strip_prefix(&self.top) {
            Ok(below) => (outside(below) == 0).then_some(below),
            // The mounted group is an ancestor; the names in between are unknown.
            Err(_)
                if outside(&self.top) > outside(group)
                    && self.top.components().count() == outside(&self.top) + 1 =>
            {
                Some(Path::new(""))
            }
            Err(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "control_group_tests.rs"]
mod tests;
