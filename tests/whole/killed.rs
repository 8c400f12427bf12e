// SPDX-License-Identifier: MPL-2.0
//! SIGKILL at random moments.

use std::time::Duration;

use support::Launch;

use crate::rig::{CONTAINERS, FRAMES, Folder, SOURCE, frames};

/// Kills `times` runs, each with another muxer than the one before, and each with or
/// without a file that is there before. How many had put theirs in place.
fn kill(times: u32) -> u32 {
    let mut whole = 0;
    // Any odd multiplier will do: the moments are spread over a run, with the last fifth
    // behind its end.
    for time in 0..times {
        let container = &CONTAINERS[time as usize % CONTAINERS.len()];
        let folder = Folder::new();
        let target = folder.path(&format!("a.{}", container.extension));
        let before = (time / 4) % 2 == 1;
        if before {
            std::fs::write(&target, "before").unwrap();
        }
        let launch = || {
            Launch::pipeline(&format!(
                "{SOURCE} ! {} ! wholefilesink location={}",
                container.stream,
                target.display()
            ))
        };
        let mut run = launch().start();
        // Loading takes its time, which is not what matters.
        run.wait_for("PREROLL");
        let moment = Duration::from_micros(u64::from(time.wrapping_mul(2_654_435_761) % 150_000));
        std::thread::sleep(moment);
        run.signal(libc::SIGKILL);
        run.end();

        match std::fs::read(&target) {
            Err(_) => assert!(!before),
            Ok(bytes) if bytes == b"before" => assert!(before),
            Ok(_) => {
                assert_eq!(frames(&target), Ok(FRAMES), "{}", target.display());
                whole += 1;
            }
        }
        let others = folder
            .names()
            .into_iter()
            .filter(|name| !target.ends_with(name) && !name.ends_with(".codecwatch-partial"));
        assert_eq!(others.count(), 0);
        // What was left behind is in nobody's way.
        let again = launch().run();
        assert_eq!(again.code(), 0, "{}", again.text());
        assert_eq!(folder.names().len(), 1);
        assert_eq!(frames(&target), Ok(FRAMES));
    }
    whole
}

#[test]
fn a_process_that_is_killed_leaves_the_target_absent_as_before_or_whole() {
    kill(12);
}

#[test]
#[ignore = "takes minutes"]
fn the_same_two_hundred_times() {
    let whole = kill(200);
    // Before and after the end, or nothing was shown.
    assert!((10..190).contains(&whole), "{whole}");
}
