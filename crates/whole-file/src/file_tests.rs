// SPDX-License-Identifier: MPL-2.0

use std::fs::{create_dir, read, write};
use std::os::unix::fs::symlink;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn create(&self, name: &str, keep: bool) -> Result<WholeFile, Error> {
        WholeFile::create(Target::new(&self.path(name))?, keep)
    }

    /// The names in it, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<String> = entries.map(|entry| name(entry).unwrap()).collect();
        names.sort();
        names
    }
}

const PARTIAL: &str = "a.mkv.codecwatch-partial";

#[test]
fn the_target_is_there_when_all_of_it_is() {
    let folder = Folder::new();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"....whole").unwrap();
    file.seek(0).unwrap();
    file.write(b"head").unwrap();
    assert_eq!((file.position(), folder.names()), (4, vec![PARTIAL.into()]));
    file.put_in_place().unwrap();
    assert_eq!(folder.names(), ["a.mkv"]);
    assert_eq!(read(folder.path("a.mkv")).unwrap(), b"headwhole");
}

#[test]
fn a_file_that_is_given_up_leaves_what_was_there() {
    let folder = Folder::new();
    write(folder.path("a.mkv"), "before").unwrap();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"after").unwrap();
    file.give_up();
    assert_eq!(folder.names(), ["a.mkv"]);
    let mut file = folder.create("a.mkv", true).unwrap();
    file.write(b"after").unwrap();
    drop(file);
    assert_eq!(folder.names(), ["a.mkv", PARTIAL]);
    assert_eq!(read(folder.path("a.mkv")).unwrap(), b"before");
    assert_eq!(read(folder.path(PARTIAL)).unwrap(), b"after");
}

#[test]
fn a_file_that_is_begun_again_has_nothing_of_the_first() {
    let folder = Folder::new();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"longer before").unwrap();
    file.restart().unwrap();
    file.write(b"after").unwrap();
    file.put_in_place().unwrap();
    assert_eq!(read(folder.path("a.mkv")).unwrap(), b"after");
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let folder = Folder::new();
    let mut first = folder.create("a.mkv", false).unwrap();
    let second = folder.create("a.mkv", false).unwrap_err();
    assert_eq!(second.kind, Kind::Busy, "{second}");
    // By another name, too.
    symlink("a.mkv", folder.path("b.mkv")).unwrap();
    let second = folder.create("b.mkv", false).unwrap_err();
    assert_eq!(second.kind, Kind::Busy, "{second}");
    first.write(b"whole").unwrap();
    first.put_in_place().unwrap();
    assert_eq!(read(folder.path("a.mkv")).unwrap(), b"whole");
    // Afterwards it is nobody's.
    folder.create("a.mkv", false).unwrap();
}

#[test]
fn what_a_killed_process_left_is_removed_or_kept_under_a_number() {
    let folder = Folder::new();
    write(folder.path(PARTIAL), "left behind, and longer").unwrap();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"whole").unwrap();
    file.put_in_place().unwrap();
    assert_eq!(folder.names(), ["a.mkv"]);
    assert_eq!(read(folder.path("a.mkv")).unwrap(), b"whole");
    for content in ["one", "two"] {
        write(folder.path(PARTIAL), content).unwrap();
        folder
            .create("a.mkv", true)
            .unwrap()
            .put_in_place()
            .unwrap();
    }
    let kept = |number| folder.path(&format!("{PARTIAL}.{number}"));
    assert_eq!(read(kept(1)).unwrap(), b"one");
    assert_eq!(read(kept(2)).unwrap(), b"two");
}

#[test]
fn what_is_in_the_way_is_neither_followed_nor_waited_for() {
    let folder = Folder::new();
    write(folder.path("precious"), "precious").unwrap();
    symlink("precious", folder.path(PARTIAL)).unwrap();
    let error = folder.create("a.mkv", false).unwrap_err();
    assert_eq!(error.kind, Kind::Open, "{error}");
    fs::remove_file(folder.path(PARTIAL)).unwrap();
    fs::hard_link(folder.path("precious"), folder.path(PARTIAL)).unwrap();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"whole").unwrap();
    file.put_in_place().unwrap();
    assert_eq!(read(folder.path("precious")).unwrap(), b"precious");
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path(PARTIAL))
        .status();
    assert!(made.unwrap().success());
    let error = folder.create("a.mkv", false).unwrap_err();
    assert_eq!(error.kind, Kind::Open, "{error}");
}

#[test]
fn only_a_file_can_be_replaced() {
    let folder = Folder::new();
    create_dir(folder.path("folder")).unwrap();
    for (path, kind, says) in [
        (folder.path("folder"), Kind::Target, "is a folder"),
        ("/dev/null".into(), Kind::Target, "no regular file"),
        ("/".into(), Kind::Target, "no name for a file"),
        (
            folder.path("none/a.mkv"),
            Kind::NotFound,
            "there is no folder",
        ),
        (folder.path(&"a".repeat(250)), Kind::Open, "too long"),
    ] {
        let error = Target::new(&path)
            .and_then(|target| WholeFile::create(target, false))
            .unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    symlink("loop", folder.path("loop")).unwrap();
    assert_eq!(folder.create("loop", false).unwrap_err().kind, Kind::Target);
}

#[test]
fn a_link_leads_to_the_target_even_where_nothing_is_yet() {
    let folder = Folder::new();
    create_dir(folder.path("elsewhere")).unwrap();
    symlink("elsewhere/b.mkv", folder.path("a.mkv")).unwrap();
    for content in ["first", "second"] {
        let mut file = folder.create("a.mkv", false).unwrap();
        file.write(content.as_bytes()).unwrap();
        file.put_in_place().unwrap();
        assert_eq!(
            read(folder.path("elsewhere/b.mkv")).unwrap(),
            content.as_bytes()
        );
    }
    assert_eq!(folder.names(), ["a.mkv", "elsewhere"]);
    assert!(
        fs::symlink_metadata(folder.path("a.mkv"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_file_has_the_permissions_of_the_one_that_it_replaces() {
    let folder = Folder::new();
    write(folder.path("a.mkv"), "before").unwrap();
    fs::set_permissions(folder.path("a.mkv"), fs::Permissions::from_mode(0o604)).unwrap();
    folder
        .create("a.mkv", false)
        .unwrap()
        .put_in_place()
        .unwrap();
    let mode = fs::metadata(folder.path("a.mkv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o604);
}

#[test]
fn a_whole_file_that_does_not_get_its_place_stays() {
    let folder = Folder::new();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"whole").unwrap();
    create_dir(folder.path("a.mkv")).unwrap();
    let error = file.put_in_place().unwrap_err();
    assert_eq!(error.kind, Kind::NotInPlace, "{error}");
    assert!(error.to_string().contains(PARTIAL), "{error}");
    assert_eq!(read(folder.path(PARTIAL)).unwrap(), b"whole");
}

#[test]
fn the_file_of_somebody_else_is_never_put_in_place() {
    let folder = Folder::new();
    let mut file = folder.create("a.mkv", false).unwrap();
    file.write(b"whole").unwrap();
    fs::remove_file(folder.path(PARTIAL)).unwrap();
    write(folder.path(PARTIAL), "somebody else's").unwrap();
    let error = file.put_in_place().unwrap_err();
    assert_eq!(error.kind, Kind::NotInPlace, "{error}");
    assert_eq!(folder.names(), [PARTIAL]);
    assert_eq!(read(folder.path(PARTIAL)).unwrap(), b"somebody else's");
}
