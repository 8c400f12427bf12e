// SPDX-License-Identifier: MPL-2.0
//! What a process holds, and what its threads do.

use std::collections::BTreeMap;

/// Threads of this process.
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Open file descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The names of the threads of this process.
pub fn thread_names() -> Vec<String> {
    // One may end while it is looked at.
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect()
}

/// The children of this process, zombies included.
pub fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let parent = |process: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let after_name = stat.rsplit(") ").next()?;
        after_name.split(' ').nth(1).map(str::to_owned)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own_ones = numbers.filter(|&process| parent(process) == Some(own.clone()));
    own_ones.collect()
}

/// Resident memory of this process in kB.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap()
}

/// How often each thread has been switched away from, of its own accord or not.
#[derive(Debug, Clone, Default)]
pub struct Switches(BTreeMap<u32, Thread>);

/// A thread and its switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Of the kernel's.
    pub id: u32,
    /// As it calls itself.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// The switches of each thread of this process so far.
pub fn switches() -> Switches {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let threads = tasks.filter_map(|task| {
        let task = task.unwrap();
        // A thread may end while we look.
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let number = |name: &str| field(name).unwrap().trim().parse::<u64>().unwrap();
        let id = task.file_name().to_str().unwrap().parse().unwrap();
        let thread = Thread {
            id,
            name: field("Name:").unwrap().trim().to_owned(),
            count: number("voluntary_ctxt_switches:") + number("nonvoluntary_ctxt_switches:"),
        };
        Some((id, thread))
    });
    Switches(threads.collect())
}

impl Switches {
    /// The threads that ran since `before`, those that are new included.
    pub fn since(&self, before: &Self) -> Vec<Thread> {
        let ran = self.0.iter().filter_map(|(id, thread)| {
            let known = before.0.get(id).map_or(0, |before| before.count);
            let count = thread.count.checked_sub(known)?;
            (count > 0).then(|| Thread {
                count,
                ..thread.clone()
            })
        });
        ran.collect()
    }
}
