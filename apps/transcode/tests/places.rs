// SPDX-License-Identifier: MPL-2.0
//! What is written where, and what is left alone.

use std::path::Path;

use crate::facts;
use crate::material::{film, make};
use crate::rig::{Folder, QUICK};

fn filmed() -> Folder {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    folder
}

#[test]
fn the_input_is_never_the_output() {
    let folder = filmed();
    let before = std::fs::read(folder.path("in.mp4")).unwrap();
    std::fs::hard_link(folder.path("in.mp4"), folder.path("again.mp4")).unwrap();
    std::os::unix::fs::symlink("in.mp4", folder.path("link.mp4")).unwrap();
    for output in ["in.mp4", "again.mp4", "link.mp4", "./in.mp4"] {
        for arguments in [
            &["transcode", "in.mp4", output, "--video", QUICK][..],
            &["plan", "in.mp4", "--to", output, "-o", "job.json"],
            &["plan", "in.mp4", "-o", output],
        ] {
            let run = folder.run(arguments, 1);
            assert!(run.says("is the input itself"), "{}", run.text());
        }
    }
    assert_eq!(std::fs::read(folder.path("in.mp4")).unwrap(), before);
}

#[test]
fn a_plan_replaces_a_plan_and_nothing_else() {
    let folder = filmed();
    std::fs::write(folder.path("out.mkv"), b"a film\xff").unwrap();
    let run = folder.run(&["plan", "in.mp4", "-o", "out.mkv"], 1);
    assert!(run.says("is there and no plan"), "{}", run.text());
    assert_eq!(
        std::fs::read(folder.path("out.mkv")).unwrap(),
        b"a film\xff"
    );
    for _ in 0..2 {
        folder.run(&["plan", "in.mp4", "-o", "job.json"], 0);
    }
}

#[test]
fn what_join_could_not_write_is_not_planned() {
    let folder = filmed();
    for (output, says) in [
        ("out.avi", "the container is chosen by the name"),
        ("nowhere/out.mkv", "there is no folder nowhere"),
    ] {
        let run = folder.run(&["plan", "in.mp4", "--to", output, "-o", "job.json"], 1);
        assert!(run.says(says), "{}", run.text());
    }
    make(&format!(
        "videotestsrc num-buffers=60 ! video/x-raw,width=160,height=96 ! x264enc bframes=2 key-int-max=15 \
         ! video/x-h264,stream-format=byte-stream ! filesink location={}",
        folder.path("bare.h264").display()
    ));
    let run = folder.run(
        &["plan", "bare.h264", "--to", "out.mkv", "-o", "job.json"],
        1,
    );
    assert!(run.says("transcode it as a whole"), "{}", run.text());
    assert!(!folder.path("job.json").exists());
}

#[test]
fn chunks_of_what_a_file_was_before_are_not_those_of_what_it_is() {
    let folder = filmed();
    let plan = [
        "plan", "in.mp4", "--to", "out.mkv", "--video", QUICK, "-o", "job.json",
    ];
    let chunk = ["chunk", "job.json", "0"];
    folder.run(&plan, 0);
    folder.run(&chunk, 0);
    folder.run(&plan, 0);
    let run = folder.run(&chunk, 0);
    assert!(run.says("is there already"), "{}", run.text());
    // As large as before.
    let bytes = std::fs::read(folder.path("in.mp4")).unwrap();
    std::fs::write(folder.path("in.mp4"), bytes).unwrap();
    folder.run(&plan, 0);
    let run = folder.run(&chunk, 0);
    assert!(!run.says("is there already"), "{}", run.text());
}

#[test]
fn several_films_in_one_file_are_no_plan() {
    let folder = Folder::new();
    let mut bytes = Vec::new();
    for name in ["1.ogg", "2.ogg"] {
        let path = folder.path(name);
        make(&format!(
            "audiotestsrc num-buffers=200 ! vorbisenc ! oggmux ! filesink location={}",
            path.display()
        ));
        bytes.extend(std::fs::read(path).unwrap());
    }
    std::fs::write(folder.path("both.ogg"), bytes).unwrap();
    // How far the first has come when the second begins is a matter of threads.
    for _ in 0..10 {
        let run = folder.command(&["plan", "both.ogg"]).run();
        assert!([0, 4].contains(&run.code()), "{}", run.text());
    }
}

/// Lets the first track begin so many milliseconds later in its medium, as a film that was
/// trimmed without being encoded again.
fn trim(path: &Path, milliseconds: u32) {
    let mut bytes = std::fs::read(path).unwrap();
    let find = |bytes: &[u8], name: &[u8]| {
        let at = bytes.windows(4).position(|window| window == name);
        at.unwrap_or_else(|| panic!("no {name:?}")) + 4
    };
    let number =
        |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    // Version and flags, two times; version and flags, a count, a duration.
    let timescale = {
        let at = find(&bytes, b"mdhd") + 12;
        number(&bytes, at)
    };
    let at = find(&bytes, b"elst") + 12;
    let later = number(&bytes, at) + timescale * milliseconds / 1000;
    bytes[at..at + 4].copy_from_slice(&later.to_be_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn frames_that_an_edit_list_leaves_out_are_not_missing() {
    let folder = filmed();
    trim(&folder.path("in.mp4"), 700);
    folder.transcode("in.mp4", "out.mkv", &[], 0);
    let frames = facts::of(&folder.path("out.mkv")).video.times.len();
    assert!((50..100).contains(&frames), "{frames}");
}
