// SPDX-License-Identifier: MPL-2.0
//! What the pipeline looks like when a wait was in vain: a standstill that comes once
//! in thousands of scenarios may not come again when it is replayed, so it has to be
//! explained by what is written down at that moment.

use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

/// A process asks for its backtraces once: a standstill that stays is the same, and a
/// debugger takes its time on a loaded machine.
static TRACED: AtomicBool = AtomicBool::new(false);

/// How long the debugger may take, for `timeout`.
const DEBUGGER_BOUND: &str = "60";

/// States, pads, queue levels and `stats` of every element, and where each thread is.
pub(super) fn describe(pipeline: &gst::Pipeline) -> Vec<String> {
    let mut lines = vec![state(pipeline.upcast_ref())];
    for element in pipeline.children() {
        lines.push(state(&element));
        lines.extend(element.pads().iter().map(pad));
        lines.extend(LEVELS.iter().filter_map(|name| level(&element, name)));
    }
    if !TRACED.swap(true, Ordering::SeqCst) {
        lines.extend(backtraces());
    }
    lines
}

/// Properties that say what an element holds.
const LEVELS: &[&str] = &["current-level-buffers", "stats"];

fn state(element: &gst::Element) -> String {
    let (result, state, pending) = element.state(gst::ClockTime::ZERO);
    format!(
        "{}: {state:?}, pending {pending:?}, {result:?}",
        element.name()
    )
}

fn pad(pad: &gst::Pad) -> String {
    format!(
        "  {}: task {:?}, flags {:?}, last flow {:?}",
        pad.name(),
        pad.task_state(),
        pad.pad_flags(),
        pad.last_flow_result()
    )
}

fn level(element: &gst::Element, name: &str) -> Option<String> {
    element.find_property(name)?;
    let value = element.property_value(name);
    let text = match value.get::<gst::Structure>() {
        Ok(structure) => structure.to_string(),
        Err(_) => format!("{value:?}"),
    };
    Some(format!("  {name}: {text}"))
}

/// Where each thread is, if gdb is there. Nothing else depends on it.
fn backtraces() -> Vec<String> {
    // Into a file: this process stands still meanwhile and could not empty a pipe.
    let Ok(folder) = tempfile::tempdir() else {
        return Vec::new();
    };
    let path = folder.path().join("backtraces");
    let Ok(file) = File::create(&path) else {
        return Vec::new();
    };
    let traced = Command::new("timeout")
        .args([DEBUGGER_BOUND, "gdb", "-nx", "-batch", "-p"])
        .arg(std::process::id().to_string())
        .args(["-ex", "thread apply all backtrace 30"])
        // Neither the fault shim nor a download of symbols.
        .env_remove("LD_PRELOAD")
        .env_remove("DEBUGINFOD_URLS")
        .stdout(file)
        .stderr(std::process::Stdio::null())
        .status();
    if traced.is_err() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let is_trace = |line: &&str| line.starts_with('#') || line.starts_with("Thread ");
    text.lines().filter(is_trace).map(str::to_owned).collect()
}
