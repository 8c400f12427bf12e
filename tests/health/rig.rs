// SPDX-License-Identifier: MPL-2.0
//! A process with pipelines, and its health.

use std::time::{Duration, Instant};

use serde_json::Value;
use support::http::{self, Answer};
use support::{Launch, Running};

/// Plenty of time for what takes little.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A live source for elements that take any raw video.
pub(crate) const LIVE: &str =
    "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=30/1";

/// A pipeline of a hosted element that does this to its thirtieth frame.
pub(crate) fn going_wrong(name: &str, how: &str, properties: &str) -> String {
    format!(
        "{LIVE} ! codecwatch name={name} codec=\"wedge at=chain number=30 {how}\" \
         watchdog-timeout=1000000000 close-timeout=1000000000 {properties} ! fakesink"
    )
}

/// The process.
pub(crate) struct Stage {
    pub(crate) running: Running,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl Stage {
    /// The file that says that it drains.
    pub(crate) fn drain_file(&self) -> std::path::PathBuf {
        self.folder.path().join("drain")
    }

    /// With these pipelines.
    pub(crate) fn new(pipelines: &[&str]) -> Self {
        Self::with(pipelines, "", |launch| launch)
    }

    /// The same with further parameters of the tracer, and otherwise changed.
    pub(crate) fn with(
        pipelines: &[&str],
        parameters: &str,
        change: impl FnOnce(Launch) -> Launch,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let tracers = format!(
            "codecwatch({parameters}listen=127.0.0.1:0,port-file={},drain-file={})",
            file.display(),
            folder.path().join("drain").display()
        );
        let launch = Launch::program(env!("CARGO_BIN_EXE_codecwatch-stage"))
            .args(pipelines)
            .env("GST_TRACERS", tracers)
            .told();
        let mut running = change(launch).start();
        running.wait_for("playing");
        let port = std::fs::read_to_string(file).unwrap();
        Self {
            running,
            port: port.trim().parse().unwrap(),
            folder,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(self.port, path).unwrap_or_else(|| panic!("no answer to {path}"))
    }

    /// `/health`.
    pub(crate) fn health(&self) -> Value {
        serde_json::from_str(&self.get("/health").body).unwrap()
    }

    /// An element, by its name.
    pub(crate) fn element(&self, name: &str) -> Value {
        let health = self.health();
        let elements = health["elements"].as_array().unwrap();
        let found = elements.iter().find(|element| element["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name}: {health}"))
            .clone()
    }

    /// A value of `/metrics`: of the series that begins like this.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let line = text.lines().find(|line| line.starts_with(series));
        line?.split(' ').next_back()?.parse().ok()
    }

    /// Waits until it is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < BOUND, "never {what}: {}", self.health());
            std::thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    /// Has the process obey, and waits until it has.
    pub(crate) fn tell(&mut self, line: &str) {
        self.running.tell(line);
        self.running.wait_for(&format!("done {line}"));
    }

    /// Ends it, as a program that deinitialises GStreamer. The service has ended by then.
    pub(crate) fn quit(mut self) -> support::Finished {
        self.running.tell("quit");
        let ended = self.running.finish();
        let file = self.folder.path().join("port");
        assert!(!file.exists(), "not closed: {}", ended.text());
        ended
    }
}
