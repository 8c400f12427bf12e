// SPDX-License-Identifier: MPL-2.0
//! The file that gets the number of the port.
//!
//! Its name may be another process's as well: one that still runs and has the port, or
//! one that takes over from this one. So an older file is only replaced once the port is
//! this process's, and at the end only the file that was written is removed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many names are tried for the file before it has its own.
const NAMES: u32 = 100;

/// The file, once it is written.
#[derive(Debug)]
pub(crate) struct PortFile {
    path: PathBuf,
    content: String,
    /// Stays open: the number of its inode goes to no other file meanwhile.
    file: File,
}

impl PortFile {
    /// Writes the file at once as a whole, in the place of an older one: whoever waits for
    /// it reads no half of it.
    pub(crate) fn write(path: PathBuf, port: u16) -> io::Result<Self> {
        let content = format!("{port}\n");
        let (beside, mut file) = create_beside(&path)?;
        let written = file.write_all(content.as_bytes());
        let replaced = written.and_then(|()| std::fs::rename(&beside, &path));
        replaced.inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })?;
        Ok(Self {
            path,
            content,
            file,
        })
    }

    /// Removes the file, unless another is there by now, or another content.
    pub(crate) fn remove(self) {
        if self.is_there().unwrap_or(false) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn is_there(&self) -> io::Result<bool> {
        // Not what a link of this name leads to.
        let there = std::fs::symlink_metadata(&self.path)?;
        let written = self.file.metadata()?;
        if (there.dev(), there.ino()) != (written.dev(), written.ino()) {
            return Ok(false);
        }
        Ok(std::fs::read(&self.path)? == self.content.as_bytes())
    }
}

/// A new file in the same folder. The number of the process alone does not make its name
/// unique: processes of several containers may share the folder.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let process = std::process::id();
    let mut number = 0;
    loop {
        let mut name = OsString::from(path);
        name.push(format!(".{process}.{number}"));
        match File::create_new(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES => {
                number += 1;
            }
            created => return created.map(|file| (PathBuf::from(name), file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn it_takes_the_place_of_an_older_one_and_goes_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        fs::write(&path, "1\n").unwrap();
        let file = PortFile::write(path.clone(), 9848).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "9848\n");
        assert_eq!(names(folder.path()), ["port"]);
        file.remove();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_file_that_another_has_written_since_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        // The same port too: a network namespace of its own has all of them.
        for port in [9848, 9849] {
            let first = PortFile::write(path.clone(), 9848).unwrap();
            let second = PortFile::write(path.clone(), port).unwrap();
            first.remove();
            let left = fs::read_to_string(&path).unwrap();
            assert_eq!(left, format!("{port}\n"));
            second.remove();
            assert!(!path.exists());
        }
        let file = PortFile::write(path.clone(), 9848).unwrap();
        fs::write(&path, "9849\n").unwrap();
        file.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), "9849\n");
    }

    #[test]
    fn a_name_that_is_taken_beside_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        let taken = folder.path().join(format!("port.{}.0", std::process::id()));
        fs::write(&taken, "another's").unwrap();
        let file = PortFile::write(path.clone(), 9848).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "9848\n");
        assert_eq!(fs::read_to_string(&taken).unwrap(), "another's");
        file.remove();
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("port");
        fs::create_dir(&path).unwrap();
        PortFile::write(path, 9848).unwrap_err();
        assert_eq!(names(folder.path()), ["port"]);
    }
}
