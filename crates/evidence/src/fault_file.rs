// SPDX-License-Identifier: MPL-2.0
//! The table of contents of a folder, `fault.json`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::folder::FAULT_FILE;
use crate::regular_file::read_regular_file;

/// The version of the format. A change to the meaning of a field increments it.
pub const FORMAT: u32 = 1;
/// The most bytes that are read of a file.
const MOST_BYTES: u64 = 4 << 20;

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultFile {
    /// [`FORMAT`].
    pub format: u32,
    /// When, UTC, as `20261128T104100Z`.
    pub date: String,
    /// What the error says.
    pub text: String,
    /// What it says for developers.
    pub debug: String,
    /// The details of the error: the fields of `codecwatch-fault`.
    pub fault: Map<String, Value>,
    /// The element's name.
    pub element: String,
    /// Its factory.
    pub factory: String,
    /// The element's properties.
    pub settings: Map<String, Value>,
    /// The caps of its pads, by name.
    pub caps: BTreeMap<String, String>,
    /// What the session was opened with, as far as the codec is plain data.
    pub codec: Option<Codec>,
    /// Versions, by what they are of.
    pub versions: BTreeMap<String, String>,
    /// The inputs; `None` of an encoder.
    pub sample: Option<Sample>,
    /// What could not be had, and why.
    pub notes: Vec<String>,
}

/// What opens the same session again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Codec {
    /// The kind of session.
    pub kind: String,
    /// Whether it ran in a child process.
    pub isolated: bool,
    /// Its config.
    pub config: Value,
}

/// The inputs since the latest key frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// The file, in the same folder.
    pub file: String,
    /// Inputs in it.
    pub inputs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Inputs that were left out after the first, for the limits.
    pub cut_inputs: u64,
    /// Their bytes.
    pub cut_bytes: u64,
    /// Whether it begins where a decoder can start.
    pub begins_at_key_frame: bool,
    /// Whether the container's headers were put before the first input, which has none.
    pub headers_added: bool,
}

/// A folder has no contents that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is none of ours.
    #[error("{}: it is not as it has to be: {source}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It is of another version.
    #[error("{}: its format is {format}, this program knows {FORMAT}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl FaultFile {
    /// Reads the contents of a folder.
    ///
    /// # Errors
    /// [`ReadError`], which names the file.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(FAULT_FILE);
        let bytes = match read_regular_file(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(source) => return Err(ReadError::File { path, source }),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(file) if file.format == FORMAT => Ok(file),
            Ok(file) => Err(ReadError::Format {
                path,
                format: file.format,
            }),
            Err(source) => Err(ReadError::Json { path, source }),
        }
    }

    /// A property that is a duration.
    pub fn duration(&self, property: &str) -> Option<Duration> {
        let nanoseconds = self.settings.get(property)?.as_u64()?;
        Some(Duration::from_nanos(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fault_file_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let error = |content: Option<&str>| {
            if let Some(content) = content {
                std::fs::write(folder.path().join(FAULT_FILE), content).unwrap();
            }
            FaultFile::read(folder.path()).unwrap_err().to_string()
        };
        assert!(error(None).contains("fault.json: No such file"));
        assert!(error(Some("{}")).contains("missing field `format`"));
        let other = r#"{"format": 9, "date": "", "text": "", "debug": "", "fault": {},
            "element": "", "factory": "", "settings": {}, "caps": {}, "codec": null,
            "versions": {}, "sample": null, "notes": []}"#;
        assert!(error(Some(other)).contains("its format is 9"));
        let file = folder.path().join(FAULT_FILE);
        std::fs::remove_file(&file).unwrap();
        // Nobody will write to it.
        let name = std::ffi::CString::new(file.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: the name ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert!(error(None).contains("no regular file"));
    }
}
