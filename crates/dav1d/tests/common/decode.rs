// SPDX-License-Identifier: MPL-2.0
//! Decoding with the session under test, and with dav1d's own tool.

use std::process::Command;

use codecwatch_dav1d::{Chunk, Config, Damage, Dav1d, Decoded as Output, Environment, Picture};
use codecwatch_supervisor::{Codec, CodecError, Lane, Session};
use md5::{Digest, Md5};

use super::{ivf, tool};

/// Everything that a session gave.
#[derive(Debug, Default)]
pub struct Decoded {
    pub pictures: Vec<Picture>,
    pub damaged: Vec<Damage>,
    pub without_picture: Vec<u64>,
}

impl Decoded {
    pub fn take(&mut self, outputs: impl Iterator<Item = Output>) {
        for output in outputs {
            match output {
                Output::Picture(picture) => self.pictures.push(*picture),
                Output::Damaged(damage) => self.damaged.push(damage),
                Output::NoPicture { id } => self.without_picture.push(id),
            }
        }
    }
}

/// Decodes whole units, numbered from 0, to the end.
pub fn decode(codec: Dav1d, units: &[Vec<u8>]) -> Result<Decoded, CodecError> {
    let (lane, outputs) = Lane::detached();
    let mut session = codec.open(&lane)?;
    let mut decoded = Decoded::default();
    for (id, unit) in units.iter().enumerate() {
        session.send(&lane, Chunk::new(id as u64, unit.clone()))?;
        decoded.take(outputs.try_iter());
    }
    session.drain(&lane)?;
    session.close(&lane)?;
    decoded.take(outputs.try_iter());
    Ok(decoded)
}

/// Decodes with these settings and these numbers of threads.
pub fn decode_with(config: &Config, n_threads: u32, units: &[Vec<u8>]) -> Decoded {
    let config = Config {
        n_threads,
        ..config.clone()
    };
    decode(Dav1d::new(config, Environment::default()), units).unwrap()
}

/// The MD5 of the samples of all pictures, as dav1d's md5 muxer computes it.
pub fn md5<'a>(pictures: impl IntoIterator<Item = &'a Picture>) -> String {
    let mut sum = Md5::new();
    for picture in pictures {
        for plane in 0..picture.shape().planes() {
            for row in picture.plane(plane).unwrap().rows() {
                sum.update(row);
            }
        }
    }
    sum.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What dav1d's own tool makes of the units; `None` when it is not installed.
pub fn reference_md5(units: &[Vec<u8>], arguments: &[&str]) -> Option<String> {
    let program = tool("dav1d")?;
    let folder = tempfile::tempdir().unwrap();
    let (stream, sum) = (folder.path().join("in.ivf"), folder.path().join("out.md5"));
    std::fs::write(&stream, ivf::write(units)).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--quiet", "--muxer", "md5", "--filmgrain", "1", "-i"])
        .arg(&stream)
        .arg("-o")
        .arg(&sum);
    let output = command.args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(sum).unwrap();
    Some(text.split_whitespace().next().unwrap().to_owned())
}
