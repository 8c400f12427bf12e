// SPDX-License-Identifier: MPL-2.0
//! Where threads stand, by `/proc` (Linux): their names, their states, and what they wait
//! for in the kernel.
//!
//! Reading takes some microseconds per thread, and does not wait for the threads.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};

/// The most threads that are described.
pub const MOST_THREADS: usize = 512;
/// The most bytes that are read of one file about a thread.
const MOST_BYTES: u64 = 4096;

/// What is read of each thread beside its name and state, and what it is.
const FILES: [(&str, &str); 4] = [
    (
        "syscall",
        "number, arguments, stack and program pointer of the system call that it is in",
    ),
    (
        "schedstat",
        "nanoseconds on a processor, nanoseconds waiting for one, turns",
    ),
    ("stat", "see proc(5)"),
    ("stack", "the kernel's part of its stack; for root only"),
];

/// Describes threads of a process (`None`: of this one): those with these ids, or all.
pub fn describe(process: Option<u32>, ids: Option<&[u32]>) -> String {
    let folder = process.map_or("/proc/self/task".to_owned(), |id| {
        format!("/proc/{id}/task")
    });
    let mut text = String::new();
    let listed = match ids {
        Some(ids) => Ok(ids.to_vec()),
        None => list(&folder),
    };
    let mut ids = match listed {
        Ok(ids) => ids,
        Err(error) => {
            let _ = writeln!(text, "Its threads cannot be listed: {folder}: {error}");
            return text;
        }
    };
    ids.sort_unstable();
    let all = ids.len();
    ids.truncate(MOST_THREADS);
    let _ = write!(text, "Threads: {all}");
    if all > ids.len() {
        let _ = write!(text, ", of which these are the first {MOST_THREADS}");
    }
    let _ = writeln!(text, ".\n");
    for id in ids {
        describe_one(&mut text, &format!("{folder}/{id}"), id);
    }
    for (file, meaning) in FILES {
        let _ = writeln!(text, "{file}: {meaning}");
    }
    text
}

fn list(folder: &str) -> io::Result<Vec<u32>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    let ids = names.filter_map(|name| match name {
        Ok(name) => name.to_str()?.parse().ok().map(Ok),
        Err(error) => Some(Err(error)),
    });
    ids.collect()
}

fn describe_one(text: &mut String, folder: &str, id: u32) {
    let read = |file: &str| read(&format!("{folder}/{file}"));
    let stat = match read("stat") {
        Ok(stat) => stat,
        Err(error) => {
            let _ = writeln!(text, "thread {id}: {error}\n");
            return;
        }
    };
    let (name, state) = parse_stat(&stat);
    let wait = match read("wchan") {
        // The kernel writes 0 for a thread that does not wait, or if it does not tell.
        Ok(wait) if wait.is_empty() || wait == "0" => "none that the kernel names".to_owned(),
        Ok(wait) => wait,
        Err(error) => error.to_string(),
    };
    let _ = writeln!(text, "thread {id} {name:?}: {state}; kernel wait: {wait}");
    for (file, _) in FILES {
        match read(file) {
            Ok(content) => {
                for line in content.lines() {
                    let _ = writeln!(text, "  {file}: {line}");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "  {file}: {error}");
            }
        }
    }
    text.push('\n');
}

/// The name, which may contain any character, and the state.
fn parse_stat(stat: &str) -> (&str, &'static str) {
    let parts = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    let (name, fields) = parts.unwrap_or(("", ""));
    let state = match fields.trim_start().chars().next() {
        Some('R') => "running, or waiting for a processor",
        Some('S') => "asleep",
        Some('D') => "asleep in the kernel, uninterruptible: not even a kill ends it",
        Some('T') => "stopped by a signal",
        Some('t') => "stopped by a debugger",
        Some('Z' | 'X') => "dead",
        Some('I') => "idle",
        _ => "in a state that is not known here",
    };
    (name, state)
}

fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_waits_is_described_with_its_name_and_what_it_waits_for() {
        let (go_on, waits) = mpsc::channel::<()>();
        let (tell, ids) = mpsc::channel();
        let thread = std::thread::Builder::new().name("waits) R".to_owned());
        let thread = thread.spawn(move || {
            let id = fs::read_link("/proc/thread-self").unwrap();
            tell.send(id.file_name().unwrap().to_str().unwrap().parse().unwrap())
                .unwrap();
            let _ = waits.recv();
        });
        let id: u32 = ids.recv().unwrap();
        let asleep = format!("thread {id} \"waits) R\": asleep; kernel wait: ");
        // It may not have come to its wait yet.
        let text = loop {
            let text = describe(None, Some(&[id]));
            if text.contains(&asleep) {
                break text;
            }
            std::thread::yield_now();
        };
        assert!(text.starts_with("Threads: 1.\n"), "{text}");
        assert!(
            text.contains("  syscall: ") && text.contains("  stat: "),
            "{text}"
        );
        let all = describe(Some(std::process::id()), None);
        assert!(all.contains(&format!("thread {id} ")), "{all}");
        drop((go_on, thread));
    }

    #[test]
    fn a_process_that_is_gone_is_said_to_be() {
        let text = describe(Some(u32::MAX - 1), None);
        assert!(text.contains("cannot be listed"), "{text}");
    }
}
