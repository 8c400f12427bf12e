// SPDX-License-Identifier: MPL-2.0
//! The fault shim.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The shim, compiled where `./dev test` has not done so.
pub fn shim() -> PathBuf {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        if let Some(path) = std::env::var_os("CODECWATCH_SHIM") {
            return path.into();
        }
        compiled("rehearse-tests.so", &[])
    })
    .clone()
}

/// The library under which the time of day jumps.
pub fn jumping_time() -> PathBuf {
    compiled("realtime-tests.so", &["realtime.c"])
}

/// The library under which the device of a mocked GPU is one.
pub fn render_node() -> PathBuf {
    compiled("drm-tests.so", &["drm.c"])
}

/// The library under which a disk hangs: whoever creates a folder in [`HANGING_DISK`].
pub fn hanging_disk() -> PathBuf {
    compiled("disk-tests.so", &["disk.c"])
}

/// A part of a path.
pub const HANGING_DISK: &str = "/hanging-disk/";

fn compiled(name: &str, sources: &[&str]) -> PathBuf {
    let target = crate::launch::target_dir().join(name);
    // Several test programs may do this at once: each moves its own into place.
    let own = target.with_extension(format!("{}.so", std::process::id()));
    let build = concat!(env!("CARGO_MANIFEST_DIR"), "/shims/build");
    let status = Command::new(build)
        .arg(&own)
        .args(sources)
        .status()
        .unwrap();
    assert!(status.success(), "{name} does not compile");
    std::fs::rename(&own, &target).unwrap();
    target
}
