// SPDX-License-Identifier: MPL-2.0
//! How a child is started, what it inherits, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use codecwatch_process::launch::{Ending, LaunchError, Limits};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use support::{LONG, answer, answer_of, end, launch, program, table};

/// What a process says that starts children itself.
fn parent(what: &str) -> String {
    let output = Command::new(program())
        .args(["parent", what])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_child_talks_over_its_socket_and_ends() {
    for policy in ["open", "strict", "devices"] {
        assert_eq!(answer_of(policy, "hello"), "hello\n", "{policy}");
    }
}

#[test]
fn what_cannot_be_started_is_named_with_the_reason() {
    let mut launch = launch("open", "hello");
    launch.program = "/nonexistent/worker".into();
    let error = launch.start().unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot start /nonexistent/worker: No such file or directory (os error 2)"
    );
    launch.program = "/etc/passwd".into();
    let error = launch.start().unwrap_err().to_string();
    assert!(error.contains("/etc/passwd: Permission denied"), "{error}");
    launch.program = "worker".into();
    let error = launch.start().unwrap_err();
    assert!(matches!(error, LaunchError::Relative(_)), "{error}");
    launch.program = program();
    launch.name = "n".repeat(5000);
    let error = launch.start().unwrap_err().to_string();
    assert!(error.contains("name is too long"), "{error}");
}

#[test]
fn without_a_parent_the_program_says_so_and_exits() {
    for stdin in [Stdio::null(), Stdio::piped()] {
        let output = Command::new(program())
            .args(["strict", "hello"])
            .stdin(stdin)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4));
        assert!(text.contains("of no use by itself"), "{text}");
    }
}

#[test]
fn ends_are_put_into_words() {
    let ending = |policy: &str, what: &str| {
        let mut child = launch(policy, what).start().unwrap();
        assert_eq!(answer(&mut child), format!("{what}\n"));
        let (complaint, ending) = end(&mut child);
        assert_eq!(child.process.try_wait(), Some(ending), "asked again");
        (complaint, ending.to_string())
    };
    for policy in ["strict", "devices", "open"] {
        let exit = ending(policy, "exit");
        assert_eq!(exit, (String::new(), "exited with code 3".into()));
        let abort = ending(policy, "abort").1;
        assert_eq!(abort, "was killed by signal 6 (SIGABRT)");
        let overflow = ending(policy, "overflow-c").1;
        assert_eq!(overflow, "was killed by signal 11 (SIGSEGV)");
        // Rust's own threads say what has happened and abort.
        let (complaint, overflow) = ending(policy, "overflow");
        assert_eq!(overflow, "was killed by signal 6 (SIGABRT)");
        assert!(
            complaint.contains("has overflowed its stack"),
            "{complaint}"
        );
    }
}

#[test]
fn memory_beyond_the_limit_is_refused_and_within_it_is_not() {
    let mut greedy = launch("strict", "memory");
    greedy.limits.memory = (256 << 20).try_into().ok();
    let mut child = greedy.start().unwrap();
    let (complaint, ending) = end(&mut child);
    assert_eq!(ending.to_string(), "was killed by signal 6 (SIGABRT)");
    assert!(complaint.contains("memory allocation of"), "{complaint}");

    // 64 MB, and 20 stacks.
    let mut modest = launch("strict", "work");
    modest.limits.memory = (256 << 20).try_into().ok();
    let mut child = modest.start().unwrap();
    let answer = answer(&mut child);
    assert!(answer.ends_with("ok\n"), "{answer} {:?}", end(&mut child));
}

#[test]
fn a_kill_ends_a_child_whatever_it_does_and_can_be_repeated() {
    for (policy, what) in [("strict", "sleep"), ("open", "spin"), ("devices", "spin")] {
        let child = launch(policy, what).start().unwrap();
        let mut line = String::new();
        BufReader::new(&child.socket).read_line(&mut line).unwrap();
        assert_eq!(child.process.wait_for(Duration::from_millis(20)), None);
        let killer = child.process.killer();
        std::thread::spawn(move || {
            killer.kill();
            killer.kill();
        });
        let ending = child.process.wait_for(LONG).unwrap();
        assert_eq!(ending.to_string(), "was killed by signal 9 (SIGKILL)");
        child.process.killer().kill();
        assert_eq!(child.process.wait(), ending);
    }
}

#[test]
fn a_child_inherits_listed_variables_and_those_of_its_launch_only() {
    let mut start = launch("strict", "variables");
    start.variables = vec![("LATER".into(), "yes".into())];
    let mut child = start.start().unwrap();
    let variables = answer(&mut child);
    let variables: Vec<&str> = variables.lines().collect();
    assert!(variables.contains(&"LATER"));
    // Cargo sets these for its tests.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!variables.contains(&"CARGO_MANIFEST_DIR"));
    assert!(!variables.contains(&"PATH"));
}

#[test]
fn a_child_has_its_own_group_and_name_and_inherits_no_descriptor() {
    // Open without O_CLOEXEC, as some libraries open theirs.
    let stray = fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&stray, rustix::io::FdFlags::empty()).unwrap();
    let child = launch("strict", "sleep").start().unwrap();
    let mut line = String::new();
    BufReader::new(&child.socket).read_line(&mut line).unwrap();

    let id = child.process.id();
    let folder = Path::new("/proc").join(id.to_string());
    let targets: Vec<String> = fs::read_dir(folder.join("fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    assert!(stray.as_raw_fd() > 2);
    assert!(!targets.contains(&"/etc/passwd".into()), "{targets:?}");
    // 0 and 1; 2; the protocol.
    let count = |begin: &str| {
        targets
            .iter()
            .filter(|target| target.starts_with(begin))
            .count()
    };
    assert_eq!(
        ["/dev/null", "pipe:", "socket:"].map(count),
        [2, 1, 1],
        "{targets:?}"
    );
    assert_eq!(targets.len(), 4, "{targets:?}");

    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("comm").trim(), "test-child");
    assert!(read("cmdline").starts_with("test-child\0strict"));
    assert!(read("status").contains("NoNewPrivs:\t1"));
    assert!(read("limits").contains("Max core file size        1"));
    let limits = read("limits");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<u64> = files
        .unwrap()
        .split_whitespace()
        .flat_map(str::parse)
        .collect();
    assert!(files.iter().all(|&limit| limit <= 1024), "{limits}");
    assert_eq!(child.process.threads(), Some(1));
    let own = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    assert_eq!(rustix::process::getpgid(Some(own)).unwrap(), own);
}

#[test]
fn a_kill_ends_the_whole_group_and_so_does_the_end_of_the_child() {
    for kill_first in [true, false] {
        let child = launch("open", "fork").start().unwrap();
        let mut lines = BufReader::new(&child.socket).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "fork");
        let copy: i32 = lines.next().unwrap().unwrap().parse().unwrap();
        if kill_first {
            child.process.killer().kill();
        } else {
            let id = Pid::from_raw(child.process.id().cast_signed()).unwrap();
            kill_process(id, Signal::TERM).unwrap();
            child.process.wait_for(LONG).unwrap();
        }
        assert!(gone_within(copy, LONG), "{kill_first}");
    }
}

#[test]
fn every_thread_of_a_closed_child_is_restricted() {
    for policy in ["strict", "hosted", "devices"] {
        let child = launch(policy, "sleep").start().unwrap();
        let mut line = String::new();
        BufReader::new(&child.socket).read_line(&mut line).unwrap();
        let tasks = format!("/proc/{}/task", child.process.id());
        let tasks: Vec<_> = fs::read_dir(tasks).unwrap().map(Result::unwrap).collect();
        assert_eq!(tasks.len(), 1);
        for task in tasks {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap();
            let status = read("status");
            for line in [
                "NoNewPrivs:\t1",
                "CapPrm:\t0000000000000000",
                "CapEff:\t0000000000000000",
            ] {
                assert!(status.contains(line), "{policy}: {status}");
            }
            if status.contains("Seccomp_filters:") {
                assert!(status.contains("Seccomp:\t2"), "{policy}: {status}");
            }
            assert!(read("limits").contains("Max file size             0 "));
        }
    }
}

#[test]
fn a_program_that_has_threads_cannot_enter() {
    let mut child = launch("strict", "thread-before-entry").start().unwrap();
    let (complaint, ending) = end(&mut child);
    assert_eq!(ending, Ending::Exited(4));
    assert!(complaint.contains("2 threads run already"), "{complaint}");
}

#[test]
fn a_child_that_talks_is_not_held_up_by_a_parent_that_does_not_read() {
    let mut child = launch("strict", "talk").start().unwrap();
    let (complaint, ending) = end(&mut child);
    assert_eq!(ending, Ending::Exited(0));
    assert!(complaint.lines().count() <= 10);
    assert!(complaint.contains("line "), "{complaint}");
}

/// Whether the process has gone within this time. It is no child of this one, and does
/// not end by itself. (It takes a millisecond; on a loaded machine it may take more.)
fn gone_within(id: i32, limit: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(Pid::from_raw(id).unwrap(), PidfdFlags::empty()) else {
        return true;
    };
    let limit = Timespec::try_from(limit).unwrap();
    let mut ends = [PollFd::new(&pidfd, PollFlags::IN)];
    poll(&mut ends, Some(&limit)).unwrap() == 1
}

#[test]
fn a_child_ends_with_its_parent_though_a_fork_holds_the_socket_and_its_main_thread_hangs() {
    for what in ["orphan-sleep", "orphan-spin"] {
        let mut parent = Command::new(program())
            .args(["parent", what])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(parent.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let ids: Vec<i32> = line
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        let [child, holder] = *ids else {
            panic!("{line}")
        };
        let child_lives = Path::new("/proc").join(child.to_string()).exists();
        parent.kill().unwrap();
        parent.wait().unwrap();
        let gone = gone_within(child, LONG);
        let held = !gone_within(holder, Duration::from_millis(50));
        kill_process(Pid::from_raw(holder).unwrap(), Signal::KILL).unwrap();
        assert!(
            child_lives && gone && held,
            "{what}: {child_lives} {gone} {held}"
        );
    }
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let start = || {
        let child = launch("strict", "sleep").start().unwrap();
        let mut line = String::new();
        BufReader::new(&child.socket).read_line(&mut line).unwrap();
        child
    };
    let child = std::thread::spawn(start).join().unwrap();
    assert_eq!(child.process.wait_for(Duration::from_millis(200)), None);
}

#[test]
fn a_child_whose_parent_has_ended_before_it_could_enter_ends_too() {
    let id = parent("hasty");
    // It sleeps 300 ms before it enters.
    std::thread::sleep(Duration::from_millis(200));
    assert!(gone_within(id.trim().parse().unwrap(), LONG));
}

#[test]
fn a_hundred_children_leave_no_zombie_no_descriptor_and_no_thread() {
    let counts = parent("lives");
    let (before, after) = counts.trim().split_once(") ").unwrap();
    assert_eq!(format!("{before})"), after);
    assert!(after.ends_with(", 0)"), "no children: {after}");
}

#[test]
fn a_parent_that_ignores_sigchld_learns_that_a_child_has_ended_but_not_how() {
    let said = parent("careless");
    let lines: Vec<&str> = said.lines().collect();
    let unknown = Ending::Unknown.to_string();
    assert_eq!(lines, [&unknown, "None", &unknown, "0"]);
}

#[test]
fn a_parent_that_waits_for_every_child_does_not_confuse_its_holder() {
    let said = parent("jealous");
    assert_eq!(said.trim(), format!("Some(3) {}", Ending::Unknown));
}

#[test]
fn a_parent_that_has_become_another_user_learns_that_it_cannot_kill_and_a_closed_socket_ends_it() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let said = parent("demoted");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "0 Err(Os { code: 1, kind: PermissionDenied, message: \"Operation not permitted\" })",
            "true exited with code 0"
        ]
    );
}

#[test]
fn a_fork_waits_for_its_own_children_and_for_no_other() {
    assert_eq!(parent("forks"), "0 0\n1\n");
}

#[test]
fn starting_takes() {
    for policy in ["open", "strict", "devices"] {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let started = Instant::now();
                let mut child = launch(policy, "hello").start().unwrap();
                child.socket.read_exact(&mut [0]).unwrap();
                started.elapsed()
            })
            .collect();
        times.sort();
        println!(
            "{policy}: from start to the first byte {:?} (p50), {:?} (most)",
            times[10], times[19]
        );
    }
}

#[test]
fn a_child_with_a_limit_of_memory_works() {
    let mut start = launch("strict", "work");
    start.limits = Limits {
        memory: (1 << 30).try_into().ok(),
    };
    let mut child = start.start().unwrap();
    let answer = answer(&mut child);
    let table = table(&answer);
    println!("{table:?}");
    assert!(answer.ends_with("ok\n"), "{answer} {:?}", end(&mut child));
}
