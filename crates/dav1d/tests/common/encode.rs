// SPDX-License-Identifier: MPL-2.0
//! Streams made with the encoders that are installed.

use std::{env, path::PathBuf, process::Command};

use super::{ivf, skip, sources::Source};

/// A program of the search path.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// An encoder as a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    Aomenc,
    SvtAv1,
}

impl Encoder {
    pub fn program(self) -> &'static str {
        match self {
            Self::Aomenc => "aomenc",
            Self::SvtAv1 => "SvtAv1EncApp",
        }
    }

    /// The temporal units of `source`, for the case `case`. `None`, with a word
    /// about why, when the encoder is not installed or refuses: versions differ
    /// (aomenc 3.12 takes no 4:2:2 or 4:4:4 of 12 bits).
    pub fn encode(self, case: &str, source: &Source, arguments: &[&str]) -> Option<Vec<Vec<u8>>> {
        let name = self.program();
        let Some(program) = tool(name) else {
            skip(case, name);
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (raw, coded) = (folder.path().join("in.y4m"), folder.path().join("out.ivf"));
        std::fs::write(&raw, source.y4m()).unwrap();
        let mut command = Command::new(program);
        match self {
            Self::Aomenc => command
                .args(["--ivf", "--cpu-used=8", "--threads=1", "--quiet", "-o"])
                .arg(&coded),
            Self::SvtAv1 => command
                .args(["--preset", "10", "-i"])
                .arg(&raw)
                .arg("-b")
                .arg(&coded),
        };
        command.args(arguments);
        if self == Self::Aomenc {
            command.arg(&raw);
        }
        let output = command.output().unwrap();
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            skip(
                case,
                &format!(
                    "{name} that takes {arguments:?}: {}",
                    error.lines().next().unwrap_or_default()
                ),
            );
            return None;
        }
        Some(ivf::read(&std::fs::read(coded).unwrap()))
    }
}
