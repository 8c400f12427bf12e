// SPDX-License-Identifier: MPL-2.0
//! Who is asked for evidence: threads that come late, another process, and nobody
//! at all when no file descriptor is left.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use codecwatch_supervisor::{
    Activity, AdoptedThreads, Budgets, ChildProcess, CloseResult, Codec, CodecError, Drained,
    FaultCause, Flush, Lane, Library, Name, Outcome, Phase, Run, Session, Verdict,
};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{AMPLE, BOUND, SHORT, Sink, bounded, close, eventually, feed, outcome, start};

/// A codec that does what it is sent.
struct Scripted(Library);

type Step = Box<dyn FnOnce(&Lane<()>) -> Result<(), CodecError> + Send>;
type ScriptedRun = Run<Step, ()>;

impl Codec for Scripted {
    type Session = Self;

    fn library(&self) -> Library {
        self.0.clone()
    }

    fn open(self, _lane: &Lane<()>) -> Result<Self, CodecError> {
        Ok(self)
    }
}

impl Session for Scripted {
    type Input = Step;
    type Output = ();

    fn delay(&self) -> Option<usize> {
        None
    }

    fn send(&mut self, lane: &Lane<()>, step: Step) -> Result<(), CodecError> {
        step(lane)
    }

    fn drain(&mut self, _lane: &Lane<()>) -> Result<Drained, CodecError> {
        Ok(Drained::Spent)
    }

    fn flush(&mut self, _lane: &Lane<()>) -> Result<Flush, CodecError> {
        Ok(Flush::NeedsNewSession)
    }

    fn close(self, _lane: &Lane<()>) -> Result<(), CodecError> {
        Ok(())
    }
}

fn scripted(name: &'static str, threads: &[&'static str], budgets: Budgets) -> ScriptedRun {
    let threads: Vec<Name> = threads.iter().map(|&name| name.into()).collect();
    let library = Library::new(name).with_thread_names(threads);
    let run = Run::start(
        Scripted(library),
        codecwatch_supervisor::Options {
            budgets,
            max_abandoned: 0,
            predecessor: None,
            trace: None,
            listener: None,
        },
    )
    .unwrap();
    let task = run.clone();
    std::thread::spawn(move || while !matches!(task.next(), codecwatch_supervisor::Next::Ended) {});
    run
}

fn step(
    run: &ScriptedRun,
    step: impl FnOnce(&Lane<()>) -> Result<(), CodecError> + Send + 'static,
) {
    run.submit(Box::new(step)).map_err(drop).unwrap();
}

fn seen(run: &ScriptedRun) -> usize {
    run.witness()
        .map_or(0, |witness| witness.sample().threads.len())
}

/// A thread of a library; it ends when the gate opens.
fn library_thread(name: &str, gate: &Gate) {
    let gate = gate.clone();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || gate.pass())
        .unwrap();
}

#[test]
fn threads_that_another_open_in_a_running_session_starts_are_its_own_and_nobody_elses() {
    let gate = Gate::default();
    let first = scripted("wi-late", &["wi-own"], AMPLE);
    let second = scripted("wi-late", &["wi-own"], AMPLE);
    eventually("both run", || seen(&first) == 1 && seen(&second) == 1);
    for (run, threads) in [(&first, 2), (&second, 1)] {
        let gate = gate.clone();
        step(run, move |lane| {
            lane.opening(|| (0..threads).for_each(|_| library_thread("wi-own", &gate)))
        });
        eventually("they are known", || seen(run) == 1 + threads);
    }
    assert_eq!((seen(&first), seen(&second)), (3, 2));
    // And those that start after that, again.
    let more = gate.clone();
    step(&first, move |lane| {
        lane.opening(|| library_thread("wi-own", &more))
    });
    eventually("they are known", || seen(&first) == 4);
    assert_eq!(seen(&second), 2);
    gate.open();
    let _ = (first.close(), second.close());
}

#[test]
fn a_session_that_waits_for_anothers_open_owes_nothing_and_goes_on_afterwards() {
    let wedged = Fake::new("wi-wait").with(Call::Open, 1, Fault::Hang);
    let run = scripted(
        "wi-wait",
        &[],
        Budgets {
            slow_limit: BOUND,
            ..SHORT
        },
    );
    eventually("it runs", || run.stats().session.phase == Phase::Running);
    let other = start(&wedged, AMPLE);
    wedged.strikes();
    let (sender, opened) = std::sync::mpsc::channel();
    step(&run, move |lane| lane.opening(|| sender.send(()).unwrap()));
    step(&run, |_| Ok(()));
    std::thread::sleep(5 * SHORT.watchdog);
    assert!(opened.try_recv().is_err(), "one at a time");
    let stats = run.stats();
    assert_eq!(
        (stats.session.verdict, stats.outcome),
        (Verdict::Idle, None)
    );
    wedged.gate.open();
    opened.recv_timeout(BOUND).unwrap();
    let ticket = run.request_drain(true);
    let waiting = run.clone();
    let _ = bounded(move || waiting.wait_drained(ticket));
    assert_eq!(
        run.outcome().map(|outcome| outcome.name()),
        Some("Completed")
    );
    let _ = (run.close(), close(&other));
}

#[test]
fn the_wait_for_anothers_open_is_bounded_and_ends_with_the_session() {
    let wedged = Fake::new("wi-bound").with(Call::Open, 1, Fault::Hang);
    let brief = Budgets {
        slow_limit: SHORT.open,
        ..SHORT
    };
    let (run, closed) = (
        scripted("wi-bound", &[], brief),
        scripted("wi-bound", &[], AMPLE),
    );
    eventually("both run", || seen(&run) == 1 && seen(&closed) == 1);
    let other = start(&wedged, AMPLE);
    wedged.strikes();
    for run in [&run, &closed] {
        step(run, |lane| lane.opening(|| panic!("the other still opens")));
    }
    eventually("it gives up", || run.outcome().is_some());
    let Some(Outcome::CodecFailed(fault)) = run.outcome() else {
        panic!("{:?}", run.outcome());
    };
    let FaultCause::Failed(CodecError::Resource(why)) = &fault.cause else {
        panic!("{fault}");
    };
    assert!(why.contains("another session of wi-bound"), "{why}");
    assert!(matches!(closed.close(), CloseResult::Closed));
    wedged.gate.open();
    let _ = (run.close(), close(&other));
}

#[test]
fn a_session_whose_child_works_is_slow_and_not_wedged_until_the_child_stops() {
    let mut child = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let run = scripted(
        "wi-child",
        &[],
        Budgets {
            slow_limit: BOUND,
            ..SHORT
        },
    );
    let gate = Gate::default();
    let (id, hang) = (child.id(), gate.clone());
    step(&run, move |lane| {
        lane.set_witness(Arc::new(ChildProcess::new(id)));
        lane.call("read", || hang.pass());
        Ok(())
    });
    eventually("it is slow", || {
        run.stats().session.verdict == Verdict::Slow
    });
    std::thread::sleep(3 * SHORT.watchdog);
    assert_eq!(run.outcome().map(|outcome| outcome.name()), None);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("it is given up", || run.outcome().is_some());
    let outcome = run.outcome().unwrap();
    assert_eq!(outcome.name(), "WatchdogAbandoned");
    gate.open();
}

#[test]
fn adopted_threads_count_beside_the_sessions_own() {
    let run = scripted("wi-adopt", &[], AMPLE);
    eventually("it runs", || seen(&run) == 1);
    let adopted = Arc::new(AdoptedThreads::new());
    let witness = adopted.clone();
    step(&run, move |lane| {
        lane.extend_witness(witness);
        Ok(())
    });
    adopted.adopt(AdoptedThreads::this_thread().unwrap());
    eventually("this one counts, too", || seen(&run) == 2);
    adopted.release(AdoptedThreads::this_thread().unwrap());
    assert_eq!(seen(&run), 1);
    let _ = run.close();
}

/// Set in the child process.
const CHILD: &str = "CODECWATCH_TEST_DESCRIPTORS";

#[test]
fn a_process_without_descriptors_wedges_no_codec_by_not_looking() {
    if std::env::var_os(CHILD).is_some() {
        return hang_without_descriptors();
    }
    let this = "witnesses::a_process_without_descriptors_wedges_no_codec_by_not_looking";
    let program = std::env::current_exe().unwrap();
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(program)
        .args([this, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

fn hang_without_descriptors() {
    let fake = Fake::new("wi-files").with(Call::Send, 1, Fault::Hang);
    let run = start(
        &fake,
        Budgets {
            slow_limit: BOUND,
            ..SHORT
        },
    );
    let sink = Sink::of(&run);
    eventually("it is open", || fake.count(Call::Open) == 1);
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    feed(&run, 0..1);
    fake.strikes();
    eventually("nobody could look", || {
        let evidence = run.stats().session.evidence;
        evidence.is_some_and(|evidence| evidence.activity == Activity::Unreadable)
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((outcome(&run), sink.slow()), (None, 1), "and it was said");
    drop(files);
    sink.returns();
    let outcome = run.outcome().unwrap();
    assert_eq!(outcome.name(), "WatchdogAbandoned");
    let evidence = outcome.fault().unwrap().at.evidence.unwrap();
    assert_eq!(evidence.activity, Activity::Asleep);
    fake.gate.open();
}
