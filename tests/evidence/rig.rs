// SPDX-License-Identifier: MPL-2.0
//! A place for evidence, and what is found in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use codecwatch_evidence::FaultFile;
use support::{Finished, Launch, media, worker};
use tempfile::TempDir;

/// Budgets that find a wedge soon; the machine may be busy while it opens.
pub(crate) const SOON: &str = "watchdog-timeout=700000000 drain-timeout=700000000 \
                               open-timeout=20000000000 close-timeout=700000000";

/// A folder for evidence.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The clip, decoded with these properties of the decoder.
    pub(crate) fn decodes(&self, properties: &str) -> Launch {
        let clip = media::clip();
        self.plays(
            &format!("filesrc location={} ! matroskademux", clip.display()),
            &format!("dav1dwatchdec name=codec {SOON} {properties}"),
        )
    }

    /// A codec behind a source, with evidence here.
    pub(crate) fn plays(&self, source: &str, codec: &str) -> Launch {
        Launch::pipeline(&format!(
            "{source} ! {codec} evidence-dir={} ! fakesink",
            self.path().display()
        ))
    }

    /// The folders here, oldest first.
    pub(crate) fn folders(&self) -> Vec<Folder> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(Folder).collect()
    }

    /// The only one.
    pub(crate) fn folder(&self, run: &Finished) -> Folder {
        let mut folders = self.folders();
        assert_eq!(folders.len(), 1, "{folders:?}: {}", run.text());
        folders.remove(0)
    }
}

/// The folder of a fault.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn file(&self) -> FaultFile {
        FaultFile::read(&self.0).unwrap()
    }

    /// A field of the error's details.
    pub(crate) fn detail(&self, name: &str) -> String {
        let file = self.file();
        let value = file.fault.get(name).unwrap_or_else(|| panic!("no {name}"));
        value.as_str().map_or_else(|| value.to_string(), Into::into)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// The codec is given the inputs again.
    pub(crate) fn replay(&self) -> Launch {
        Launch::program(worker()).args(["replay".as_ref(), self.0.as_os_str()])
    }

    /// dav1d's own program plays the sample.
    pub(crate) fn dav1d(&self) -> Output {
        let sample = self.0.join("sample.ivf");
        let mut program = Command::new("dav1d");
        program.arg("-i").arg(sample).args(["-o", "/dev/null"]);
        program.output().unwrap()
    }
}
