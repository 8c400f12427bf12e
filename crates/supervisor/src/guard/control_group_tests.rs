// SPDX-License-Identifier: MPL-2.0
//! File trees like those of the kernel.

use super::*;
use std::fs::{create_dir_all, write};

const MB: u64 = 1_000_000;
const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNT: &str = "31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
     35 31 0:31 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
     36 31 0:32 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n";

/// A root with the files about a process's groups.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(membership: &str, mounts: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.put(
            "proc/self",
            &[("cgroup", membership), ("mountinfo", mounts)],
        );
        tree
    }

    fn put(&self, folder: &str, files: &[(&str, &str)]) {
        let folder = self.0.path().join(folder);
        create_dir_all(&folder).unwrap();
        for (name, text) in files {
            write(folder.join(name), text).unwrap();
        }
    }

    /// A group of version 2 without page cache.
    fn v2(&self, folder: &str, limit: &str, usage: u64) {
        let usage = usage.to_string();
        let folder = format!("sys/fs/cgroup/{folder}");
        self.put(
            &folder,
            &[("memory.max", limit), ("memory.current", &usage)],
        );
    }

    /// A group of version 1 without page cache.
    fn v1(&self, folder: &str, limit: u64, usage: u64) {
        let (limit, usage) = (limit.to_string(), usage.to_string());
        let folder = format!("sys/fs/cgroup/memory/{folder}");
        let limit = ("memory.limit_in_bytes", limit.as_str());
        self.put(&folder, &[limit, ("memory.usage_in_bytes", &usage)]);
    }

    fn headroom(&self, swap: u64) -> Option<u64> {
        headroom(self.0.path(), swap)
    }
}

#[test]
fn page_cache_counts_as_available() {
    let tree = Tree::new("0::/\n", V2_MOUNT);
    tree.v2("", "2147483648\n", 2_131_000_000);
    let free = 2_147_483_648 - 2_131_000_000;
    assert_eq!(tree.headroom(0), Some(free));
    let statistics = "anon 100000000\nfile 1990000000\nshmem 10000000\ninactive_anon 5\n\
         inactive_file 1900000000\nactive_file 80000000\nslab_reclaimable 2000000\n\
         slab_unreclaimable 9\n";
    tree.put("sys/fs/cgroup", &[("memory.stat", statistics)]);
    assert_eq!(tree.headroom(0), Some(free + 1982 * MB));
}

#[test]
fn what_can_be_reclaimed_is_never_more_than_what_is_used() {
    let tree = Tree::new("0::/\n", V2_MOUNT);
    tree.v2("", "1000", 900);
    tree.put("sys/fs/cgroup", &[("memory.stat", "inactive_file 5000\n")]);
    assert_eq!(tree.headroom(0), Some(1000));
}

#[test]
fn the_smallest_headroom_on_the_way_up_counts() {
    let tree = Tree::new("0::/pod/container/unit\n", V2_MOUNT);
    tree.v2("pod/container/unit", "max\n", 10);
    tree.v2("pod/container", "1000\n", 100);
    tree.v2("pod", "1200\n", 500);
    // The root has no such files.
    assert_eq!(tree.headroom(0), Some(700));
    tree.v2("pod/container/unit", "500\n", 600);
    assert_eq!(tree.headroom(0), Some(0));
    tree.v2("pod/other", "1\n", 1);
    assert_eq!(tree.headroom(0), Some(0));
}

#[test]
fn without_a_limit_or_files_nothing_is_said() {
    let tree = Tree::new("0::/a\n", V2_MOUNT);
    assert_eq!(tree.headroom(0), None);
    tree.v2("a", "max\n", 100);
    assert_eq!(tree.headroom(0), None);
    assert_eq!(Tree::new("", "").headroom(0), None);
    assert_eq!(Tree::new("nonsense", "non - sense").headroom(0), None);
    assert_eq!(headroom(Path::new("/nonexistent"), 0), None);
}

#[test]
fn above_memory_high_a_group_is_slow_and_nothing_fails() {
    let tree = Tree::new("0::/a\n", V2_MOUNT);
    tree.v2("a", "1000\n", 100);
    tree.put("sys/fs/cgroup/a", &[("memory.high", "50\n")]);
    assert_eq!(tree.headroom(0), Some(900));
}

#[test]
fn a_group_may_swap_as_far_as_it_and_the_machine_can() {
    let tree = Tree::new("0::/a\n", V2_MOUNT);
    tree.v2("a", "1000\n", 400);
    assert_eq!(tree.headroom(50), Some(650));
    let swap = |limit| [("memory.swap.max", limit), ("memory.swap.current", "10\n")];
    tree.put("sys/fs/cgroup/a", &swap("30\n"));
    assert_eq!(tree.headroom(50), Some(620));
    tree.put("sys/fs/cgroup/a", &swap("0\n"));
    assert_eq!(tree.headroom(50), Some(600));
    tree.put("sys/fs/cgroup/a", &swap("max\n"));
    assert_eq!(tree.headroom(50), Some(650));
}

#[test]
fn the_mounted_group_of_a_container_is_its_own_one() {
    // Without a namespace for groups: paths are those of the host.
    let mount = V2_MOUNT.replace(" / /sys", " /system.slice/c\\134x2d1.scope /sys");
    let tree = Tree::new("0::/system.slice/c\\x2d1.scope/inner\n", &mount);
    tree.v2("", "1000\n", 400);
    tree.v2("inner", "max\n", 400);
    assert_eq!(tree.headroom(0), Some(600));
    // Another group is mounted: no visible limit applies to this process.
    let tree = Tree::new("0::/system.slice/other.scope\n", &mount);
    tree.v2("", "1000\n", 400);
    assert_eq!(tree.headroom(0), None);
}

#[test]
fn groups_outside_of_the_namespace_are_looked_at_as_far_as_they_are_mounted() {
    // Moved to a sibling of the namespace's root: the mounted group does not limit it.
    let tree = Tree::new("0::/../sibling\n", V2_MOUNT);
    tree.v2("", "1000\n", 999);
    tree.v2("../sibling", "1000\n", 999);
    assert_eq!(tree.headroom(0), None);
    // The host's groups are mounted, two levels above the namespace's root.
    let above = V2_MOUNT.replace(" / /sys", " /../.. /sys");
    let tree = Tree::new("0::/../sibling\n", &above);
    tree.v2("", "5000\n", 1000);
    assert_eq!(tree.headroom(0), Some(4000));
    let one_above = V2_MOUNT.replace(" / /sys", " /.. /sys");
    let tree = Tree::new("0::/../sibling\n", &one_above);
    tree.v2("sibling", "1000\n", 400);
    assert_eq!(tree.headroom(0), Some(600));
}

#[test]
fn version_1_is_read_where_it_has_the_memory_controller() {
    let membership = "9:name=systemd:/\n8:pids:/x\n4:cpu,memory:/jobs/one\n0::/\n";
    let tree = Tree::new(membership, V1_MOUNT);
    let unlimited = 0x7fff_ffff_ffff_f000;
    tree.v1("", unlimited, 123 * MB);
    tree.v1("jobs", 2000 * MB, 1500 * MB);
    tree.v1("jobs/one", unlimited, 1400 * MB);
    assert_eq!(tree.headroom(0), Some(500 * MB));
    let statistics = "cache 99\ninactive_file 7\ntotal_inactive_file 1000000000\n\
         total_active_file 200000000\n";
    tree.put("sys/fs/cgroup/memory/jobs", &[("memory.stat", statistics)]);
    assert_eq!(tree.headroom(0), Some(1700 * MB));
    assert_eq!(tree.headroom(40 * MB), Some(1740 * MB));
}

#[test]
fn version_1_limits_memory_and_swap_together() {
    let tree = Tree::new("4:memory:/\n", V1_MOUNT);
    tree.v1("", 1000, 400);
    let together = [
        ("memory.memsw.limit_in_bytes", "1100\n"),
        ("memory.memsw.usage_in_bytes", "450\n"),
    ];
    tree.put("sys/fs/cgroup/memory", &together);
    assert_eq!(tree.headroom(0), Some(600));
    assert_eq!(tree.headroom(5000), Some(650));
}
