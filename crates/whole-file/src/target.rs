// SPDX-License-Identifier: MPL-2.0
//! The file that is to be there in the end.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::{Error, Kind, SUFFIX};

/// The most symbolic links that are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// A target that a file can be put in the place of, as far as that is known before.
#[derive(Debug, Clone)]
pub struct Target {
    /// Without symbolic links in its last component.
    path: PathBuf,
    partial: PathBuf,
    /// Of the file that is there now.
    permissions: Option<Permissions>,
}

impl Target {
    /// Looks at `path`: a file that is there will be replaced, as by a rename, and where
    /// it is a symbolic link, the file that it leads to. Changes nothing.
    ///
    /// # Errors
    /// [`Kind::Target`] if a rename could not replace it, [`Kind::NotFound`] without
    /// its folder, [`Kind::Open`] if it cannot be looked at.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let path = follow(path)?;
        let shown = path.display();
        let Some(name) = path.file_name() else {
            return Err(Error::new(
                Kind::Target,
                format!("{shown} is no name for a file"),
            ));
        };
        let permissions = match fs::symlink_metadata(&path) {
            Ok(there) => {
                check_kind(&path, &there.file_type())?;
                check_mount(&path)?;
                Some(there.permissions())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!("Cannot look at {shown}");
                return Err(Error::caused(Kind::Open, text, error));
            }
        };
        let mut partial = OsString::from(name);
        partial.push(SUFFIX);
        Ok(Self {
            partial: path.with_file_name(partial),
            path,
            permissions,
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is until then.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    pub(crate) fn permissions(&self) -> Option<&Permissions> {
        self.permissions.as_ref()
    }

    /// The folder of both; the current one has no name in a relative path.
    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

/// Follows symbolic links, those that lead to nothing, too.
fn follow(path: &Path) -> Result<PathBuf, Error> {
    let mut now = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&now) {
            Ok(to) => now = now.parent().unwrap_or(Path::new("")).join(to),
            // No link, or nothing there.
            Err(_) => return Ok(now),
        }
    }
    let text = format!("{}: too many symbolic links", path.display());
    Err(Error::new(Kind::Target, text))
}

fn check_kind(path: &Path, kind: &fs::FileType) -> Result<(), Error> {
    let path = path.display();
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        let text = format!("{path} is a folder: name a file in it");
        Err(Error::new(Kind::Target, text))
    } else {
        let text = format!(
            "{path} is no regular file (a device, a pipe or a socket), so nothing can be put in \
             its place: what is sent there cannot be taken back"
        );
        Err(Error::new(Kind::Target, text))
    }
}

/// A file that something is mounted on, as containers do with single files, cannot be
/// replaced. Where the kernel does not say so (before Linux 5.8), the rename will.
fn check_mount(path: &Path) -> Result<(), Error> {
    let is_mounted = statx(CWD, path, AtFlags::empty(), StatxFlags::empty()).is_ok_and(|found| {
        let known = StatxAttributes::from_bits_retain(found.stx_attributes_mask.bits());
        let set = StatxAttributes::from_bits_retain(found.stx_attributes.bits());
        known.contains(StatxAttributes::MOUNT_ROOT) && set.contains(StatxAttributes::MOUNT_ROOT)
    });
    if is_mounted {
        let text = format!(
            "{} is a mount point and cannot be replaced: mount its folder instead of the file",
            path.display()
        );
        return Err(Error::new(Kind::Target, text));
    }
    Ok(())
}
