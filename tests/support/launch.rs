// SPDX-License-Identifier: MPL-2.0
//! Runs of `gst-launch-1.0` and other programs as child processes, with a bound.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::rehearsal;

/// Set in the process that a test makes of itself.
const CHILD: &str = "CODECWATCH_TEST_CHILD";

/// Whether this process was made by [`Launch::this_test`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Where cargo puts what it builds for these tests.
pub fn target_dir() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // Tests are in `deps`, programs beside it.
    program
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .unwrap()
        .to_owned()
}

/// The program of isolated sessions, built with the tests.
pub fn worker() -> PathBuf {
    target_dir().join("codecwatch-worker-tests")
}

/// The folder with the plugins.
fn plugin_dir() -> PathBuf {
    std::env::var_os("CODECWATCH_PLUGIN_DIR").map_or_else(
        || {
            // A folder with the plugins alone: GStreamer would search the whole
            // of cargo's.
            let folder = target_dir().join("gstreamer-tests");
            std::fs::create_dir_all(&folder).unwrap();
            // Here, not one folder up: cargo builds what a test needs into this one.
            for entry in std::fs::read_dir(target_dir().join("deps")).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if name.starts_with("libgst") && name.ends_with(".so") {
                    // Already there when several test programs start at once.
                    let _ = std::os::unix::fs::symlink(&path, folder.join(name));
                }
            }
            folder
        },
        PathBuf::from,
    )
}

/// A program to run, with what it needs to find the plugins.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    bound: Duration,
    escapes: bool,
}

/// A line of output and when it came, counted from the start.
#[derive(Debug, Clone)]
pub struct Line {
    /// Since the start.
    pub at: Duration,
    /// Without the line's end; of `gst-launch-1.0` also without backslashes.
    pub text: String,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Whether it had to be killed, because its bound had passed.
    pub killed: bool,
    /// How long it ran.
    pub took: Duration,
    /// Both outputs, as they came.
    pub lines: Vec<Line>,
}

impl Launch {
    /// `gst-launch-1.0 -m PIPELINE`: messages of the bus are in the output.
    pub fn pipeline(description: &str) -> Self {
        let mut launch = Self::program("gst-launch-1.0");
        launch.escapes = true;
        launch.command.args(["-m", "--no-fault"]);
        launch.command.args(description.split_whitespace());
        launch
    }

    /// Any program.
    pub fn program(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What `support::init` does in the process of a test.
            .env("G_DEBUG", "fatal-criticals")
            .env("GST_PLUGIN_PATH", plugin_dir())
            .env("CODECWATCH_WORKER", worker())
            .env("GST_REGISTRY", target_dir().join("registry-tests.bin"));
        Self {
            command,
            bound: Duration::from_secs(120),
            escapes: false,
        }
    }

    /// The test of this name, which is the one that runs, in a process of its own;
    /// there [`is_child`] says so.
    pub fn this_test(name: &str) -> Self {
        Self::program(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(CHILD, "1")
    }

    /// Keeps its standard input, for [`Running::tell`].
    pub fn told(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Runs it under another program, which is given it with its arguments.
    pub fn under<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(self, name: &str, args: I) -> Self {
        let mut command = Self::program(name).args(args).command;
        command.arg(self.command.get_program());
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Self { command, ..self }
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Leaves out an environment variable.
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in this folder.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs under the fault shim with this script.
    pub fn rehearse(self, script: &str) -> Self {
        self.env("LD_PRELOAD", rehearsal::shim())
            .env("CODECWATCH_REHEARSE", script)
    }

    /// Runs under a further library.
    pub fn preload(self, library: &Path) -> Self {
        let preloaded = self
            .command
            .get_envs()
            .find(|(name, _)| *name == "LD_PRELOAD");
        let mut libraries = OsString::from(library);
        if let Some((_, Some(others))) = preloaded {
            libraries.push(":");
            libraries.push(others);
        }
        self.env("LD_PRELOAD", libraries)
    }

    /// The longest that it may take; a program that takes longer is killed, and
    /// the test fails.
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let started = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|error| {
            panic!("{:?} does not start: {error}", self.command.get_program())
        });
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            read(child.stdout.take().unwrap(), started, self.escapes, &lines),
            read(child.stderr.take().unwrap(), started, self.escapes, &lines),
        ];
        Running {
            child,
            started,
            lines,
            readers,
            bound: self.bound,
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }
}

fn read(
    stream: impl Read + Send + 'static,
    started: Instant,
    escapes: bool,
    lines: &Arc<Mutex<Vec<Line>>>,
) -> std::thread::JoinHandle<()> {
    let lines = lines.clone();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while stream
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|read| read > 0)
        {
            // gst-launch-1.0 -m escapes what is inside nested structures.
            let mut text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if escapes {
                text = text.replace('\\', "");
            }
            lines.lock().unwrap().push(Line {
                at: started.elapsed(),
                text,
            });
            bytes.clear();
        }
    })
}

/// A program that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    started: Instant,
    lines: Arc<Mutex<Vec<Line>>>,
    readers: [std::thread::JoinHandle<()>; 2],
    bound: Duration,
}

impl Running {
    /// Waits for a line that contains `text`.
    pub fn wait_for(&mut self, text: &str) -> Duration {
        loop {
            let found = self
                .lines
                .lock()
                .unwrap()
                .iter()
                .find(|l| l.text.contains(text))
                .cloned();
            if let Some(line) = found {
                return line.at;
            }
            if self.started.elapsed() > self.bound || self.child.try_wait().unwrap().is_some() {
                panic!("never said {text:?}: {:#?}", self.lines.lock().unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a line to its standard input.
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Sends a signal, such as `libc::SIGINT`.
    pub fn signal(&self, signal: i32) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args([format!("-{signal}"), pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the end.
    pub fn finish(self) -> Finished {
        let bound = self.bound;
        let finished = self.end();
        assert!(
            !finished.killed,
            "hangs after {bound:?}: {:#?}",
            finished.lines
        );
        finished
    }

    /// Waits for the end, and makes it where the bound has passed.
    pub fn end(mut self) -> Finished {
        let mut killed = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > self.bound {
                killed = true;
                let _ = self.child.kill();
                break self.child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.started.elapsed();
        for reader in self.readers {
            reader.join().unwrap();
        }
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        Finished {
            status,
            killed,
            took,
            lines,
        }
    }
}

impl Finished {
    /// Whether any line contains `text`.
    pub fn says(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.text.contains(text))
    }

    /// When the first line came that contains `text`.
    pub fn when(&self, text: &str) -> Duration {
        self.lines
            .iter()
            .find(|line| line.text.contains(text))
            .unwrap_or_else(|| panic!("never said {text:?}: {:#?}", self.lines))
            .at
    }

    /// The lines as one text.
    pub fn text(&self) -> String {
        self.lines
            .iter()
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The exit code; 128 + n after signal n.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}
