// SPDX-License-Identifier: MPL-2.0
//! The program of children, where it is not what it has to be: an error that names it and
//! says what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::{Launch, is_child};

use crate::rig::{Element, Rig};

/// The error of a session whose program is this one.
fn refused(test: &str, program: &PathBuf, code: gst::LibraryError, words: &[&str]) {
    if is_child() {
        let rig = Rig::new(Element::Encoder, "");
        rig.play();
        let ended = rig.end();
        let error = ended.error();
        assert!(error.error.matches(code), "{error:?}");
        let words = std::env::var("CODECWATCH_TEST_WORDS").unwrap();
        for words in words.split('|') {
            assert!(error.text().contains(words), "no {words:?}: {error:?}");
        }
        rig.stop();
        rig.leaves_nothing();
        return;
    }
    let run = Launch::this_test(&format!("programs::{test}"))
        .env("CODECWATCH_WORKER", program)
        .env("CODECWATCH_TEST_WORDS", words.join("|"))
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

/// A script in a folder of its own.
fn script(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

#[test]
fn a_program_that_is_missing_is_named() {
    refused(
        "a_program_that_is_missing_is_named",
        &"/nowhere/worker".into(),
        gst::LibraryError::Settings,
        &["/nowhere/worker", "No such file", "CODECWATCH_WORKER"],
    );
}

#[test]
fn a_program_that_cannot_be_executed_is_named() {
    let (folder, path) = script("#!/bin/sh\n", 0o644);
    refused(
        "a_program_that_cannot_be_executed_is_named",
        &path,
        gst::LibraryError::Settings,
        &["worker", "Permission denied"],
    );
    refused(
        "a_program_that_cannot_be_executed_is_named",
        &folder.path().to_owned(),
        gst::LibraryError::Settings,
        &["Permission denied"],
    );
}

#[test]
fn a_program_that_ends_at_once_is_quoted() {
    let (_folder, path) = script("#!/bin/sh\necho it has no library >&2; exit 127\n", 0o755);
    refused(
        "a_program_that_ends_at_once_is_quoted",
        &path,
        gst::LibraryError::Init,
        &["exited with code 127", "it has no library"],
    );
}

#[test]
fn a_program_that_says_nothing_sensible_breaks_the_protocol() {
    let (_folder, path) = script(
        "#!/bin/sh\nexec >&0; echo hello hello hello; sleep 60\n",
        0o755,
    );
    refused(
        "a_program_that_says_nothing_sensible_breaks_the_protocol",
        &path,
        gst::LibraryError::Init,
        &["broke the protocol"],
    );
}

/// Without the variable it is looked for beside the plugin, which in a test is in none of
/// the places.
#[test]
fn where_it_was_looked_for_is_said() {
    if !is_child() {
        let run = Launch::this_test("programs::where_it_was_looked_for_is_said").run();
        assert_eq!(run.code(), 0, "{}", run.text());
        return;
    }
    support::init();
    // SAFETY: nothing else runs in this process.
    unsafe { std::env::remove_var("CODECWATCH_WORKER") };
    let rig = Rig::new(Element::Decoder, "");
    rig.play();
    let text = rig.end().error().text();
    assert!(
        text.contains("needs the program codecwatch-worker"),
        "{text}"
    );
}
