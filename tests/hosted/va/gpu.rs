// SPDX-License-Identifier: MPL-2.0
//! A process that has a GPU, as far as GStreamer and libva can tell.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use support::{Finished, Launch};

const SUITE: &str = "hosted";
const DEVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/va-driver/gpu.umockdev");

/// The folder in which libva looks for drivers, with the one of these tests.
fn drivers() -> PathBuf {
    let folder = support::target_dir().join("va-drivers");
    std::fs::create_dir_all(&folder).unwrap();
    let library = support::target_dir().join("deps/libcodecwatch_va_driver.so");
    assert!(library.exists(), "{library:?}");
    // Already there when several tests start at once.
    let _ = std::os::unix::fs::symlink(library, folder.join("codecwatch_drv_video.so"));
    folder
}

/// The program that looks for hardware codecs.
pub(super) const LOOKS_FOR_HARDWARE: &str = env!("CARGO_BIN_EXE_codecwatch-hardware-tests");

/// Runs it where there is a GPU, whose driver does what the script says.
pub(super) fn with_gpu(launch: Launch, script: &str) -> Launch {
    launch
        .env("CODECWATCH_HARDWARE", LOOKS_FOR_HARDWARE)
        .env("LIBVA_DRIVER_NAME", "codecwatch")
        .env("LIBVA_DRIVERS_PATH", drivers())
        .env(
            "GST_REGISTRY",
            support::target_dir().join("registry-va.bin"),
        )
        .env("CODECWATCH_VA_REHEARSE", script)
        .preload(&support::rehearsal::render_node())
        .bound(Duration::from_secs(60))
        // umockdev-run does not end its child when it is killed.
        .under("timeout", ["--signal=KILL", "50"])
        .under("umockdev-run", ["--device", DEVICE, "--"])
}

/// Why there can be no GPU here, if there cannot. Also makes GStreamer look for
/// plugins, while the driver does as it should.
fn missing(element: &str) -> Option<String> {
    let found = Command::new("umockdev-run").arg("--version").output();
    if found.is_err() {
        return Some("umockdev is not installed".to_owned());
    }
    let inspected = with_gpu(Launch::program("gst-inspect-1.0"), "")
        .args([element])
        .run();
    (inspected.code() != 0).then(|| {
        format!("the va plugin does not take the driver: there is no {element} (GST_DEBUG=va*:6)")
    })
}

/// Whether there can be no GPU with this element here: the test is skipped.
pub(super) fn is_missing(element: &str) -> bool {
    let why = missing(element);
    if let Some(why) = &why {
        support::skip(SUITE, why);
    }
    why.is_some()
}

/// The test of this name again, in a process that has a GPU with this element. `None` if
/// there is none on this machine: the test is skipped.
pub(super) fn again(name: &str, element: &str, script: &str) -> Option<Finished> {
    if is_missing(element) {
        return None;
    }
    // Each mocked device is a new file, so GStreamer would look for plugins again, while
    // the driver does what the script says.
    let run = with_gpu(Launch::this_test(name), script)
        .env("GST_REGISTRY_UPDATE", "no")
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("1 passed"), "{}", run.text());
    Some(run)
}
