// SPDX-License-Identifier: MPL-2.0
//! Downstream, and what the tests wait with.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecwatch_supervisor::{
    Account, Budgets, CloseResult, DrainResult, Fault, Next, Options, Run, StartError, WaitResult,
};

use crate::fake::{Fake, Gate};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Short, for faults.
pub(crate) const SHORT: Budgets = Budgets {
    watchdog: Duration::from_millis(300),
    drain: Duration::from_millis(300),
    open: Duration::from_millis(300),
    close: Duration::from_millis(500),
    slow_limit: Duration::from_millis(1200),
};

/// For tests in which no budget has a part.
pub(crate) const AMPLE: Budgets = Budgets {
    watchdog: Duration::from_secs(60),
    drain: Duration::from_secs(60),
    open: Duration::from_secs(60),
    close: Duration::from_secs(60),
    slow_limit: Duration::from_secs(60),
};

/// Beyond this a wait counts as one without bound.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) type FakeRun = Run<u32, u32>;

pub(crate) fn options<O>(budgets: Budgets) -> Options<u32, O> {
    Options {
        budgets,
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    }
}

pub(crate) fn start(fake: &Fake, budgets: Budgets) -> FakeRun {
    try_start(fake, options(budgets)).unwrap()
}

pub(crate) fn start_after(fake: &Fake, budgets: Budgets, predecessor: &FakeRun) -> FakeRun {
    let options = Options {
        predecessor: Some(predecessor.clone()),
        ..options(budgets)
    };
    try_start(fake, options).unwrap()
}

pub(crate) fn try_start(fake: &Fake, options: Options<u32, u32>) -> Result<FakeRun, StartError> {
    Run::start(fake.clone(), options)
}

/// Runs `wait` on a thread of its own; fails the test when it has no end.
pub(crate) fn bounded<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(wait()));
    receiver
        .recv_timeout(BOUND)
        .expect("a wait without bound, or a panic in it")
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(2 * MS);
    }
}

/// Hands frames over as a streaming thread does, until one is not taken.
pub(crate) fn feed(run: &FakeRun, frames: std::ops::Range<u32>) -> WaitResult {
    let run = run.clone();
    bounded(move || {
        for frame in frames {
            // The run may end between the wait and the submission.
            loop {
                match run.wait_for_room() {
                    WaitResult::Ready if run.submit(frame).is_ok() => break,
                    WaitResult::Ready => {}
                    other => return other,
                }
            }
        }
        WaitResult::Ready
    })
}

/// Waits until a session is open: until then there is nothing to flush.
#[track_caller]
pub(crate) fn open(run: &FakeRun) {
    eventually("it is open", || run.has_opened());
}

pub(crate) fn drain(run: &FakeRun, last: bool) -> DrainResult {
    let ticket = run.request_drain(last);
    settled(run, ticket)
}

pub(crate) fn settled(run: &FakeRun, ticket: u64) -> DrainResult {
    let run = run.clone();
    bounded(move || run.wait_drained(ticket))
}

/// Closes, and says how long it took.
pub(crate) fn close(run: &FakeRun) -> (CloseResult, Duration) {
    let run = run.clone();
    bounded(move || {
        let began = Instant::now();
        (run.close(), began.elapsed())
    })
}

/// Waits for the close of a session that hangs, and for the fault: on a loaded
/// machine nobody may have come to see in time that it sleeps.
#[track_caller]
pub(crate) fn given_up(run: &FakeRun) -> Fault {
    match close(run).0 {
        CloseResult::Abandoned(Some(fault)) => *fault,
        CloseResult::Retiring => {
            let (tell, told) = std::sync::mpsc::channel();
            run.retire(move |fault| _ = tell.send(fault.clone()));
            told.recv_timeout(BOUND).expect("nobody gave it up")
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn outcome(run: &FakeRun) -> Option<&'static str> {
    run.outcome().map(|outcome| outcome.name())
}

pub(crate) fn account(library: &'static str) -> (usize, usize) {
    let account = Account::of(library);
    (account.abandoned, account.reclaimed)
}

/// The tasks of this process whose name begins so.
pub(crate) fn threads_named(prefix: &str) -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(prefix))
        .count()
}

/// Downstream and the output task: takes what comes until the run ends.
pub(crate) struct Sink(Arc<Taken>);

#[derive(Default)]
struct Taken {
    frames: Mutex<Vec<u32>>,
    slow: AtomicUsize,
    facts: Mutex<Vec<(Option<u32>, usize)>>,
    blocked: Option<(usize, Gate)>,
    returned: AtomicBool,
    task: Mutex<String>,
}

impl Sink {
    pub(crate) fn of(run: &FakeRun) -> Self {
        Self::pull(run, None)
    }

    /// Its push number `frames` + 1 does not return until the gate opens.
    pub(crate) fn blocked_after(frames: usize, gate: &Gate, run: &FakeRun) -> Self {
        Self::pull(run, Some((frames, gate.clone())))
    }

    fn pull(run: &FakeRun, blocked: Option<(usize, Gate)>) -> Self {
        let taken = Arc::new(Taken {
            blocked,
            ..Taken::default()
        });
        let (run, sink) = (run.clone(), Self(taken.clone()));
        std::thread::spawn(move || {
            *taken.task.lock().unwrap() = std::fs::read_link("/proc/thread-self")
                .map(|task| format!("/proc/{}", task.display()))
                .unwrap_or_default();
            taken.pull(&run);
            taken.returned.store(true, Ordering::Release);
        });
        sink
    }

    pub(crate) fn frames(&self) -> Vec<u32> {
        self.0.frames.lock().unwrap().clone()
    }

    /// How often the run said that it is slow.
    pub(crate) fn slow(&self) -> usize {
        self.0.slow.load(Ordering::Relaxed)
    }

    /// The facts each time when they had changed, and the frames taken by then.
    pub(crate) fn facts(&self) -> Vec<(Option<u32>, usize)> {
        self.0.facts.lock().unwrap().clone()
    }

    /// Whether the output task was told that nothing more comes, or cancelled.
    pub(crate) fn has_returned(&self) -> bool {
        self.0.returned.load(Ordering::Acquire)
    }

    #[track_caller]
    pub(crate) fn returns(&self) {
        eventually("the output task returns", || self.has_returned());
    }

    /// How often the output task has slept so far.
    pub(crate) fn sleeps(&self) -> u64 {
        let status = self.0.task.lock().unwrap().clone() + "/status";
        std::fs::read_to_string(status)
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|count| count.trim().parse().ok())
            .unwrap()
    }
}

impl Taken {
    fn pull(&self, run: &FakeRun) {
        loop {
            match run.next() {
                Next::Output(frame) => {
                    let count = {
                        let mut frames = self.frames.lock().unwrap();
                        frames.push(frame);
                        frames.len()
                    };
                    if let Some((after, gate)) = &self.blocked
                        && count > *after
                    {
                        gate.pass();
                    }
                }
                Next::Slow(_) => {
                    self.slow.fetch_add(1, Ordering::Relaxed);
                }
                Next::FactsChanged => {
                    let facts = run.facts::<u32>().as_deref().copied();
                    let frames = self.frames.lock().unwrap().len();
                    self.facts.lock().unwrap().push((facts, frames));
                }
                Next::Ended | Next::Cancelled => return,
            }
        }
    }
}
