// SPDX-License-Identifier: MPL-2.0
//! Disks that are not there, full or dead.

use std::time::Duration;

use support::{Finished, Launch, media, rehearsal};

use crate::rig::SOON;

const WEDGE: &str = "dav1d_send_data:hang@20";

fn decodes_with_evidence_in(place: &str) -> Launch {
    Launch::pipeline(&format!(
        "filesrc location={} ! matroskademux ! dav1dwatchdec name=codec {SOON} \
         evidence-dir={place} ! fakesink",
        media::clip().display()
    ))
    .rehearse(WEDGE)
}

fn failed_as_always(run: &Finished) {
    assert_eq!(run.code(), 1, "{}", run.text());
    assert!(run.says("stuck in dav1d_send_data"), "{}", run.text());
}

/// The error ends `gst-launch-1.0` before the warning can be on its bus; it is in the log,
/// or on stderr if the element was gone by then.
fn warned(run: &Finished, text: &str) {
    failed_as_always(run);
    let lines = run.lines.iter().map(|line| &line.text);
    let warning = |line: &&String| line.contains("could not be written");
    let warnings: Vec<_> = lines.filter(warning).collect();
    assert!(!warnings.is_empty(), "{}", run.text());
    assert!(
        warnings.iter().all(|line| line.contains(text)),
        "{warnings:?}"
    );
}

#[test]
fn a_place_that_is_missing_or_no_folder_is_named_and_the_error_is_what_it_is() {
    let run = decodes_with_evidence_in("/nowhere")
        .env("GST_DEBUG", "codecwatch:3")
        .run();
    warned(&run, "/nowhere: No such file or directory");
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let run = decodes_with_evidence_in(path)
        .env("GST_DEBUG", "codecwatch:3")
        .run();
    warned(&run, &format!("{path}: Not a directory"));
}

#[test]
fn a_full_disk_leaves_no_half_folder() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_str().unwrap();
    let run = Launch::program("sh")
        .args(["-c", "ulimit -f 8; trap '' XFSZ; exec \"$@\"", "sh"])
        .args([
            "gst-launch-1.0",
            "-m",
            "filesrc",
            &format!("location={}", media::clip().display()),
            "!",
            "matroskademux",
            "!",
            "dav1dwatchdec",
            "watchdog-timeout=700000000",
            &format!("evidence-dir={path}"),
            "!",
            "fakesink",
        ])
        .rehearse(WEDGE)
        .env("GST_DEBUG", "codecwatch:3")
        .run();
    warned(&run, "File too large");
    assert_eq!(
        std::fs::read_dir(path).unwrap().count(),
        0,
        "{}",
        run.text()
    );
}

#[test]
fn a_disk_that_hangs_delays_neither_the_error_nor_the_end() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path().join(rehearsal::HANGING_DISK.trim_matches('/'));
    std::fs::create_dir(&place).unwrap();
    let run = decodes_with_evidence_in(place.to_str().unwrap())
        .preload(&rehearsal::hanging_disk())
        .bound(Duration::from_secs(60))
        .run();
    failed_as_always(&run);
    let (wedged, error) = (run.when("hangs (call 20"), run.when("ERROR: from element"));
    assert!(error - wedged < Duration::from_secs(10), "{}", run.text());
    // The process waits for what is being written, and not for long.
    assert!(run.took - error < Duration::from_secs(15), "{}", run.text());
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}
