// SPDX-License-Identifier: MPL-2.0
//! What a native library is handed when a session is opened, as the fault shim's log
//! says it.

use std::collections::BTreeMap;
use std::path::Path;

use support::{Finished, Launch};

use crate::rig::Element;

/// The settings by their names in the library's header.
pub(crate) type Handed = BTreeMap<String, i64>;

/// The script that logs them.
pub(crate) const TRACE: &str = "svt_av1_enc_set_parameter:trace,dav1d_open:trace";

/// A file for the shim's log.
pub(crate) fn log() -> tempfile::TempPath {
    tempfile::NamedTempFile::new().unwrap().into_temp_path()
}

/// Has the program's settings logged.
pub(crate) fn traced(launch: Launch, script: &str, log: &Path) -> Launch {
    launch.rehearse(script).env("CODECWATCH_REHEARSE_LOG", log)
}

/// What each session of a log was handed.
pub(crate) fn sessions(log: &Path, run: &Finished) -> Vec<Handed> {
    let log = std::fs::read_to_string(log).unwrap();
    let sessions: Vec<Handed> = log
        .lines()
        .filter_map(|line| line.split_once(" is handed "))
        .map(|(_, settings)| {
            let settings = settings.split_whitespace();
            let pairs = settings.map(|setting| setting.split_once('=').unwrap());
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
            pairs.collect()
        })
        .collect();
    assert!(!sessions.is_empty(), "nothing was opened: {}", run.text());
    sessions
}

/// What the library is handed with these properties.
pub(crate) fn with(element: Element, properties: &str) -> Handed {
    let log = log();
    let run = traced(element.launch(properties), TRACE, &log).run();
    assert_eq!(run.code(), 0, "{properties}: {}", run.text());
    sessions(&log, &run).remove(0)
}

/// What differs from `before`.
pub(crate) fn changed(before: &Handed, after: &Handed) -> Handed {
    let after = after.iter();
    let changed = after.filter(|(name, value)| before.get(*name) != Some(value));
    changed
        .map(|(name, value)| (name.clone(), *value))
        .collect()
}
