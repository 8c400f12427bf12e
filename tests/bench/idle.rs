// SPDX-License-Identifier: MPL-2.0
//! How often the threads of a pipeline that stands are switched to:
//!
//!     idle playing|paused SECONDS PIPELINE
//!
//! `playing`: without input, which stops behind the element `source`. `paused`:
//! full. `tests/bench/supervision` runs it.

use std::time::Duration;

use support::idle::{Standing, woken};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [state, seconds, description] = &arguments[..] else {
        return Err("idle playing|paused SECONDS PIPELINE".into());
    };
    let standing = match &**state {
        "playing" => Standing::WithoutInput,
        "paused" => Standing::Paused,
        _ => return Err(format!("{state}: playing or paused").into()),
    };
    gst::init()?;
    let threads = woken(description, standing, Duration::from_secs(seconds.parse()?));
    println!("{}", threads.iter().map(|thread| thread.count).sum::<u64>());
    for thread in threads {
        eprintln!("{} {}", thread.name, thread.count);
    }
    Ok(())
}
