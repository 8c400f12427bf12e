// SPDX-License-Identifier: MPL-2.0
//! Processes that start children. They say on stdout what they see.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use codecwatch_process::launch::{Child, Launch, Limits, unreaped};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

pub(crate) fn run(what: &str) {
    match what {
        "orphan-sleep" => orphan("strict", "sleep"),
        "orphan-spin" => orphan("open", "spin"),
        "hasty" => hasty(),
        "lives" => lives(),
        "careless" => careless(),
        "jealous" => jealous(),
        "demoted" => demoted(),
        "forks" => forks(),
        other => panic!("no parent {other}"),
    }
}

fn start(policy: &str, what: &str) -> Child {
    let launch = Launch {
        program: env::current_exe().unwrap(),
        arguments: vec![policy.into(), what.into()],
        name: "test-child".into(),
        variables: Vec::new(),
        limits: Limits::default(),
    };
    launch.start().unwrap()
}

/// Until the child's `main` has come to what it is to do.
fn first_line(child: &Child) -> String {
    let mut line = String::new();
    BufReader::new(&child.socket).read_line(&mut line).unwrap();
    line
}

/// Prints the ids of a child and of a fork of itself that holds the child's socket.
/// Neither ends by itself.
fn orphan(policy: &str, what: &str) {
    let child = start(policy, what);
    first_line(&child);
    // SAFETY: this process has one thread, so its copy can run on.
    let holder = unsafe { libc::fork() };
    if holder != 0 {
        println!("{} {holder}", child.process.id());
    }
    loop {
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Ends before its child has entered.
fn hasty() {
    let program = env::current_exe().unwrap();
    let late = format!("sleep 0.3; exec {} strict quiet", program.display());
    let launch = Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), late.into()],
        name: "sh".into(),
        variables: Vec::new(),
        limits: Limits::default(),
    };
    let child = launch.start().unwrap();
    println!("{}", child.process.id());
    // Its `Drop` would kill the child.
    std::process::exit(0);
}

/// A hundred children, ended in four ways.
fn lives() {
    let one = |number: usize| {
        let (what, code) = [
            ("hello", Some(0)),
            ("exit", Some(3)),
            ("sleep", None),
            ("spin", None),
        ][number % 4];
        let child = start("strict", what);
        first_line(&child);
        match code {
            Some(_) => {
                let _ = child.process.wait();
            }
            None if number % 8 < 4 => {
                child.process.killer().kill();
                let _ = child.process.wait();
            }
            None => drop(child),
        }
    };
    (0..8).for_each(one);
    let before = settled();
    (0..100).for_each(one);
    println!("{before:?} {:?}", settled());
}

/// Descriptors, threads and children of this process, when none is waited for any more.
fn settled() -> (usize, usize, usize) {
    while unreaped() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The thread that waited is about to end.
    std::thread::sleep(Duration::from_millis(100));
    let count = |folder: &str| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"), children())
}

/// Living and dead.
fn children() -> usize {
    let own = std::process::id().to_string();
    let is_child = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default().to_owned();
        after_name.split(' ').nth(1) == Some(own.as_str())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.map(is_child).filter(|&child| child).count()
}

/// Ignores SIGCHLD: the kernel reaps.
fn careless() {
    // SAFETY: no handler is installed.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    // One that exits at once may be gone before its id can be held.
    let ends = start("strict", "sleep");
    first_line(&ends);
    let id = Pid::from_raw(ends.process.id().cast_signed()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    println!("{}", ends.process.wait());
    let sleeps = start("strict", "sleep");
    first_line(&sleeps);
    println!("{:?}", sleeps.process.try_wait());
    sleeps.process.killer().kill();
    println!("{}", sleeps.process.wait());
    sleeps.process.killer().kill();
    println!("{}", children());
}

/// Something else in the process waits for every child.
fn jealous() {
    let mut child = start("strict", "exit");
    let mut rest = Vec::new();
    child.socket.read_to_end(&mut rest).unwrap();
    let (_, status) = wait(WaitOptions::empty()).unwrap().unwrap();
    println!("{:?} {}", status.exit_status(), child.process.wait());
    child.process.killer().kill();
}

/// Was root when it started its child, and is nobody when it kills it.
fn demoted() {
    let child = start("strict", "read");
    first_line(&child);
    // SAFETY: numbers.
    let changed = unsafe { libc::setresuid(65534, 65534, 65534) };
    println!("{changed} {:?}", child.process.killer().try_kill());
    let lives = child.process.wait_for(Duration::from_millis(50)).is_none();
    child.socket.shutdown(std::net::Shutdown::Both).unwrap();
    println!("{lives} {}", child.process.wait());
}

/// Forks while a thread waits for a child, and the fork ends a child of its own.
fn forks() {
    let waited_for = start("strict", "sleep");
    first_line(&waited_for);
    waited_for.process.killer().count_as_unreaped();
    // SAFETY: the copy starts a thread for what it does; the memory allocator of the C
    // library can be used in a copy.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        let before = unreaped();
        for _ in 0..10 {
            drop(start("strict", "sleep"));
        }
        let begin = std::time::Instant::now();
        while children() > 0 && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{before} {}", children());
        std::process::exit(0);
    }
    let copy = Pid::from_raw(copy);
    rustix::process::waitpid(copy, WaitOptions::empty()).unwrap();
    println!("{}", unreaped());
}
