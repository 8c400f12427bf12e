// SPDX-License-Identifier: MPL-2.0
//! What a child may use.

use std::fs;
use std::io;
use std::num::NonZeroU64;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// What a child may use, but for threads. RLIMIT_NPROC would count those of the user in the
/// whole system, which a child can neither know nor influence, and root has no such limit.
/// So whoever owns the child watches [their number](super::Process::threads).
///
/// The child sets the rest as it enters, and cannot raise it once the
/// sandbox is closed.
///
/// Set for every child, without a choice:
///
/// - Core dumps: RLIMIT_CORE is 1 byte. With 0 the kernel still starts a program that
///   collects cores (`core_pattern` with a pipe), which takes seconds and gigabytes for
///   each crash; with 1 it starts nothing and writes nothing. The child stays
///   *dumpable*: its parent may look at its threads' kernel waits and take its stacks.
///   PR_SET_DUMPABLE 0 would forbid that to a parent that is not root, and with
///   `/proc` mounted `hidepid` it would even hide how its threads spend their time.
/// - Descriptors: RLIMIT_NOFILE is 1024 at most, because the kernel's buffers behind them
///   (pipes, sockets) are counted nowhere else. Codecs need a few dozen, drivers of GPUs
///   some for each picture.
/// - When the machine or the control group is out of memory, the kernel takes the child
///   rather than the parent: its `oom_score_adj` is 200 (of 1000) higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of private memory (RLIMIT_DATA): the heap, anonymous maps, and the stack of
    /// each thread (usually 8 MB), touched or not. Beyond them an allocation fails, as
    /// it does when memory is short. `None`: the parent's own limit.
    ///
    /// Shared memory of the parent does not count, nor does address space that is only
    /// reserved. RLIMIT_AS would count both: glibc reserves 64 MB for each arena, and
    /// drivers of GPUs reserve many GB. A control group would count what is really
    /// used, but an application is seldom allowed to make one.
    pub memory: Option<NonZeroU64>,
}

/// Bytes of a core. The kernel takes 1 as "none, and nothing is started for it".
const CORE: u64 = 1;

/// Highest number of open descriptors, and one more.
const DESCRIPTORS: u64 = 1024;

/// Thousandths of the machine's memory that the kernel adds to what the child uses when
/// it looks for the process to end.
const OOM_SCORE_STEP: i32 = 200;

impl Limits {
    /// Sets them for this process.
    pub(super) fn apply(&self) -> io::Result<()> {
        // Only root may raise a limit that is 0.
        let one = Rlimit {
            current: Some(CORE),
            maximum: Some(CORE),
        };
        setrlimit(Resource::Core, one).or_else(|_| lower(Resource::Core, CORE))?;
        if let Some(memory) = self.memory {
            lower(Resource::Data, memory.get())?;
        }
        lower(Resource::Nofile, DESCRIPTORS)?;
        // Without a writable /proc the kernel's own choice has to do.
        let _ = raise_oom_score();
        Ok(())
    }
}

/// Lowers both limits of a resource. One that is lower already stays.
pub(crate) fn lower(resource: Resource, limit: u64) -> rustix::io::Result<()> {
    let now = getrlimit(resource);
    let lowest = |old: Option<u64>| Some(old.map_or(limit, |old| old.min(limit)));
    let new = Rlimit {
        current: lowest(now.current),
        maximum: lowest(now.maximum),
    };
    setrlimit(resource, new)
}

fn raise_oom_score() -> io::Result<()> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let score = fs::read_to_string(FILE)?;
    let score: i32 = score.trim().parse().map_err(io::Error::other)?;
    fs::write(FILE, (score + OOM_SCORE_STEP).min(1000).to_string())
}
