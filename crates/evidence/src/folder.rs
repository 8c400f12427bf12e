// SPDX-License-Identifier: MPL-2.0
//! Writes the folder of a fault, and deletes the oldest.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::name::FolderName;

/// Folders that are kept in one place.
pub const MOST_FOLDERS: usize = 20;
/// The most bytes of one folder. Its largest files have limits of their own
/// ([`MOST_SAMPLE_BYTES`](crate::MOST_SAMPLE_BYTES), the stacks of a child), whose sum is
/// less.
pub const MOST_BYTES: u64 = 160 << 20;

/// The table of contents.
pub const FAULT_FILE: &str = "fault.json";
/// The codec's threads.
pub const THREADS_FILE: &str = "threads.txt";
/// The stacks of a child's threads.
pub const STACKS_FILE: &str = "stacks.dmp";

/// What a folder's name ends with until all of it is written.
const PARTIAL: &str = ".partial";
/// The most entries of a place that are looked at for old folders.
const MOST_ENTRIES: usize = 10_000;
/// They contain the stream, which is nobody else's.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub struct WriteError {
    /// What could not be written.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
}

impl WriteError {
    fn of(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self { path, source }
    }
}

/// A folder that is being written. Its name shows that until it is
/// [finished](Self::finish); one that is dropped before is deleted.
#[derive(Debug)]
pub struct Folder {
    partial: PathBuf,
    /// `None` when it is there.
    target: Option<PathBuf>,
    /// Bytes that may still be written.
    left: u64,
}

impl Folder {
    /// Creates it in `place`, which has to exist. Deletes the oldest folders there until
    /// [`MOST_FOLDERS`] are left with this one; it deletes only folders whose names have
    /// the form of ours.
    ///
    /// # Errors
    /// `place` is no folder, cannot be written to, or has a folder of this name.
    pub fn create(place: &Path, name: &FolderName) -> Result<Self, WriteError> {
        let entries = fs::read_dir(place).map_err(WriteError::of(place))?;
        delete_oldest(place, entries);
        let target = place.join(name.as_str());
        let exists = || io::Error::from(io::ErrorKind::AlreadyExists);
        if target.symlink_metadata().is_ok() {
            return Err(WriteError::of(&target)(exists()));
        }
        let partial = place.join(format!("{name}{PARTIAL}"));
        let created = DirBuilder::new().mode(FOLDER_MODE).create(&partial);
        created.map_err(WriteError::of(&partial))?;
        Ok(Self {
            partial,
            target: Some(target),
            left: MOST_BYTES,
        })
    }

    /// Writes a file. `name` is a plain file name.
    ///
    /// # Errors
    /// The disk is full, or the folder would have more than [`MOST_BYTES`].
    pub fn write(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let path = self.partial.join(name);
        self.write_to(&path, content).map_err(WriteError::of(&path))
    }

    fn write_to(
        &mut self,
        path: &Path,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)?;
        let mut writer = Limited {
            file: BufWriter::new(file),
            left: &mut self.left,
        };
        content(&mut writer)?;
        writer.flush()
    }

    /// Gives it its name. Returns its path.
    ///
    /// # Errors
    /// The system's.
    pub fn finish(mut self) -> Result<PathBuf, WriteError> {
        let target = self.target.take().unwrap_or_default();
        match fs::rename(&self.partial, &target) {
            Ok(()) => Ok(target),
            Err(error) => {
                self.target = Some(target.clone());
                Err(WriteError::of(&target)(error))
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.target.is_some() {
            // Whoever has it reports why it is not whole.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// A file that takes what is left of its folder's bytes.
struct Limited<'a> {
    file: BufWriter<File>,
    left: &'a mut u64,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len() as u64;
        *self.left = self.left.checked_sub(len).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {MOST_BYTES} bytes of evidence"),
            )
        })?;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Makes room for one more. What cannot be deleted stays: the limit is no reason to
/// lose the evidence of this fault.
fn delete_oldest(place: &Path, entries: fs::ReadDir) {
    let mut ours: Vec<OsString> = entries
        .take(MOST_ENTRIES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // Of a link, the type of the link.
            let is_folder = entry.file_type().ok()?.is_dir();
            let name = entry.file_name();
            let text = name.to_str()?;
            let whole = text.strip_suffix(PARTIAL).unwrap_or(text);
            (is_folder && FolderName::is_one(whole)).then_some(name)
        })
        .collect();
    ours.sort();
    let surplus = (ours.len() + 1).saturating_sub(MOST_FOLDERS);
    for name in ours.iter().take(surplus) {
        let _ = fs::remove_dir_all(place.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn name(session: u64) -> FolderName {
        let date = format!("20261128T{session:06}Z");
        FolderName::new(&date, "codec", 1, session)
    }

    fn write(place: &Path, session: u64) -> PathBuf {
        let mut folder = Folder::create(place, &name(session)).unwrap();
        folder.write("a", |file| file.write_all(b"abc")).unwrap();
        folder.finish().unwrap()
    }

    fn names(place: &Path) -> Vec<String> {
        let entries = fs::read_dir(place).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_has_its_name_only_when_it_is_whole_and_is_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(place.path(), &name(7)).unwrap();
        folder.write("a", |file| file.write_all(b"abc")).unwrap();
        assert_eq!(names(place.path()), [format!("{}.partial", name(7))]);
        let path = folder.finish().unwrap();
        assert_eq!(names(place.path()), [name(7).to_string()]);
        assert_eq!(fs::read(path.join("a")).unwrap(), b"abc");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("a"))), (0o700, 0o600));
    }

    #[test]
    fn a_folder_that_cannot_be_finished_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(place.path(), &name(7)).unwrap();
        let failed = folder.write("a", |_| Err(io::ErrorKind::StorageFull.into()));
        assert!(failed.unwrap_err().to_string().contains("/a: "));
        drop(folder);
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), 7);
        let error = Folder::create(place.path(), &name(7)).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(
            elsewhere.path(),
            place.path().join(format!("{}.partial", name(8))),
        )
        .unwrap();
        assert!(Folder::create(place.path(), &name(8)).is_err());
        assert_eq!(names(elsewhere.path()), [""; 0]);
    }

    #[test]
    fn a_place_that_is_no_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        let error = Folder::create(&missing, &name(7)).unwrap_err().to_string();
        assert!(error.starts_with(missing.to_str().unwrap()), "{error}");
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Folder::create(&file, &name(7)).is_err());
    }

    #[test]
    fn the_oldest_of_ours_are_deleted_and_nothing_of_others() {
        let place = tempfile::tempdir().unwrap();
        let others = tempfile::tempdir().unwrap();
        fs::write(others.path().join("precious"), "").unwrap();
        fs::create_dir(place.path().join("20200101T000000Z-photos")).unwrap();
        fs::write(place.path().join("20200101T000000Z-a-1-1"), "a file").unwrap();
        symlink(others.path(), place.path().join("20200101T000000Z-a-1-2")).unwrap();
        fs::create_dir(place.path().join("20200101T000000Z-a-1-3.partial")).unwrap();
        for session in 0..25 {
            write(place.path(), session);
        }
        let names = names(place.path());
        assert_eq!(names.len(), 3 + MOST_FOLDERS, "{names:?}");
        assert!(names.contains(&name(24).to_string()) && names.contains(&name(5).to_string()));
        assert!(!names.contains(&name(4).to_string()));
        assert!(!names.iter().any(|name| name.ends_with(PARTIAL)));
        assert!(others.path().join("precious").exists());
    }

    #[test]
    fn the_bytes_of_a_folder_are_limited() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(place.path(), &name(7)).unwrap();
        folder.left = 5;
        folder.write("a", |file| file.write_all(b"abc")).unwrap();
        let error = folder
            .write("b", |file| file.write_all(b"def"))
            .unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
    }
}
