// SPDX-License-Identifier: MPL-2.0
//! The file while it is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::{Error, Kind, Target};

/// As much as filesink collects before it writes.
const BUFFER: usize = 64 * 1024;

/// How often others may create and remove the file between two steps of ours.
const ATTEMPTS: usize = 16;

/// How many files that are not whole are kept for one target.
const MOST_KEPT: usize = 1000;

/// The permissions that are taken from the file that is replaced: reading, writing,
/// executing.
const PERMISSIONS: u32 = 0o777;

/// A file that is not whole yet. Dropped, it is removed; with `keep` it stays under the
/// name that says that it is not whole.
#[derive(Debug)]
pub struct WholeFile {
    target: Target,
    /// `None` once it is in place or given up.
    file: Option<BufWriter<File>>,
    position: u64,
    keep: bool,
}

impl WholeFile {
    /// Creates the file beside its target. One that a killed process has left there is
    /// removed; with `keep` it gets a number added to its name.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another writer has the target, [`Kind::NotFound`],
    /// [`Kind::NoSpace`] or [`Kind::Open`] if the file cannot be created.
    pub fn create(target: Target, keep: bool) -> Result<Self, Error> {
        for _ in 0..ATTEMPTS {
            if let Some(file) = attempt(&target, keep)? {
                return Ok(Self {
                    target,
                    file: Some(BufWriter::with_capacity(BUFFER, file)),
                    position: 0,
                    keep,
                });
            }
        }
        Err(busy(&target))
    }

    /// Where it will be, and where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Writes all of `bytes`, of which some may stay in memory until the next call.
    ///
    /// # Errors
    /// [`Kind::NoSpace`] or [`Kind::Write`]; the file is then good for nothing.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.change(|file| file.write_all(bytes))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Moves to `position`, which may lie behind the end.
    ///
    /// # Errors
    /// As [`write`](Self::write): what is in memory is written first.
    pub fn seek(&mut self, position: u64) -> Result<(), Error> {
        if position != self.position {
            self.change(|file| file.seek(SeekFrom::Start(position)).map(drop))?;
            self.position = position;
        }
        Ok(())
    }

    /// Begins again, with an empty file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn restart(&mut self) -> Result<(), Error> {
        self.seek(0)?;
        self.change(|file| file.flush().and_then(|()| file.get_ref().set_len(0)))
    }

    /// Writes everything to the device and gives the file the name of its target. Takes
    /// as long as the device does. The file has the permissions of the one that it
    /// replaces, as far as the file system allows.
    ///
    /// # Errors
    /// [`Kind::NoSpace`] or [`Kind::Write`]: the file is removed or kept, as on drop.
    /// [`Kind::NotInPlace`]: it is whole, and stays under the name that the error says.
    pub fn put_in_place(mut self) -> Result<(), Error> {
        let permissions = self.target.permissions().map(|permissions| {
            let bits = permissions.mode() & PERMISSIONS;
            fs::Permissions::from_mode(bits)
        });
        self.change(|file| {
            file.flush()?;
            let file = file.get_ref();
            if let Some(permissions) = permissions {
                // Not every file system has them.
                let _ = file.set_permissions(permissions);
            }
            file.sync_all()
        })?;
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let (partial, path) = (self.target.partial(), self.target.path());
        let (shown, whole) = (path.display(), partial.display());
        if !is_at(file.get_ref(), partial) {
            let text = format!(
                "{shown} was not written: {whole}, which was complete, was moved or removed by \
                 another process"
            );
            return Err(Error::new(Kind::NotInPlace, text));
        }
        if let Err(error) = fs::rename(partial, path) {
            let text =
                format!("{whole} is whole, but cannot be put in the place of {shown}; it stays");
            return Err(Error::caused(Kind::NotInPlace, text, error));
        }
        // Without it the file may have its old name after a crash of the machine, which
        // is as well. A folder that may be written and not read cannot be opened.
        let _ = File::open(self.target.folder()).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Gives the file up now, as its drop would.
    pub fn give_up(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(mut file) = self.file.take() else {
            return;
        };
        if self.keep {
            // As much as there is.
            let _ = file.flush();
        } else {
            // Before the lock goes: another writer would find its own file removed.
            if is_at(file.get_ref(), self.target.partial()) {
                let _ = fs::remove_file(self.target.partial());
            }
            // Nothing more is written: the device may be full.
            let _ = file.into_parts();
        }
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        change(file).map_err(|error| Error::writing(self.target.partial(), error))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        self.end();
    }
}

fn busy(target: &Target) -> Error {
    let text = format!(
        "{} is being written by another sink or process ({} is locked)",
        target.path().display(),
        target.partial().display()
    );
    Error::new(Kind::Busy, text)
}

/// Creates the file and locks it, or removes what was left there and answers `None`.
fn attempt(target: &Target, keep: bool) -> Result<Option<File>, Error> {
    let path = target.partial();
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return clear_away(target, keep).map(|()| None);
        }
        Err(error) => return Err(cannot_create(target, error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(is_at(&file, path).then_some(file)),
        // Another writer has taken it for one that was left behind, and removes it.
        Err(Errno::WOULDBLOCK) => Err(busy(target)),
        // A file system without locks. A second writer finds a file that it cannot
        // lock, and is refused.
        Err(_) => Ok(Some(file)),
    }
}

/// Removes a file that a process has left behind.
fn clear_away(target: &Target, keep: bool) -> Result<(), Error> {
    let path = target.partial();
    let shown = path.display();
    // Anybody may have put anything there: no link is followed, no pipe waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let in_the_way = |cause| {
        let text = format!("{shown} is in the way and cannot be used: remove it");
        Error::caused(Kind::Open, text, cause)
    };
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(in_the_way(error)),
    };
    if !file.metadata().is_ok_and(|file| file.is_file()) {
        return Err(in_the_way(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(busy(target)),
        Err(error) => {
            let text = format!(
                "{shown} exists, and this file system has no locks, so it is unknown whether \
                 another process writes it: remove it if none does"
            );
            return Err(Error::caused(Kind::Busy, text, error.into()));
        }
    }
    if !is_at(&file, path) {
        return Ok(());
    }
    let is_empty = file.metadata().is_ok_and(|file| file.len() == 0);
    let cleared = if keep && !is_empty {
        fs::rename(path, unused(path))
    } else {
        fs::remove_file(path)
    };
    match cleared {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(in_the_way(error)),
        _ => Ok(()),
    }
}

/// The first name with a number that nothing has. Only the holder of the lock asks.
fn unused(path: &Path) -> PathBuf {
    let numbered = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..MOST_KEPT)
        .map(numbered)
        .find(|path| fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| numbered(MOST_KEPT))
}

fn cannot_create(target: &Target, error: io::Error) -> Error {
    let (path, folder) = (target.path().display(), target.folder().display());
    let partial = target.partial().display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let text = format!("Cannot write {path}: there is no folder {folder}");
            Error::new(Kind::NotFound, text)
        }
        io::ErrorKind::InvalidFilename => {
            let text = format!(
                "Cannot write {path}: its name, with {} added while it is written, is too long",
                crate::SUFFIX
            );
            Error::new(Kind::Open, text)
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            let text = format!(
                "Cannot write {path}: it is written beside that place first, and {folder} is not \
                 writable"
            );
            Error::caused(Kind::Open, text, error)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::writing(target.partial(), error)
        }
        _ => Error::caused(Kind::Open, format!("Cannot create {partial}"), error),
    }
}

/// Whether the file has this name, and no other one has it by now.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |there: &fs::Metadata, own: &fs::Metadata| {
        (there.dev(), there.ino()) == (own.dev(), own.ino())
    };
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(there), Ok(own)) => same(&there, &own),
        _ => false,
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
