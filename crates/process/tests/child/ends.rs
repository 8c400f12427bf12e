// SPDX-License-Identifier: MPL-2.0
//! Ways to end, and not to.

use std::ffi::c_void;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::thread;
use std::time::Duration;

pub(crate) fn run(end: &str, socket: &mut UnixStream) {
    if end != "quiet" {
        writeln!(socket, "{end}").unwrap();
    }
    match end {
        "exit" => std::process::exit(3),
        "abort" => std::process::abort(),
        "overflow" => {
            let _ = black_box(deeper(1));
        }
        "overflow-c" => overflow_in_a_thread_of_c(),
        "memory" => loop {
            std::mem::forget(black_box(vec![1u8; 1 << 20]));
        },
        // A main thread that hangs while it works, and one that waits.
        "spin" => loop {
            black_box(());
        },
        // As every child that works.
        "read" => while matches!(socket.read(&mut [0]), Ok(1)) {},
        "sleep" | "quiet" => loop {
            thread::sleep(Duration::from_secs(60));
        },
        "fork" => {
            // SAFETY: the copy only sleeps, like this process.
            let copy = unsafe { libc::fork() };
            if copy != 0 {
                writeln!(socket, "{copy}").unwrap();
            }
            loop {
                thread::sleep(Duration::from_secs(60));
            }
        }
        "talk" => {
            for line in 0..100_000 {
                let _ = writeln!(std::io::stderr(), "line {line}");
            }
        }
        other => panic!("no end {other}"),
    }
}

#[allow(unconditional_recursion, reason = "until the stack ends")]
fn deeper(depth: usize) -> usize {
    let here = black_box([depth; 512]);
    deeper(depth + 1) + here[depth % 512]
}

extern "C" fn overflow(_: *mut c_void) -> *mut c_void {
    let _ = black_box(deeper(1));
    ptr::null_mut()
}

/// As the threads of codecs are: Rust's handler of SIGSEGV does not know their stacks.
fn overflow_in_a_thread_of_c() {
    let mut thread = 0;
    // SAFETY: the attributes may be null, the id is written before it is read, and the
    // function needs no argument.
    let failed =
        unsafe { libc::pthread_create(&mut thread, ptr::null(), overflow, ptr::null_mut()) };
    assert_eq!(failed, 0);
    // SAFETY: the thread exists and nobody else joins it.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
}
