// SPDX-License-Identifier: MPL-2.0
//! A folder, the service in it, and its clients.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{Finished, Launch, Running};

use crate::material;

/// The longest that anything here may take.
pub(crate) const BOUND: Duration = Duration::from_secs(50);

/// Quick, and small budgets.
pub(crate) const QUICK: &str = "svtav1:preset=12,crf=45,watchdog-timeout=1000000000,\
     drain-timeout=1000000000,close-timeout=1000000000";

/// What `curl` is told to speak.
pub(crate) const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

/// With `--fail`: a status that is none of success.
pub(crate) const STATUS: i32 = 22;

/// What is made before a service is started.
pub(crate) struct Options<'a> {
    /// Of the command line.
    pub(crate) arguments: &'a [&'a str],
    pub(crate) video: &'a str,
    /// For the fault shim.
    pub(crate) script: &'a str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            arguments: &[],
            video: QUICK,
            script: "",
        }
    }
}

/// The service. Dropped, it is killed.
pub(crate) struct Service {
    folder: tempfile::TempDir,
    running: Option<Running>,
    pub(crate) port: u16,
    pub(crate) health: u16,
}

impl Service {
    /// Starts it in a folder with `in.mp4`.
    pub(crate) fn start(options: &Options<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        material::film(&folder.path().join("in.mp4"));
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        let common = ["--listen", "0", "--health", "0", "--spool", "spool"];
        let mut launch = Launch::program(env!("CARGO_BIN_EXE_oneshot"))
            .in_folder(folder.path())
            .args(common)
            .args(["--retry-after", "1", "--video", options.video])
            .args(options.arguments)
            // What is given back to it, glibc keeps for each of as many threads.
            .env("MALLOC_ARENA_MAX", "2")
            .bound(BOUND);
        if !options.script.is_empty() {
            launch = launch.rehearse(options.script);
        }
        let mut running = launch.start();
        running.wait_for("listening on");
        let port = |about: &str| {
            let lines = running.lines();
            let line = lines.iter().find(|line| line.text.contains(about));
            let url = line.unwrap().text.rsplit(':').next().unwrap().to_owned();
            url.trim_end_matches('/').parse().unwrap()
        };
        Self {
            port: port("listening on"),
            health: port("health at"),
            folder,
            running: Some(running),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `curl` that posts a file, and says status and version at the end of its output.
    pub(crate) fn curl(&self, input: &str, arguments: &[&str]) -> Launch {
        Launch::program("curl")
            .in_folder(self.folder.path())
            .args([
                "--silent",
                "--show-error",
                "--write-out",
                "\n%{http_code}/%{http_version}\n",
            ])
            .args(["--data-binary", &format!("@{input}")])
            .args(arguments)
            .args([format!("http://127.0.0.1:{}/", self.port)])
            .bound(BOUND)
    }

    /// Runs it, and expects this exit code and this status.
    pub(crate) fn post(&self, input: &str, arguments: &[&str], code: i32, status: u16) -> Finished {
        let run = self.curl(input, arguments).run();
        let said = self.text();
        assert_eq!(run.code(), code, "{arguments:?}: {}\n{said}", run.text());
        self.has_status(run, arguments, status)
    }

    /// Runs it, and expects that the body of a success was cut off.
    pub(crate) fn post_cut_off(&self, input: &str, arguments: &[&str]) -> Finished {
        let run = self.curl(input, arguments).run();
        assert!(is_cut_off(&run), "{}\n{}", run.text(), self.text());
        self.has_status(run, arguments, 200)
    }

    fn has_status(&self, run: Finished, arguments: &[&str], status: u16) -> Finished {
        let said = self.text();
        let wanted = format!("{status}/");
        assert!(run.says(&wanted), "{arguments:?}: {}\n{said}", run.text());
        run
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// What the service has said.
    pub(crate) fn text(&self) -> String {
        let lines = self.running.as_ref().unwrap().lines();
        let lines: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        lines.join("\n")
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Finished {
        self.running.take().unwrap().finish()
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn end(mut self, signal: i32) -> Finished {
        let running = self.running.take().unwrap();
        running.signal(signal);
        running.finish()
    }

    /// A line of `/proc/PID/status`, in kB.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let process = self.running.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().trim_start_matches(':').trim();
        number.trim_end_matches(" kB").parse().unwrap()
    }

    /// Files that are open and have no name: uploads.
    pub(crate) fn uploads(&self) -> usize {
        let process = self.running.as_ref().unwrap().id();
        let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let spool = self.path("spool");
        let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        let uploads: BTreeSet<PathBuf> = links.filter(|link| link.starts_with(&spool)).collect();
        uploads.len()
    }

    /// The status of a path of the health service.
    pub(crate) fn health(&self, path: &str) -> u16 {
        support::http::get(self.health, path).unwrap().status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(libc::SIGKILL);
            // Where a wait has failed, its lines cannot be read any more.
            if !std::thread::panicking() {
                running.end();
            }
        }
    }
}

/// `curl` has got a part of a body (18, over HTTP/1.1) or a stream that was reset (92).
pub(crate) fn is_cut_off(run: &Finished) -> bool {
    [18, 92].contains(&run.code())
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < BOUND, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
