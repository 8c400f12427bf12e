// SPDX-License-Identifier: MPL-2.0
//! The page in a browser: a wedged, a slow and a restarted codec, and three healthy ones.

use std::path::PathBuf;
use std::time::Duration;

use crate::browser::Browser;
use crate::rig::{LIVE, Stage, going_wrong};

/// Names the file that gets a picture of the page, for the documentation.
const PICTURE: &str = "CODECWATCH_PICTURE";

#[test]
#[ignore = "needs a browser: ./dev test --long installs one"]
fn the_page_shows_in_a_browser_what_codecs_do() {
    let Some(mut browser) = Browser::start() else {
        return support::skip("health", "no chromium is installed");
    };
    let healthy = format!(
        "{LIVE} ! svtav1watchenc name=camera preset=12 low-latency=true ! av1parse ! \
         dav1dwatchdec name=preview ! fakesink"
    );
    let third = format!("{LIVE} ! codecwatch name=stills codec=jpegenc ! fakesink");
    let wedged = going_wrong("archive", "how=sleep", "watchdog-timeout=5000000000");
    let slow = going_wrong(
        "upload",
        "how=spin time=600000",
        "watchdog-timeout=4000000000",
    );
    let restarted = going_wrong("studio", "how=error", "restart-limit=5");
    let mut stage = Stage::new(&[&healthy, &third, &wedged, &slow, &restarted]);
    browser.open(&format!("http://127.0.0.1:{}/", stage.port));
    let cell = |name: &str, n: u32| {
        format!("document.querySelector('[data-element={name}] td:nth-child({n})').innerText")
    };
    browser.until("document.querySelectorAll('tr.element').length === 6");
    stage.until("restarted", |stage| {
        stage.element("studio")["restarts"].as_u64() > Some(0)
    });
    stage.tell("heal studio");
    browser.until(&format!("{} === 'wedged'", cell("archive", 4)));
    browser.until(&format!("{} === 'slow'", cell("upload", 4)));
    browser.until("document.querySelector('#status').innerText === 'unready'");
    browser.until("document.querySelector('#reasons').innerText.includes('archive is wedged')");
    for name in ["camera", "preview", "stills", "studio"] {
        let verdict = browser.value(&cell(name, 4));
        let healthy = ["idle", "working", "backpressured"];
        assert!(
            healthy.iter().any(|known| verdict == *known),
            "{name}: {verdict}"
        );
    }
    assert_eq!(browser.value(&cell("studio", 11)), "1", "its restarts");
    let faults = browser.value("document.querySelector('#faults').innerText");
    for kind in ["failed", "slow", "restarted"] {
        assert!(faults.as_str().unwrap().contains(kind), "{faults}");
    }
    // The age of the call goes on, and so do the frames of a healthy one.
    let before = browser.value(&cell("camera", 8));
    let frames = cell("camera", 8);
    browser.until(&format!("Number({frames}) > Number({before})"));
    let colours = "[...document.querySelectorAll('[data-element=archive] .history i')]\
                   .map((part) => part.className).join()";
    let colours = browser.value(colours);
    assert!(colours.as_str().unwrap().ends_with("wedged"), "{colours}");
    // Details come with a click, stay while the page is drawn anew, and go with another.
    let details = "document.querySelector('[data-of=archive]')";
    assert_eq!(browser.value(&format!("{details} === null")), true);
    browser.click("[data-element=archive] td");
    browser.until(&format!(
        "{details}.innerText.includes('WatchdogAbandoned')"
    ));
    std::thread::sleep(Duration::from_millis(2_500));
    let text = browser.value(&format!("{details}.innerText"));
    assert!(
        text.as_str().unwrap().contains("/GstCodecWatch:archive"),
        "{text}"
    );
    browser.click("[data-element=archive] td");
    browser.until(&format!("{details} === null"));
    if let Some(file) = std::env::var_os(PICTURE) {
        // Some history.
        std::thread::sleep(Duration::from_secs(40));
        browser.picture(&PathBuf::from(file));
    }
    // What is gone is not shown, and a process that is gone is said to be.
    stage.tell("drop 2");
    browser.until("document.querySelectorAll('tr.element').length === 5");
    browser.until("document.querySelector('#status').innerText === 'ready'");
    stage.quit();
    browser.until("document.querySelector('#status').innerText === 'no answer'");
}
