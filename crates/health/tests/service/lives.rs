// SPDX-License-Identifier: MPL-2.0
//! How the service begins and ends.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecwatch_health::{Options, Report, Service, Source, StartError};

use crate::client::{connect, get, rest};
use crate::{any, saying, with};

#[test]
fn the_port_is_open_when_the_start_returns_and_closed_when_the_close_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    std::fs::write(&file, "1\n").unwrap();
    let options = Options {
        port_file: Some(file.clone()),
        ..Options::new(any())
    };
    let service = Service::start(options).unwrap();
    let address = service.address();
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, format!("{}\n", address.port()));
    assert_eq!(get(address, "/livez").status, 200);
    let idle = connect(address);
    let began = Instant::now();
    assert!(service.close());
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(rest(idle), "");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(
        left, 0,
        "the port file is removed, and nothing is left beside it"
    );
    // The port can be used again at once.
    drop(TcpListener::bind(address).unwrap());
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let taken = TcpListener::bind(any()).unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    std::fs::write(&file, "1\n").unwrap();
    let start = |address: &str, file: &std::path::Path| {
        let options = Options {
            port_file: Some(file.to_owned()),
            ..Options::new(address.parse().unwrap())
        };
        Service::start(options).unwrap_err()
    };
    let error = start(&address.to_string(), &file);
    assert!(matches!(error, StartError::Listen { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("choose another port, or 0"), "{text}");
    let left = std::fs::read_to_string(&file).unwrap();
    assert_eq!(left, "1\n", "the file may be of the process that listens");
    // From the documentation's addresses: no machine has it.
    let error = start("192.0.2.1:9848", &file).to_string();
    assert!(error.contains("no address of this machine"), "{error}");
    let nowhere = folder.path().join("none/port");
    let error = start("127.0.0.1:0", &nowhere);
    assert!(matches!(error, StartError::PortFile { .. }));
    assert!(error.to_string().contains("none/port"), "{error}");
    drop(taken);
    let options = Options::new(address);
    assert!(Service::start(options).is_ok(), "the port is not held");
}

#[test]
fn several_services_run_beside_each_other() {
    let services: Vec<_> = (0..3).map(|_| saying(Report::default())).collect();
    for service in &services {
        assert_eq!(get(service.address(), "/livez").status, 200);
    }
}

/// A source that takes long.
struct Long;

impl Source for Long {
    fn read(&self) -> Report {
        std::thread::sleep(Duration::from_secs(3));
        Report::default()
    }
}

#[test]
fn a_close_does_not_wait_for_a_source_that_does_not_come_back() {
    let service = with(Arc::new(Long));
    let address = service.address();
    let asks = std::thread::spawn(move || get(address, "/readyz").status);
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    assert!(!service.close(), "it says that a thread is left");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(address).is_err(), "the port is closed");
    asks.join().unwrap();
}

#[test]
fn starts_and_closes_one_after_the_other_leave_nothing() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for round in 0..20 {
        let before = descriptors();
        let service = saying(Report::default());
        if round % 2 == 0 {
            get(service.address(), "/health");
        }
        assert!(service.close());
        // Other tests of this process open and close files, too.
        if descriptors() <= before {
            return;
        }
    }
    panic!("it never left as few descriptors as there were before");
}

/// Forks, and returns the child's number; the child sleeps until it is killed.
fn fork() -> libc::pid_t {
    // SAFETY: the child calls nothing but `pause` and `_exit`, which are
    // async-signal-safe.
    match unsafe { libc::fork() } {
        0 => loop {
            // SAFETY: as above.
            unsafe { libc::pause() };
        },
        child => child,
    }
}

#[test]
fn a_forked_child_has_no_part_in_the_service() {
    let service = saying(Report::default());
    let address = service.address();
    // One that is open when the process forks.
    let idle = connect(address);
    get(address, "/livez");
    let child = fork();
    let sockets = |process: &str| {
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let sockets = targets.filter(|target| target.to_string_lossy().starts_with("socket:"));
        sockets.collect::<Vec<_>>()
    };
    assert_eq!(
        get(address, "/livez").status,
        200,
        "the parent answers as before"
    );
    let of_child = sockets(&child.to_string());
    let closed = service.close();
    let after = TcpStream::connect(address);
    // SAFETY: the number is that of a child that was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let mut status = 0;
    // SAFETY: as above; the status is written into a variable of its type.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(ExitStatus::from_raw(status).signal(), Some(libc::SIGKILL));
    assert!(closed);
    assert!(after.is_err(), "the child keeps the port open");
    assert_eq!(rest(idle), "", "the child keeps the connection open");
    // The other end of `idle`, and sockets of other tests, are the child's to keep.
    drop(of_child);
}

#[test]
fn a_child_that_drops_its_copy_of_the_handle_does_not_disturb_the_parent() {
    let service = saying(Report::default());
    let address = service.address();
    // SAFETY: the child drops the handle and exits, without a lock of another thread: what
    // the drop does in a child is a comparison and a forgotten channel.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(service);
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(7) };
    }
    let mut status = 0;
    let began = Instant::now();
    // SAFETY: the number is that of a child that was not waited for.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(ExitStatus::from_raw(status).code(), Some(7));
    assert_eq!(get(address, "/readyz").status, 200);
    assert!(service.close());
}

#[test]
fn a_program_that_is_started_gets_no_socket() {
    let service = saying(Report::default());
    let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output();
    let listed = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
    assert!(!listed.contains("socket:"), "{listed}");
    drop(service);
}

#[test]
fn nothing_runs_while_nothing_is_asked() {
    const CHILD: &str = "CODECWATCH_IDLE_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["lives::nothing_runs_while_nothing_is_asked", "--exact"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let service = saying(Report::default());
    get(service.address(), "/health");
    let switches = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut all: Vec<_> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
            .filter(|status| status.contains("\tcw-health"))
            .flat_map(|status| {
                let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        all.sort();
        all
    };
    // Until the answer's connection is gone.
    std::thread::sleep(Duration::from_millis(500));
    let before = switches();
    assert_eq!(before.len(), 4, "two threads: {before:?}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(switches(), before);
}
