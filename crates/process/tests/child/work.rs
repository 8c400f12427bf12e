// SPDX-License-Identifier: MPL-2.0
//! What every codec does.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Writes `ok` at the end, or a line that begins with what has failed.
pub(crate) fn run(socket: &mut UnixStream) {
    let started = Instant::now();
    let barrier = Arc::new(Barrier::new(20));
    let threads: Vec<_> = (0..20)
        .map(|number: usize| {
            let barrier = Arc::clone(&barrier);
            thread::Builder::new()
                .name(format!("codec-{number}"))
                .spawn(move || {
                    barrier.wait();
                    vec![number as u8; 1 << 20]
                        .iter()
                        .map(|&one| one as usize)
                        .sum::<usize>()
                })
                .unwrap()
        })
        .collect();
    let sum: usize = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(sum, 190 << 20);

    let memory = vec![7u8; 64 << 20];
    assert_eq!(
        memory
            .iter()
            .step_by(4096)
            .filter(|&&byte| byte == 7)
            .count(),
        16384
    );
    drop(memory);

    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = Arc::clone(&pair);
    let waits = thread::spawn(move || {
        let (lock, condition) = &*theirs;
        let ready = condition
            .wait_timeout_while(lock.lock().unwrap(), Duration::from_secs(20), |ready| {
                !*ready
            })
            .unwrap();
        assert!(!ready.1.timed_out());
    });
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    waits.join().unwrap();

    let (sender, receiver) = mpsc::channel::<()>();
    assert!(receiver.recv_timeout(Duration::from_millis(2)).is_err());
    drop(sender);
    thread::sleep(Duration::from_millis(2));
    assert!(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .is_ok()
    );
    assert!(started.elapsed() > Duration::from_millis(3));

    // The seed of a hash map comes from the kernel.
    assert!(std::collections::HashMap::<u8, u8>::new().is_empty());
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(())));
    assert!(caught.is_err());

    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"x").unwrap();
    reader.read_exact(&mut [0]).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_nonblocking(false).unwrap();

    // SAFETY: takes a number, gives a number.
    let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    writeln!(socket, "processors {processors}").unwrap();
    writeln!(
        socket,
        "parallelism {}",
        thread::available_parallelism().unwrap()
    )
    .unwrap();
    writeln!(socket, "ok").unwrap();
}
