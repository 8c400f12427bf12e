// SPDX-License-Identifier: MPL-2.0
//! What a folder says of each kind of fault.

use std::path::Path;

use support::Launch;

use crate::rig::{Place, SOON};

#[test]
fn a_wedge_leaves_its_error_settings_versions_threads_and_inputs() {
    for isolate in ["isolate=false", "isolate=true"] {
        let place = Place::new();
        let run = place
            .decodes(&format!("{isolate} n-threads=2 operating-point=1"))
            .rehearse("dav1d_send_data:hang@20")
            .run();
        let folder = place.folder(&run);
        let file = folder.file();
        assert!(file.text.contains("stuck in dav1d_send_data"), "{file:?}");
        assert_eq!(folder.detail("outcome"), "WatchdogAbandoned");
        assert_eq!(folder.detail("call"), "dav1d_send_data");
        assert_eq!((&*file.element, &*file.factory), ("codec", "dav1dwatchdec"));
        assert_eq!(file.settings.get("operating-point").unwrap(), 1);
        assert!(file.caps.get("sink").unwrap().starts_with("video/x-av1"));
        for component in ["gst-codecwatch", "GStreamer", "dav1d", "kernel"] {
            assert_ne!(file.versions.get(component).unwrap(), "");
        }
        let codec = file.codec.unwrap();
        assert_eq!(
            (&*codec.kind, codec.isolated),
            ("dav1d", isolate.ends_with("true"))
        );
        assert_eq!(codec.config.get("operating_point").unwrap(), 1);
        assert_eq!(file.notes, [""; 0]);

        let threads = folder.text("threads.txt");
        assert!(threads.contains("\"dav1d-worker\": asleep"), "{threads}");
        assert!(threads.contains("kernel wait: __do_sys_pause"), "{threads}");
        assert!(!folder.has("stacks.dmp"));

        let sample = file.sample.unwrap();
        assert!(sample.begins_at_key_frame && sample.cut_inputs == 0);
        assert!((10..40).contains(&sample.inputs), "{sample:?}");
        let played = folder.dav1d();
        let said = String::from_utf8_lossy(&played.stderr).into_owned();
        let whole = format!("Decoded {0}/{0} frames", sample.inputs);
        assert!(played.status.success() && said.contains(&whole), "{said}");
    }
}

#[test]
fn the_stacks_of_a_child_are_taken_before_it_is_killed() {
    let place = Place::new();
    let run = place
        .decodes("isolate=true isolate-dump=minidump")
        .rehearse("dav1d_send_data:hang@20")
        .run();
    let folder = place.folder(&run);
    let notes = folder.file().notes;
    if notes.iter().any(|note| note.contains("stacks.dmp")) {
        // A security module may allow it to ancestors only.
        let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
        assert!(scope.is_ok_and(|scope| scope.trim() != "0"), "{notes:?}");
        return support::skip("evidence", "no process may look at another's stacks here");
    }
    let stacks = std::fs::read(folder.0.join("stacks.dmp")).unwrap();
    assert!(stacks.starts_with(b"MDMP"), "{} bytes", stacks.len());
}

#[test]
fn a_crash_of_a_child_says_how_it_ended() {
    let place = Place::new();
    let run = place
        .decodes("isolate=true")
        .rehearse("dav1d_send_data:segv@20")
        .run();
    let folder = place.folder(&run);
    assert_eq!(folder.detail("outcome"), "CodecCrashed");
    assert!(folder.file().text.contains("signal 11"));
    assert!(folder.dav1d().status.success());
}

#[test]
fn each_fault_that_is_answered_with_a_restart_has_a_folder() {
    let place = Place::new();
    let run = place
        .decodes("restart-limit=1")
        .rehearse("dav1d_send_data:hang@20,dav1d_send_data:hang@80")
        .run();
    let folders = place.folders();
    assert_eq!(folders.len(), 2, "{folders:?}: {}", run.text());
    let sessions: Vec<_> = folders
        .iter()
        .map(|folder| folder.detail("session"))
        .collect();
    assert_eq!(sessions, ["1", "2"]);
    for folder in &folders {
        assert!(folder.dav1d().status.success());
    }
    // The message of the restart and the one that it is there.
    let path = folders[0].0.display().to_string();
    for message in ["codecwatch-restarted", "codecwatch-evidence"] {
        let mut lines = run.lines.iter().map(|line| &line.text);
        let says = lines.any(|line| line.contains(message) && line.contains(&path));
        assert!(says, "{message}: {}", run.text());
    }
}

#[test]
fn a_close_that_hangs_leaves_a_folder_and_the_stream_is_whole() {
    let place = Place::new();
    let run = place.decodes("").rehearse("dav1d_close:hang").run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let folder = place.folder(&run);
    assert_eq!(folder.detail("phase"), "closing");
    assert_eq!(folder.detail("outcome"), "Completed");
    assert!(folder.text("threads.txt").contains("__do_sys_pause"));
}

#[test]
fn an_encoder_leaves_a_folder_without_a_sample() {
    let place = Place::new();
    let source = "videotestsrc num-buffers=60 ! video/x-raw,width=64,height=64,framerate=25/1";
    let run = place
        .plays(
            source,
            &format!("svtav1watchenc name=codec preset=12 {SOON}"),
        )
        .rehearse("svt_av1_enc_get_packet:hang@5")
        .run();
    let folder = place.folder(&run);
    let file = folder.file();
    assert_eq!(folder.detail("outcome"), "WatchdogAbandoned");
    assert_eq!(file.codec.as_ref().unwrap().kind, "svtav1");
    assert!(file.sample.is_none());
    let replay = folder.replay().run();
    assert_eq!(replay.code(), 1);
    assert!(replay.says("has no sample"), "{}", replay.text());
}

#[test]
fn a_name_of_an_element_leads_nowhere_else() {
    let place = Place::new();
    let source = format!(
        "filesrc location={} ! matroskademux",
        support::media::clip().display()
    );
    let codec = format!("dav1dwatchdec name=../../etc/\u{e4} {SOON}");
    let run = place
        .plays(&source, &codec)
        .rehearse("dav1d_send_data:hang@20")
        .run();
    let folder = place.folder(&run);
    let name = folder.0.file_name().unwrap().to_str().unwrap();
    assert!(name.contains("-.._.._etc__-"), "{name}");
    assert_eq!(folder.file().element, "../../etc/\u{e4}");
}

#[test]
fn without_the_property_nothing_is_written() {
    let place = Place::new();
    let clip = support::media::clip();
    let pipeline = format!(
        "filesrc location={} ! matroskademux ! dav1dwatchdec {SOON} ! fakesink",
        clip.display()
    );
    let run = Launch::pipeline(&pipeline)
        .in_folder(place.path())
        .rehearse("dav1d_send_data:hang@20")
        .run();
    assert!(!run.says("evidence-path"), "{}", run.text());
    assert_eq!(place.folders().len(), 0);
    assert!(Path::new(place.path()).exists());
}
