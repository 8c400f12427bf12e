// SPDX-License-Identifier: MPL-2.0
//! The media that tests use.

use std::path::PathBuf;

/// 132 frames of AV1, 1280x720, 25 fps.
pub fn clip() -> PathBuf {
    file("bbb-720p25.mkv")
}

/// The same pictures in H.264, in MP4.
pub fn h264_clip() -> PathBuf {
    file("bbb-720p25-h264.mp4")
}

fn file(name: &str) -> PathBuf {
    let folder = std::env::var_os("CODECWATCH_MEDIA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("media"),
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}
