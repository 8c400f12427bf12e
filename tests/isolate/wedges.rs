// SPDX-License-Identifier: MPL-2.0
//! A hundred wedges in a row, each answered with another session: in child processes, and
//! in this process beside it. `--nocapture` shows the figures.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use support::process::{children, descriptors, resident, threads};
use support::{Launch, is_child};

use crate::rig::{PATIENCE, Rig, exists};

const WEDGES: usize = 100;
/// In this process each leaves a session with its threads behind.
const WEDGES_HERE: usize = WEDGES;

/// What this process and its children hold.
#[derive(Debug, Clone, Copy)]
struct Held {
    wedges: usize,
    /// Resident, in MB.
    memory: u64,
    threads: usize,
    descriptors: usize,
    /// Of these, those of pictures that upstream's pool keeps.
    pictures: usize,
    children: usize,
    zombies: usize,
    /// Resident, of all children together, in MB.
    memory_of_children: u64,
}

/// Descriptors of shared memory.
fn pictures() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    let is_memory = |path: &std::path::PathBuf| path.to_string_lossy().contains("memfd:codecwatch");
    targets.filter(is_memory).count()
}

fn held(wedges: usize) -> Held {
    let children = children();
    let state = |id: &&u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    };
    let memory = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0)
    };
    Held {
        wedges,
        memory: resident() / 1000,
        threads: threads(),
        descriptors: descriptors(),
        pictures: pictures(),
        children: children.len(),
        zombies: children.iter().filter(state).count(),
        memory_of_children: children.iter().map(memory).sum::<u64>() / 1000,
    }
}

fn row(where_: &str, held: &Held) {
    let Held {
        wedges,
        memory,
        threads,
        descriptors,
        pictures,
        children,
        zombies,
        memory_of_children,
    } = held;
    println!(
        "| {where_} | {wedges} | {memory} | {threads} | {descriptors}, {pictures} | {children} | {zombies} | {memory_of_children} |"
    );
}

fn percentiles(what: &str, times: &mut [Duration]) {
    times.sort();
    let at =
        |part: f64| times[((times.len() - 1) as f64 * part).round() as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, {} times",
        at(0.5),
        at(0.99),
        times.len()
    );
}

/// When the first frame of a session came out.
type FirstFrame = Arc<Mutex<Option<Instant>>>;

fn pipeline(properties: &str) -> (Rig, FirstFrame) {
    let rig = Rig::of(&format!(
        "videotestsrc pattern=ball ! video/x-raw,width=320,height=180,framerate=30/1 \
         ! identity sleep-time=5000 \
         ! svtav1watchenc name=codec preset=12 low-latency=true logical-processors=1 \
         watchdog-timeout=250000000 open-timeout=20000000000 restart-limit=100000 \
         max-abandoned=0 {properties} ! fakesink sync=false async=false"
    ));
    let first = FirstFrame::default();
    let seen = first.clone();
    let pad = rig.codec.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let buffer = info.buffer().unwrap();
        if buffer.flags().contains(gst::BufferFlags::DISCONT) {
            seen.lock().unwrap().get_or_insert_with(Instant::now);
        }
        gst::PadProbeReturn::Ok
    });
    rig.play();
    (rig, first)
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Instant {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
    Instant::now()
}

/// The restart that comes next: when, and how old the call was that hung.
fn restart(bus: &gst::Bus) -> (Instant, Duration) {
    loop {
        let message = bus
            .timed_pop(gst::ClockTime::from_seconds(60))
            .expect("a restart");
        if let gst::MessageView::Error(error) = message.view() {
            panic!("{error:?}");
        }
        let Some(structure) = message.structure() else {
            continue;
        };
        if structure.name() != "codecwatch-restarted" {
            continue;
        }
        let at = Instant::now();
        let fault: gst::Structure = structure.get("fault").unwrap();
        let age: u64 = fault.get("call-age").unwrap();
        return (at, Duration::from_nanos(age));
    }
}

fn in_children() {
    let (rig, first) = pipeline("isolate=true");
    let bus = rig.pipeline.bus().unwrap();
    let mut back = Vec::new();
    let mut resumed = Vec::new();
    let mut tens = Vec::new();
    for wedge in 1..=WEDGES {
        let abandoned = rig.ledger("abandoned");
        let process = rig.process();
        let killed = until("a wedge", || rig.ledger("abandoned") > abandoned);
        *first.lock().unwrap() = None;
        let gone = until("the end of the child", || process == 0 || !exists(process));
        if process != 0 && rig.process() != process {
            back.push(gone - killed);
        }
        let (at, age) = restart(&bus);
        let shown = until("a frame", || first.lock().unwrap().is_some());
        resumed.push(
            first
                .lock()
                .unwrap()
                .unwrap_or(shown)
                .saturating_duration_since(at)
                + age,
        );
        if wedge % 10 == 0 {
            tens.push(held(wedge));
        }
    }
    for held in &tens {
        row("child processes", held);
    }
    percentiles("from the kill to the end of the child", &mut back);
    percentiles(
        "from the wedge to the next frame (250 ms of it the budget)",
        &mut resumed,
    );
    rig.stop();
    rig.leaves_nothing();
    let (early, late) = (tens[1], tens[tens.len() - 1]);
    assert!(late.memory <= early.memory + 30, "{early:?} {late:?}");
    assert!(late.threads <= early.threads + 4, "{early:?} {late:?}");
    let others = |held: &Held| held.descriptors - held.pictures;
    assert!(others(&late) <= others(&early) + 2, "{early:?} {late:?}");
    assert!(late.children <= 4, "{late:?}");
    assert!(
        late.memory_of_children <= early.memory_of_children + 200,
        "{early:?} {late:?}"
    );
}

fn here() {
    let arm = std::env::var("CODECWATCH_REHEARSE_ARM").unwrap();
    let (rig, first) = pipeline("isolate=false");
    let bus = rig.pipeline.bus().unwrap();
    let mut resumed = Vec::new();
    for wedge in 1..=WEDGES_HERE {
        let frames = || rig.stats().get::<u64>("frames-out").unwrap_or(0);
        until("frames", || frames() >= 3);
        *first.lock().unwrap() = None;
        std::fs::write(&arm, "").unwrap();
        let (at, age) = restart(&bus);
        let shown = until("a frame", || first.lock().unwrap().is_some());
        resumed.push(
            first
                .lock()
                .unwrap()
                .unwrap_or(shown)
                .saturating_duration_since(at)
                + age,
        );
        if wedge % 10 == 0 {
            row("this process", &held(wedge));
        }
    }
    percentiles(
        "from the wedge to the next frame (250 ms of it the budget)",
        &mut resumed,
    );
    rig.stop();
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_wedges_in_a_row_leave_nothing_of_their_children() {
    const THIS: &str = "wedges::a_hundred_wedges_in_a_row_leave_nothing_of_their_children";
    const WHERE: &str = "CODECWATCH_TEST_WHERE";
    if is_child() {
        return match std::env::var(WHERE).unwrap().as_str() {
            "here" => here(),
            _ => in_children(),
        };
    }
    let folder = tempfile::tempdir().unwrap();
    println!(
        "| sessions in | wedges | memory (MB) | threads | descriptors, of pictures | children | zombies | their memory (MB) |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // Each child counts its own calls, and each hangs.
    for (where_, script) in [
        ("children", "svt_av1_enc_send_picture:hang@8"),
        ("here", "svt_av1_enc_send_picture:hang@armed"),
    ] {
        let run = Launch::this_test(THIS)
            .args(["--include-ignored"])
            .env(WHERE, where_)
            .env("CODECWATCH_REHEARSE_ARM", folder.path().join("arm"))
            .rehearse(script)
            .bound(Duration::from_secs(900))
            .run();
        for line in &run.lines {
            if line.text.starts_with('|') || line.text.starts_with("from ") {
                println!("{}", line.text);
            }
        }
        assert_eq!(run.code(), 0, "{}", run.text());
    }
}
