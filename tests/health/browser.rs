// SPDX-License-Identifier: MPL-2.0
//! Chromium without a window, driven through its DevTools protocol. The protocol runs on
//! two pipes: lines that end with NUL, each a JSON object.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

/// The longest that the browser may take for anything.
const BOUND: Duration = Duration::from_secs(60);
const PROGRAM: &str = "chromium";

/// The browser, with one page.
pub(crate) struct Browser {
    child: Child,
    requests: File,
    answers: mpsc::Receiver<Value>,
    asked: u64,
    session: Option<String>,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts it; `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let version = Command::new(PROGRAM).arg("--version").output();
        if !version.is_ok_and(|version| version.status.success()) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| {
            let path = folder.path().join(name);
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            path
        };
        let (requests, answers) = (pipe("requests"), pipe("answers"));
        // It takes the protocol from these two descriptors.
        let script = "exec \"$0\" \"$@\" 3<\"$REQUESTS\" 4>\"$ANSWERS\"";
        let child = Command::new("sh")
            .args(["-c", script, PROGRAM])
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-first-run",
            ])
            // In a container of tests there are no privileges for its own.
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--hide-scrollbars", "--window-size=1280,1000"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .env("REQUESTS", &requests)
            .env("ANSWERS", &answers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let requests = File::options().write(true).open(requests).unwrap();
        let from = BufReader::new(File::open(answers).unwrap());
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for message in from.split(0) {
                let Ok(message) = message else { return };
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let mut browser = Self {
            child,
            requests,
            answers,
            asked: 0,
            session: None,
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        Some(browser)
    }

    /// Calls a method of the protocol, and returns its result.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut request = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap();
        loop {
            let answer = self.answers.recv_timeout(BOUND);
            let answer = answer.unwrap_or_else(|_| panic!("no answer to {request}"));
            // Others are events.
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{request}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Goes to an address.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let began = std::time::Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            let page = self.value("document.body?.innerText");
            assert!(began.elapsed() < BOUND, "never {expression}: {page}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Clicks into the middle of what a selector finds, with the mouse.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.value(&format!(
            "(() => {{ const box = document.querySelector({selector:?}).getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Takes a picture of the page, as PNG.
    pub(crate) fn picture(&mut self, file: &Path) {
        let taken = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let text = taken["data"].as_str().unwrap();
        let decode = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(File::create(file).unwrap())
            .spawn();
        let mut decode = decode.unwrap();
        let mut input = decode.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        assert!(decode.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
