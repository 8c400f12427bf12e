// SPDX-License-Identifier: MPL-2.0
//! What a child tries, and which errors it gets.

use std::ffi::{CStr, c_long};
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process;

use codecwatch_process::launch::Entered;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The memfd that the test sends for `probes`.
pub(crate) fn receive(entered: &Entered, what: &str) -> Option<OwnedFd> {
    if what != "probes" {
        return None;
    }
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut byte)];
    recvmsg(
        &entered.socket,
        &mut into,
        &mut ancillary,
        RecvFlags::empty(),
    )
    .unwrap();
    ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    })
}

/// One call, by its number: the C library would take another one, or fail by itself.
fn call(number: c_long, arguments: [usize; 6]) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the callers pass numbers, strings that live long enough, and memory that
    // nothing else uses; most calls are refused.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match result {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
        result => Ok(result as usize),
    }
}

fn text(text: &'static CStr) -> usize {
    text.as_ptr() as usize
}

fn say(socket: &mut UnixStream, name: &str, result: Result<usize, i32>) {
    let result = match result {
        Ok(_) => "done".to_owned(),
        Err(libc::EPERM) => "EPERM".to_owned(),
        Err(libc::EACCES) => "EACCES".to_owned(),
        Err(libc::ENOSYS) => "ENOSYS".to_owned(),
        Err(other) => other.to_string(),
    };
    writeln!(socket, "{name} {result}").unwrap();
}

const AT_CWD: usize = libc::AT_FDCWD as usize;

/// One line for each: its name, and the error or `done`.
pub(crate) fn run(socket: &mut UnixStream, memory: Option<OwnedFd>) {
    let parent = std::os::unix::process::parent_id() as usize;
    let own = process::id() as usize;
    let fd = memory.as_ref().unwrap().as_raw_fd() as usize;
    let stream = socket.as_raw_fd() as usize;
    let mut try_to = |name: &str, number: c_long, arguments: [usize; 6]| {
        let result = call(number, arguments);
        say(socket, name, result);
    };
    const ZERO: [usize; 6] = [0; 6];

    let passwd = text(c"/etc/passwd");
    try_to(
        "openat",
        libc::SYS_openat,
        [AT_CWD, passwd, libc::O_RDONLY as usize, 0, 0, 0],
    );
    let create = (libc::O_WRONLY | libc::O_CREAT) as usize;
    let new = text(c"/tmp/codecwatch-probe");
    try_to(
        "create",
        libc::SYS_openat,
        [AT_CWD, new, create, 0o600, 0, 0],
    );
    let mem = text(c"/proc/self/mem");
    try_to(
        "own-memory",
        libc::SYS_openat,
        [AT_CWD, mem, libc::O_RDWR as usize, 0, 0, 0],
    );
    try_to("openat2", libc::SYS_openat2, [AT_CWD, passwd, 0, 24, 0, 0]);
    #[cfg(target_arch = "x86_64")]
    try_to(
        "open",
        libc::SYS_open,
        [passwd, libc::O_RDONLY as usize, 0, 0, 0, 0],
    );
    try_to("truncate", libc::SYS_truncate, [new, 0, 0, 0, 0, 0]);
    try_to("unlink", libc::SYS_unlinkat, [AT_CWD, new, 0, 0, 0, 0]);
    try_to("mkdir", libc::SYS_mkdirat, [AT_CWD, new, 0o700, 0, 0, 0]);
    try_to("chroot", libc::SYS_chroot, [text(c"/"), 0, 0, 0, 0, 0]);
    try_to("memfd", libc::SYS_memfd_create, [new, 0, 0, 0, 0, 0]);
    try_to("inotify", libc::SYS_inotify_init1, ZERO);

    let socket_of = |family: i32, kind: i32| [family as usize, kind as usize, 0, 0, 0, 0];
    try_to(
        "unix-socket",
        libc::SYS_socket,
        socket_of(libc::AF_UNIX, libc::SOCK_STREAM),
    );
    try_to(
        "inet-socket",
        libc::SYS_socket,
        socket_of(libc::AF_INET, libc::SOCK_STREAM),
    );
    try_to(
        "netlink",
        libc::SYS_socket,
        socket_of(libc::AF_NETLINK, libc::SOCK_RAW),
    );
    let mut pair = [0u64; 1];
    let pair = &raw mut pair as usize;
    try_to(
        "socketpair",
        libc::SYS_socketpair,
        [
            libc::AF_UNIX as usize,
            libc::SOCK_STREAM as usize,
            0,
            pair,
            0,
            0,
        ],
    );
    let datagrams = [
        libc::AF_UNIX as usize,
        libc::SOCK_DGRAM as usize,
        0,
        pair,
        0,
        0,
    ];
    try_to("datagram-pair", libc::SYS_socketpair, datagrams);
    try_to("connect", libc::SYS_connect, [stream, new, 16, 0, 0, 0]);
    try_to("bind", libc::SYS_bind, [stream, new, 16, 0, 0, 0]);
    try_to("listen", libc::SYS_listen, [stream, 1, 0, 0, 0, 0]);
    try_to(
        "out-of-band",
        libc::SYS_sendto,
        [stream, new, 1, libc::MSG_OOB as usize, 0, 0],
    );
    try_to(
        "send-to-address",
        libc::SYS_sendto,
        [stream, new, 1, 0, new, 16],
    );
    try_to("send-message", libc::SYS_sendmsg, [stream, 0, 0, 0, 0, 0]);
    try_to(
        "remove-memory",
        libc::SYS_madvise,
        [0, 0, libc::MADV_REMOVE as usize, 0, 0, 0],
    );
    for (name, request) in [
        ("signal-on-input", libc::FIOASYNC),
        ("signal-another", 0x8901),
        ("signal-a-group", 0x8902),
    ] {
        try_to(
            name,
            libc::SYS_ioctl,
            [stream, request as usize, pair, 0, 0, 0],
        );
    }
    try_to(
        "own-stdin-ioctl",
        libc::SYS_ioctl,
        [0, libc::TIOCSTI as usize, new, 0, 0, 0],
    );

    try_to(
        "execve",
        libc::SYS_execve,
        [text(c"/bin/true"), 0, 0, 0, 0, 0],
    );
    try_to(
        "execveat",
        libc::SYS_execveat,
        [fd, text(c""), 0, 0, libc::AT_EMPTY_PATH as usize, 0],
    );
    try_to(
        "fork",
        libc::SYS_clone,
        [libc::SIGCHLD as usize, 0, 0, 0, 0, 0],
    );
    try_to("clone3", libc::SYS_clone3, [0, 88, 0, 0, 0, 0]);
    try_to(
        "ptrace",
        libc::SYS_ptrace,
        [libc::PTRACE_ATTACH as usize, parent, 0, 0, 0, 0],
    );
    try_to(
        "seize",
        libc::SYS_ptrace,
        [libc::PTRACE_SEIZE as usize, parent, 0, 0, 0, 0],
    );
    try_to(
        "read-parent",
        libc::SYS_process_vm_readv,
        [parent, 0, 0, 0, 0, 0],
    );
    try_to("kill-parent", libc::SYS_kill, [parent, 0, 0, 0, 0, 0]);
    try_to("kill-all", libc::SYS_kill, [usize::MAX, 0, 0, 0, 0, 0]);
    try_to("kill-group", libc::SYS_kill, [0, 0, 0, 0, 0, 0]);
    try_to(
        "tgkill-parent",
        libc::SYS_tgkill,
        [parent, parent, 0, 0, 0, 0],
    );
    // Of nobody the kernel itself says ESRCH; of the parent it may say EPERM, too.
    let nobody = 0x3fff_ffff;
    try_to("kill-nobody", libc::SYS_kill, [nobody, 0, 0, 0, 0, 0]);
    try_to(
        "tgkill-nobody",
        libc::SYS_tgkill,
        [nobody, nobody, 0, 0, 0, 0],
    );
    try_to(
        "slow-nobody",
        libc::SYS_sched_setaffinity,
        [nobody, 8, new, 0, 0, 0],
    );
    try_to("tkill-parent", libc::SYS_tkill, [parent, 0, 0, 0, 0, 0]);
    try_to(
        "queue-parent",
        libc::SYS_rt_sigqueueinfo,
        [parent, 0, new, 0, 0, 0],
    );
    try_to(
        "pidfd-parent",
        libc::SYS_pidfd_open,
        [parent, 0, 0, 0, 0, 0],
    );
    try_to("kill-self", libc::SYS_kill, [own, 0, 0, 0, 0, 0]);
    try_to(
        "slow-parent",
        libc::SYS_sched_setaffinity,
        [parent, 8, new, 0, 0, 0],
    );
    try_to(
        "idle-parent",
        libc::SYS_sched_setscheduler,
        [parent, libc::SCHED_IDLE as usize, new, 0, 0, 0],
    );
    try_to(
        "nice-parent",
        libc::SYS_setpriority,
        [0, parent, 19, 0, 0, 0],
    );
    try_to("limit-parent", libc::SYS_prlimit64, [parent, 0, 0, 0, 0, 0]);

    try_to(
        "unshare",
        libc::SYS_unshare,
        [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0, 0],
    );
    let namespace =
        (libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_NEWUSER) as usize;
    try_to(
        "thread-in-namespace",
        libc::SYS_clone,
        [namespace, 0, 0, 0, 0, 0],
    );
    try_to("setns", libc::SYS_setns, [fd, 0, 0, 0, 0, 0]);
    try_to("mount", libc::SYS_mount, [new, new, new, 0, 0, 0]);
    try_to("key", libc::SYS_add_key, [new, new, 0, 0, 0, 0]);
    try_to("bpf", libc::SYS_bpf, ZERO);
    try_to("perf", libc::SYS_perf_event_open, [new, 0, 0, 0, 0, 0]);
    try_to("io-uring", libc::SYS_io_uring_setup, [1, new, 0, 0, 0, 0]);
    try_to("userfaultfd", libc::SYS_userfaultfd, ZERO);
    try_to(
        "personality",
        libc::SYS_personality,
        [0x0040_0000, 0, 0, 0, 0, 0],
    );
    try_to("setuid", libc::SYS_setuid, ZERO);
    try_to("capset", libc::SYS_capset, ZERO);
    #[cfg(target_arch = "x86_64")]
    try_to(
        "set-limit",
        libc::SYS_setrlimit,
        [libc::RLIMIT_CORE as usize, new, 0, 0, 0, 0],
    );
    try_to(
        "prlimit",
        libc::SYS_prlimit64,
        [0, libc::RLIMIT_CORE as usize, new, 0, 0, 0],
    );
    try_to("seccomp", libc::SYS_seccomp, [1, 0, new, 0, 0, 0]);
    try_to(
        "landlock",
        libc::SYS_landlock_create_ruleset,
        [0, 0, 1, 0, 0, 0],
    );
    try_to(
        "dumpable",
        libc::SYS_prctl,
        [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0, 0],
    );
    try_to(
        "death-signal",
        libc::SYS_prctl,
        [libc::PR_SET_PDEATHSIG as usize, 0, 0, 0, 0, 0],
    );
    try_to(
        "prctl-seccomp",
        libc::SYS_prctl,
        [libc::PR_SET_SECCOMP as usize, 2, 0, 0, 0, 0],
    );
    try_to(
        "tracer",
        libc::SYS_prctl,
        [libc::PR_SET_PTRACER as usize, usize::MAX, 0, 0, 0, 0],
    );
    try_to(
        "gain-privileges",
        libc::SYS_prctl,
        [libc::PR_SET_NO_NEW_PRIVS as usize, 0, 0, 0, 0, 0],
    );
    try_to("unknown", 460, ZERO);
    #[cfg(target_arch = "x86_64")]
    try_to("x32-getpid", 0x4000_0000 + libc::SYS_getpid, ZERO);

    let page = 4096;
    try_to("shrink", libc::SYS_ftruncate, [fd, page, 0, 0, 0, 0]);
    try_to("grow", libc::SYS_ftruncate, [fd, 16 * page, 0, 0, 0, 0]);
    try_to("punch", libc::SYS_fallocate, [fd, 3, 0, page, 0, 0]);
    try_to(
        "add-seals",
        libc::SYS_fcntl,
        [fd, libc::F_ADD_SEALS as usize, 8, 0, 0, 0],
    );
    let map = |protection: i32, flags: i32, fd: usize| {
        [0, page, protection as usize, flags as usize, fd, 0]
    };
    const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    const EXECUTE: i32 = libc::PROT_READ | libc::PROT_EXEC;
    const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    const SHARED: i32 = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    const NONE: usize = usize::MAX;
    try_to(
        "map-sealed-for-writing",
        libc::SYS_mmap,
        map(WRITE, libc::MAP_SHARED, fd),
    );
    try_to(
        "map-for-reading",
        libc::SYS_mmap,
        map(libc::PROT_READ, libc::MAP_SHARED, fd),
    );
    try_to("map-private", libc::SYS_mmap, map(WRITE, PRIVATE, NONE));
    try_to("map-shared", libc::SYS_mmap, map(WRITE, SHARED, NONE));
    try_to(
        "map-growing",
        libc::SYS_mmap,
        map(WRITE, PRIVATE | libc::MAP_GROWSDOWN, NONE),
    );
    try_to(
        "map-executable",
        libc::SYS_mmap,
        map(EXECUTE, PRIVATE, NONE),
    );
    try_to(
        "map-descriptor-executable",
        libc::SYS_mmap,
        map(EXECUTE, libc::MAP_PRIVATE, fd),
    );

    let reading = call(libc::SYS_mmap, map(libc::PROT_READ, libc::MAP_SHARED, fd)).unwrap();
    try_to(
        "make-writable",
        libc::SYS_mprotect,
        [reading, page, WRITE as usize, 0, 0, 0],
    );
    let private = call(libc::SYS_mmap, map(WRITE, PRIVATE, NONE)).unwrap();
    try_to(
        "make-executable",
        libc::SYS_mprotect,
        [private, page, EXECUTE as usize, 0, 0, 0],
    );
}

/// What `Policy::Devices` leaves of the file system.
pub(crate) fn files(socket: &mut UnixStream) {
    let mut try_to = |name: &str, path: &'static CStr, flags: i32| {
        let result = call(
            libc::SYS_openat,
            [AT_CWD, text(path), flags as usize, 0o600, 0, 0],
        );
        say(socket, name, result);
    };
    try_to("passwd", c"/etc/passwd", libc::O_RDONLY);
    try_to("libraries", c"/usr/lib", libc::O_RDONLY);
    try_to("loader", c"/etc/ld.so.cache", libc::O_RDONLY);
    try_to("sys", c"/sys/devices/system/cpu/online", libc::O_RDONLY);
    try_to("own-maps", c"/proc/self/maps", libc::O_RDONLY);
    try_to("null", c"/dev/null", libc::O_RDWR);
    try_to("home", c"/root", libc::O_RDONLY);
    try_to("first-process", c"/proc/1/status", libc::O_RDONLY);
    try_to("write-usr", c"/usr/lib/os-release", libc::O_WRONLY);
    try_to(
        "truncate-usr",
        c"/usr/lib/os-release",
        libc::O_RDONLY | libc::O_TRUNC,
    );
    try_to(
        "create",
        c"/tmp/codecwatch-probe",
        libc::O_WRONLY | libc::O_CREAT,
    );
    try_to("temporary", c"/tmp", libc::O_RDWR | libc::O_TMPFILE);
    try_to("own-memory", c"/proc/self/mem", libc::O_RDWR);
    try_to("terminal", c"/dev/tty", libc::O_RDWR);
}
