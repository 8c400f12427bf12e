// SPDX-License-Identifier: MPL-2.0
//! SIGTERM at any moment, from the start of the process on.

use std::time::{Duration, Instant};

use support::{Launch, http};

use crate::rig::{LIVE, going_wrong};

/// Of the elements below.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The time that an end may take beyond that, on a loaded machine.
const SLACK: Duration = Duration::from_secs(5);

/// Programs with pipelines that are healthy, wedged, or wedged while they open.
fn programs() -> Vec<(String, Launch)> {
    let healthy = format!("{LIVE} ! svtav1watchenc preset=12 close-timeout=1000000000 ! fakesink");
    let wedged = going_wrong("stuck", "how=sleep", "");
    let closing = format!(
        "{LIVE} ! codecwatch codec=\"wedge at=paused-to-ready how=sleep\" \
         close-timeout=1000000000 ! fakesink"
    );
    let opening = format!(
        "{LIVE} ! codecwatch codec=\"wedge at=ready-to-paused how=sleep\" \
         open-timeout=1000000000 close-timeout=1000000000 ! fakesink"
    );
    let mut programs = Vec::new();
    for pipeline in [healthy, wedged, closing, opening] {
        let graceful = Launch::program(env!("CARGO_BIN_EXE_codecwatch-stage")).args([&pipeline]);
        programs.push((format!("stage: {pipeline}"), graceful.told()));
        // It knows of no SIGTERM.
        let shell = format!("exec gst-launch-1.0 --no-fault -q {}", quoted(&pipeline));
        let plain = Launch::program("sh").args(["-c", &shell]);
        programs.push((format!("gst-launch-1.0: {pipeline}"), plain));
    }
    programs
}

/// For a shell: `(` and `!` mean something there; quotes are as they are.
fn quoted(pipeline: &str) -> String {
    pipeline
        .replace('!', "\\!")
        .replace('(', "\\(")
        .replace(')', "\\)")
}

/// Terminates programs at `moments` random moments.
fn terminate(moments: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(moments);
    let (mut worst, mut served) = ((Duration::ZERO, String::new()), 0);
    for round in 0..moments {
        let mut programs = programs();
        let at = usize::try_from(round).unwrap() % programs.len();
        let (name, launch) = programs.swap_remove(at);
        let file = folder.path().join(format!("port{round}"));
        let tracers = format!("codecwatch(listen=0,port-file={})", file.display());
        let running = launch.env("GST_TRACERS", tracers).start();
        let moment = Duration::from_millis(random.u64(0..2_500));
        std::thread::sleep(moment);
        // Written before anything else can be seen of it.
        let port = std::fs::read_to_string(&file).ok();
        let began = Instant::now();
        running.signal(libc::SIGTERM);
        let ended = running.finish();
        let took = began.elapsed();
        let what = format!("{name}, after {moment:?}: {took:?}: {}", ended.text());
        assert!(took < CLOSE_TIMEOUT + SLACK, "{what}");
        // With 1, a wedge has ended it just before.
        assert!(
            [0, 1, 128 + libc::SIGTERM].contains(&ended.code()),
            "{what}"
        );
        if let Some(port) = port {
            served += 1;
            assert!(!http::listens(port.trim().parse().unwrap()), "{what}");
        }
        if took > worst.0 {
            worst = (took, format!("{name}, after {moment:?}"));
        }
    }
    println!("{moments} moments, {served} of them while served: the longest end took {worst:?}");
    assert!(
        served > moments / 4,
        "hardly any moment was one with a service"
    );
}

#[test]
fn a_terminated_process_ends_and_its_port_with_it() {
    terminate(16);
}

#[test]
#[ignore = "takes five minutes"]
fn a_process_that_is_terminated_at_two_hundred_moments_ends_each_time() {
    terminate(200);
}
