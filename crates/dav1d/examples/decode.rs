// SPDX-License-Identifier: MPL-2.0
//! Decodes a file to nothing, as fast as it goes, for comparison with
//! `dav1d --muxer null`:
//!
//!     cargo run --release -p codecwatch-dav1d --example decode -- FILE [THREADS [FRAME-DELAY]]
//!
//! FILE is IVF or Matroska. The file is read before the clock starts.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{env, error::Error, time::Instant};

use codecwatch_dav1d::{Chunk, Config, Dav1d, Decoded, Environment};
use codecwatch_supervisor::{Codec, Lane, Session};
use common::{ivf, mkv};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, numbers @ ..] = &arguments[..] else {
        return Err("which file?".into());
    };
    let number = |at: usize| numbers.get(at).map_or(Ok(0), |text| text.parse());
    let config = Config {
        n_threads: number(0)?,
        max_frame_delay: number(1)?,
        ..Config::default()
    };
    let file = std::fs::read(path)?;
    let units = if file.starts_with(b"DKIF") {
        ivf::read(&file)
    } else {
        mkv::blocks(&file)
    };

    let start = Instant::now();
    let (lane, outputs) = Lane::detached();
    let mut session = Dav1d::new(config, Environment::default()).open(&lane)?;
    let mut pictures = 0;
    let mut count = || {
        let shown = |output: &Decoded| matches!(output, Decoded::Picture(_));
        pictures += outputs.try_iter().filter(shown).count();
    };
    for (id, unit) in (0..).zip(units) {
        session.send(&lane, Chunk::new(id, unit))?;
        count();
    }
    session.drain(&lane)?;
    count();
    session.close(&lane)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{pictures} pictures in {seconds:.3} s: {:.1} per second",
        pictures as f64 / seconds
    );
    Ok(())
}
