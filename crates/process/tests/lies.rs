// SPDX-License-Identifier: MPL-2.0
//! A child that lies: the parent ends in an error, in time, and holds no more than before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: a panic is the report"
)]

mod plain;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use codecwatch_process::{ChildStatus, Isolation, Log, ProcessCodec};
use codecwatch_supervisor::{Budgets, Library, Next, Options, Outcome, Run};
use plain::{Bytes, Config, Output, Plain};

/// For what the watchdog has to find.
const BUDGET: Duration = Duration::from_secs(1);
/// For what has to be found without it.
const FAR_AWAY: Duration = Duration::from_secs(60);
/// What a loaded machine may add.
const SLACK: Duration = Duration::from_secs(20);

struct Told {
    outcome: Outcome,
    outputs: Vec<Output>,
    lines: Vec<String>,
    process: u32,
}

/// Runs a session with so many inputs, a second or `budget` for each phase, and drains it.
fn run(program: &str, lie: &str, inputs: u8, budget: Duration) -> Told {
    let status = Arc::new(ChildStatus::default());
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let heard = lines.clone();
    let log: Log = Arc::new(move |_, line| {
        let mut heard = heard.lock().unwrap();
        heard.truncate(10);
        heard.push(line.to_owned());
    });
    let codec = ProcessCodec::<Plain> {
        config: Config {
            lie: lie.to_owned(),
        },
        library: Library::new("plain"),
        isolation: Ok(Isolation {
            program: program.into(),
            max_memory: 0,
            policy: None,
            strictly: false,
            status: status.clone(),
            last_look: None,
            survived: None,
            close_limit: BUDGET,
            spare: None,
        }),
        parent: (),
        log: Some(log),
    };
    let options = Options {
        budgets: Budgets {
            watchdog: budget,
            drain: budget,
            open: budget.max(3 * BUDGET),
            close: BUDGET,
            slow_limit: budget.max(2 * BUDGET),
        },
        ..Options::default()
    };
    let run = Run::start(codec, options).unwrap();
    let feeding = run.clone();
    let feeder = std::thread::spawn(move || {
        for number in 0..inputs {
            if feeding.submit(Bytes::Own(vec![number; 1000])).is_err() {
                return;
            }
            let _ = feeding.wait_for_room();
        }
        feeding.request_drain(true);
    });
    let mut outputs = Vec::new();
    let outcome = loop {
        match run.next() {
            // As a pipeline that shows them.
            Next::Output(output) => {
                outputs.push(output);
                outputs.truncate(100);
            }
            Next::Ended => break run.outcome().expect("an outcome"),
            _ => {}
        }
    };
    feeder.join().unwrap();
    let began = Instant::now();
    let _ = run.close();
    assert!(began.elapsed() < BUDGET + SLACK, "the close hangs");
    let process = status.seen().map_or(0, |seen| seen.process);
    let lines = lines.lock().unwrap().clone();
    Told {
        outcome,
        outputs,
        lines,
        process,
    }
}

fn liar(lie: &str, budget: Duration) -> Told {
    let began = Instant::now();
    let program = env!("CARGO_BIN_EXE_codecwatch-process-liar");
    let told = run(program, lie, 20, budget);
    let took = began.elapsed();
    assert!(took < 4 * BUDGET + SLACK, "{lie}: {took:?}");
    let path = format!("/proc/{}", told.process);
    let gone = || !std::path::Path::new(&path).exists();
    while !gone() {
        assert!(began.elapsed() < 2 * SLACK, "{lie}: the child lives");
        std::thread::sleep(Duration::from_millis(5));
    }
    told
}

#[track_caller]
fn ends(lie: &str, outcome: &str, words: &str) {
    let budget = match outcome {
        "WatchdogAbandoned" => BUDGET,
        _ => FAR_AWAY,
    };
    let told = liar(lie, budget);
    let text = told.outcome.fault().map(ToString::to_string);
    let text = text.unwrap_or_default();
    assert_eq!(told.outcome.name(), outcome, "{lie}: {text}");
    assert!(text.contains(words), "{lie}: no {words:?} in: {text}");
    assert!(text.len() < 5000, "{lie}: {} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{lie}: {text:?}");
}

#[track_caller]
fn breaks(lie: &str, words: &str) {
    ends(lie, "CodecCrashed", "broke the protocol");
    ends(lie, "CodecCrashed", words);
}

#[test]
fn an_honest_child_gives_back_what_it_gets() {
    let program = env!("CARGO_BIN_EXE_codecwatch-process-child");
    let told = run(program, "", 20, FAR_AWAY);
    let text = told.outcome.fault().map(ToString::to_string);
    assert_eq!(told.outcome.name(), "Completed", "{text:?}");
    let outputs: Vec<_> = told
        .outputs
        .iter()
        .map(|output| output.bytes()[0])
        .collect();
    assert_eq!(outputs, (0..20).collect::<Vec<_>>());
    assert!(
        told.outputs
            .iter()
            .all(|output| output.bytes().len() == 1000)
    );
}

#[test]
fn a_child_that_says_nothing_is_wedged() {
    ends("silence", "WatchdogAbandoned", "codecwatch-worker");
    ends(
        "ready and no more",
        "WatchdogAbandoned",
        "codecwatch-worker",
    );
    ends("no answer", "WatchdogAbandoned", "codecwatch-worker");
    ends("half a message", "WatchdogAbandoned", "codecwatch-worker");
    ends("a call that never ends", "WatchdogAbandoned", "plain_call");
    ends(
        "waits for an answer that nobody owes it",
        "WatchdogAbandoned",
        "codecwatch-worker",
    );
}

#[test]
fn a_greeting_that_is_none_is_refused() {
    breaks("no greeting", "does not begin by saying that it is ready");
    breaks("ready twice", "it is ready twice");
}

#[test]
fn another_program_is_a_matter_of_settings_and_says_what_to_do() {
    for lie in ["other version", "other kind"] {
        ends(lie, "CodecFailed", "install it and the plugins together");
    }
}

#[test]
fn answers_to_no_request_or_to_another_one_are_refused() {
    breaks("another answer", "is no answer to Open");
    breaks("an answer to nothing", "answer");
    // Or the inputs are refused that the surplus made room for.
    ends("two answers", "CodecCrashed", "");
    breaks("ends a wait that has not begun", "the end of a wait");
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    breaks("a huge length", "4294967295 bytes");
    breaks("no message", "cannot be read");
}

#[test]
fn memory_that_it_has_not_is_refused() {
    breaks("an unknown block", "it has no block 123456");
    breaks("beyond the block", "larger than its block");
    breaks("a block that was given up", "it has no block");
    breaks("gives up what it has not", "it has no block 7");
    breaks("gives up what it shows", "which is shown");
    breaks("too much memory", "it has no block");
    breaks("endless requests of memory", "messages without");
}

#[test]
fn inputs_that_it_has_not_or_keeps_are_refused() {
    breaks("returns what it has not", "input 77 is returned");
    breaks("answers no input", "input 78 is returned");
    breaks("returns twice", "is returned and was not lent");
    ends("returns nothing", "CodecFailed", "keeps 4 inputs");
}

#[test]
fn lanes_that_cannot_be_are_refused() {
    breaks("a lane that has not begun", "lane 9 has not begun");
    breaks("lane 0 begins", "lane 0 cannot be");
    breaks("a lane too many", "lane 200 cannot be");
    breaks("a lane begins twice", "lane 3 begins twice");
    breaks("a lane ends that has not begun", "lane 4 ends");
    breaks("a name that is none", "a name that is none");
    breaks("a lane begins again", "lane 3 begins twice");
    breaks("a lane calls after its end", "lane 3 has ended");
}

#[test]
fn what_has_its_place_among_the_outputs_is_not_told() {
    breaks("tells an output", "its place among the outputs");
}

#[test]
fn floods_end() {
    breaks("endless calls", "messages without");
    breaks("half of an event", "half of an event");
    breaks("no event", "cannot be read");
    breaks("endless facts", "messages without");
    breaks("endless lines", "messages without");
    breaks("endless outputs of nothing", "messages without");
    ends(
        "endless outputs and deaf",
        "WatchdogAbandoned",
        "codecwatch-worker",
    );
}

#[test]
fn a_child_that_writes_to_stderr_without_end_is_slow_and_given_up() {
    // It works: until the slow limit.
    ends("endless stderr", "WatchdogAbandoned", "codecwatch-worker");
}

#[test]
fn a_child_of_more_threads_than_any_codec_has_is_killed() {
    breaks("endless threads", "threads, more than 1024");
}

#[test]
fn errors_are_shown_in_so_many_printable_characters() {
    ends("errors without end", "CodecFailed", "u{1b}[31merror");
}

#[test]
fn a_line_of_the_log_is_printable() {
    let told = liar("endless lines", FAR_AWAY);
    assert!(!told.lines.is_empty());
    assert!(told.lines.iter().all(|line| line.len() < 5000));
}

#[test]
fn a_child_that_closes_its_socket_and_lives_is_killed() {
    breaks("closes its socket and lives", "does not end");
    breaks("closes its socket and writes on", "does not end");
}

#[test]
fn a_child_that_spins_in_its_close_or_after_it_is_killed_and_loses_nothing() {
    for lie in ["spins in its close", "spins after its close"] {
        let program = env!("CARGO_BIN_EXE_codecwatch-process-liar");
        let told = run(program, lie, 0, FAR_AWAY);
        assert_eq!(told.outcome.name(), "Completed", "{lie}");
        // Long before the slow limit.
        let closed = Instant::now();
        while std::path::Path::new(&format!("/proc/{}", told.process)).exists() {
            assert!(closed.elapsed() < SLACK, "{lie}: the child lives");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_session_without_its_sandbox_is_refused() {
    breaks("opens without a sandbox", "before its sandbox is closed");
    breaks(
        "another sandbox",
        "its sandbox is open, and was to be strict",
    );
    breaks("a sandbox twice", "tells of its sandbox twice");
}

#[test]
fn a_child_that_ends_in_the_middle_has_crashed() {
    ends("ends", "CodecCrashed", "exited with code 0");
    ends(
        "ends with half of an event",
        "CodecCrashed",
        "exited with code 0",
    );
}

/// The highest that this process has taken of the machine's memory, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() * 1000
}

#[test]
fn memory_that_it_gives_up_and_fills_again_is_no_more_than_it_had_at_a_time() {
    let eight_megabytes = format!("it has {} bytes", 8 << 20);
    ends("keeps what it gives up", "CodecFailed", &eight_megabytes);
}

/// Alone in its process where tests are run by nextest; the others take little.
#[test]
fn what_it_sends_takes_no_more_than_a_few_messages_of_memory() {
    breaks("a long list", "outside of strings");
    breaks("a large message", "it has no block");
    assert!(peak() < 700_000_000, "{} bytes", peak());
}

#[test]
fn descriptors_that_it_sends_are_dropped() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = count();
    breaks("endless descriptors", "it has no block");
    // Other tests have children at the same time.
    assert!(count() < before + 500, "{} {}", before, count());
}
