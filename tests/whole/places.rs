// SPDX-License-Identifier: MPL-2.0
//! Places where nothing can be written, or somebody else writes.

use gst::prelude::*;
use support::Launch;

use crate::rig::{FRAMES, Folder, SOURCE, frames, pipeline, play};

fn refusal(location: &str) -> String {
    let location = if location.is_empty() {
        String::new()
    } else {
        format!("location={location}")
    };
    let pipeline = pipeline(&format!(
        "{SOURCE} ! vp8enc deadline=1 ! matroskamux ! wholefilesink {location}"
    ));
    play(&pipeline).unwrap_err()
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_plays() {
    let folder = Folder::new();
    let inside = folder.path("none/a.mkv");
    let is_a_folder = folder.path("");
    let mut cases = vec![
        ("", "set the property 'location'"),
        (inside.to_str().unwrap(), "there is no folder"),
        (is_a_folder.to_str().unwrap(), "is a folder"),
        ("/dev/null", "no regular file"),
    ];
    if std::path::Path::new("/sys/kernel").exists() {
        // Not writable for root either.
        cases.push(("/sys/a.mkv", "/sys is not writable"));
    }
    for (location, says) in cases {
        let text = refusal(location);
        assert!(text.contains(says), "{location}: {text}");
    }
}

#[test]
fn a_second_writer_is_refused_and_the_first_one_s_file_is_whole() {
    let folder = Folder::new();
    let target = folder.path("a.mkv");
    let stream = format!(
        "vp8enc deadline=1 ! matroskamux ! wholefilesink location={}",
        target.display()
    );
    let first = pipeline(&format!("{SOURCE} ! identity name=gate ! {stream}"));
    let second = format!("{SOURCE} ! {stream}");
    first.set_state(gst::State::Paused).unwrap();
    let text = play(&pipeline(&second)).unwrap_err();
    assert!(text.contains("written by another"), "{text}");
    let run = Launch::pipeline(&second).run();
    assert!(
        run.code() != 0 && run.says("written by another"),
        "{}",
        run.text()
    );
    assert_eq!(play(&first), Ok(()));
    assert_eq!(frames(&target), Ok(FRAMES));
    // Afterwards it can be replaced.
    assert_eq!(play(&pipeline(&second)), Ok(()));
}

/// Runs a shell script with mounts of its own. `None` where the machine does not let.
fn with_mounts(script: &str) -> Option<support::Finished> {
    let unshare = |script: &str| {
        Launch::program("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .run()
    };
    let allowed = unshare("mount -t tmpfs none /mnt").code() == 0;
    if !allowed {
        support::skip("wholefilesink", "mounts are not allowed here");
    }
    allowed.then(|| unshare(script))
}

#[test]
fn a_disk_that_fills_up_leaves_what_was_there() {
    for (keep, names) in [
        ("false", "a.mkv"),
        ("true", "a.mkv a.mkv.codecwatch-partial"),
    ] {
        let Some(run) = with_mounts(&format!(
            "mount -t tmpfs -o size=256k none /mnt && echo before > /mnt/a.mkv \
             && gst-launch-1.0 videotestsrc num-buffers=1000 pattern=snow ! \
             video/x-raw,width=320,height=240 ! vp8enc deadline=1 target-bitrate=5000000 \
             ! matroskamux ! wholefilesink keep-partial={keep} location=/mnt/a.mkv; \
             echo code $?; echo names $(ls /mnt); echo target $(cat /mnt/a.mkv)"
        )) else {
            return;
        };
        let text = run.text();
        assert!(text.contains("No space left"), "{text}");
        assert!(text.contains("code 1"), "{text}");
        assert!(text.contains(&format!("names {names}\n")), "{text}");
        assert!(text.contains("target before"), "{text}");
    }
}

#[test]
fn a_disk_that_is_full_when_the_rest_is_written_leaves_what_was_there() {
    // Less than the sink collects before it writes.
    let Some(run) = with_mounts(
        "mount -t tmpfs -o size=8k none /mnt \
         && gst-launch-1.0 fakesrc num-buffers=5 sizetype=fixed sizemax=4096 filltype=zero \
         ! wholefilesink location=/mnt/a.bin; echo code $?; echo names $(ls /mnt) end",
    ) else {
        return;
    };
    let text = run.text();
    assert!(
        text.contains("No space left") && text.contains("code 1"),
        "{text}"
    );
    assert!(text.contains("names end"), "{text}");
}

#[test]
fn a_file_that_is_mounted_is_refused_before_anything_plays() {
    let Some(run) = with_mounts(
        "mount -t tmpfs none /mnt && touch /mnt/a.mkv && mount --bind /mnt/a.mkv /mnt/a.mkv \
         && gst-launch-1.0 fakesrc num-buffers=5 ! wholefilesink location=/mnt/a.mkv; \
         echo names $(ls /mnt) end",
    ) else {
        return;
    };
    let text = run.text();
    assert!(text.contains("is a mount point"), "{text}");
    assert!(text.contains("names a.mkv end"), "{text}");
}
