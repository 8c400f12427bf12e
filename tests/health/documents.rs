// SPDX-License-Identifier: MPL-2.0
//! docs/HEALTH.md says what there is.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::{Stage, going_wrong};

/// A program of the environment with checkers that `./dev test` makes.
pub(crate) fn checker(program: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CODECWATCH_CHECKERS")
        .map_or_else(|| support::target_dir().join("../checkers"), PathBuf::from);
    let path = folder.join("bin").join(program);
    path.exists().then_some(path)
}

/// The names of all series of `/metrics`.
pub(crate) fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.split(['{', ' ']).next());
    names.map(str::to_owned).collect()
}

/// The names of metrics that a text has.
pub(crate) fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("codecwatch_"));
    names.map(str::to_owned).collect()
}

/// The families of `/metrics`, by the names that their series have; those of a histogram
/// without what follows.
fn families(metrics: &str) -> BTreeSet<String> {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        }
    });
    names.collect()
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/HEALTH.md");
    std::fs::read_to_string(path).unwrap()
}

/// The first cells of the rows of the table below a heading, without their backquotes.
fn described(document: &str, heading: &str) -> BTreeSet<String> {
    let section = document.split(&format!("\n{heading}\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("no {heading}"));
    let rows = section.lines().take_while(|line| !line.starts_with('#'));
    let rows = rows.filter(|line| line.starts_with("| `"));
    let cells = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    let names = cells.map(|cell| cell.trim().trim_matches('`').to_owned());
    names.collect()
}

/// The fields of an object, those of objects in it with a dot.
fn fields(of: &Value, before: &str, into: &mut BTreeSet<String>) {
    for (name, value) in of.as_object().unwrap() {
        let name = format!("{before}{name}");
        match value {
            Value::Object(_) => fields(value, &format!("{name}."), into),
            _ => {
                into.insert(name);
            }
        }
    }
}

#[test]
fn every_metric_and_every_field_is_described_and_no_other() {
    let wedged = going_wrong("stuck", "how=sleep", "");
    let stage = Stage::new(&[&wedged]);
    stage.until("wedged", |stage| stage.get("/readyz").status == 503);
    let document = document();
    let families = families(&stage.get("/metrics").body);
    assert_eq!(described(&document, "## Metrics"), families);
    let health = stage.health();
    let fields = |of: &Value| {
        let mut names = BTreeSet::new();
        fields(of, "", &mut names);
        names
    };
    assert_eq!(described(&document, "### The process"), fields(&health));
    for (list, heading) in [
        ("reasons", "### A reason"),
        ("elements", "### An element"),
        ("codecs", "### A codec"),
        ("faults", "### A fault"),
    ] {
        assert_eq!(
            described(&document, heading),
            fields(&health[list][0]),
            "{list}"
        );
    }
    stage.quit();
}

#[test]
fn the_numbers_are_openmetrics_to_the_reference_parser() {
    const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(len(list(text_string_to_metric_families(sys.stdin.read()))))
";
    // The environment is there, and empty, where nothing could be installed into it.
    let python = checker("python3").filter(|python| {
        let tried = Command::new(python)
            .args(["-c", "import prometheus_client"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    let Some(python) = python else {
        return support::skip("health", "no parser of OpenMetrics is installed");
    };
    let wedged = going_wrong("stuck", "how=sleep", "");
    let stage = Stage::new(&[&wedged]);
    stage.until("wedged", |stage| stage.get("/readyz").status == 503);
    let text = stage.get("/metrics").body;
    let mut parser = Command::new(python)
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = parser.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = parser.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}: {text}");
    let parsed: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    assert_eq!(parsed, families(&text).len());
    stage.quit();
}
