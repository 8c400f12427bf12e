// SPDX-License-Identifier: MPL-2.0
//! The codecs without GStreamer, with a supervisor and without one, so that the
//! difference is what supervision costs by itself:
//!
//!     bare [--supervised] decode FILE.ivf THREADS
//!     bare [--supervised] encode FILE.y4m PRESET
//!
//! `tests/bench/supervision` runs it.

#[path = "../../crates/dav1d/tests/common/mod.rs"]
mod streams;

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufRead, BufReader, Read},
    thread,
};

use codecwatch_dav1d::{Chunk, Dav1d, Decoded, Environment};
use codecwatch_supervisor::{
    Budgets, CloseResult, Codec, DrainResult, Lane, Next, Options, Run, Session, WaitResult,
};
use codecwatch_svtav1::{Config, FrameRate, Output, Picture, Plane, Planes, SvtAv1};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let supervised = arguments
        .first()
        .is_some_and(|first| first == "--supervised");
    if supervised {
        arguments.remove(0);
    }
    let [what, file, number] = &arguments[..] else {
        return Err("bare [--supervised] decode|encode FILE NUMBER".into());
    };
    let frames = match &**what {
        "decode" => decode(file, number.parse()?, supervised),
        "encode" => encode(file, number.parse()?, supervised),
        _ => return Err(format!("{what}: decode or encode").into()),
    }?;
    println!("{frames} frames");
    Ok(())
}

fn decode(file: &str, n_threads: u32, supervised: bool) -> Result<usize> {
    let units = streams::ivf::read(&std::fs::read(file)?);
    let inputs = (0..).zip(units).map(|(id, unit)| Chunk::new(id, unit));
    let codec = Dav1d::new(
        codecwatch_dav1d::Config {
            n_threads,
            ..codecwatch_dav1d::Config::default()
        },
        Environment::default(),
    );
    let shown = |output: &Decoded| matches!(output, Decoded::Picture(_));
    if supervised {
        under_supervision(codec, inputs, shown)
    } else {
        bare(codec, inputs, shown)
    }
}

fn encode(file: &str, preset: u8, supervised: bool) -> Result<usize> {
    let mut video = Y4m::open(file)?;
    let config = Config {
        preset,
        ..Config::new(video.width as u32, video.height as u32, video.rate)
    };
    let inputs = (0..).map_while(|id| {
        Some(Picture {
            planes: Box::new(video.next()?),
            id,
            force_key: false,
            bitrate: None,
        })
    });
    let packet = |output: &Output| matches!(output, Output::Packet(_));
    if supervised {
        under_supervision(SvtAv1::new(config), inputs, packet)
    } else {
        bare(SvtAv1::new(config), inputs, packet)
    }
}

/// The session alone, on this thread; how many outputs count.
fn bare<C: Codec>(
    codec: C,
    inputs: impl Iterator<Item = <C::Session as Session>::Input>,
    counts: impl Fn(&<C::Session as Session>::Output) -> bool,
) -> Result<usize> {
    let (lane, outputs) = Lane::detached();
    let mut session = codec.open(&lane)?;
    let mut frames = 0;
    let mut take = || frames += outputs.try_iter().filter(&counts).count();
    for input in inputs {
        session.send(&lane, input)?;
        take();
    }
    session.drain(&lane)?;
    session.close(&lane)?;
    take();
    Ok(frames)
}

/// The same as the elements do it: a worker under supervision, and a thread that
/// takes what comes out.
fn under_supervision<C, I, O>(
    codec: C,
    inputs: impl Iterator<Item = I>,
    counts: impl Fn(&O) -> bool + Sync,
) -> Result<usize>
where
    C: Codec<Session: Session<Input = I, Output = O>>,
    I: Send + 'static,
    O: Send + 'static,
{
    let options = Options {
        budgets: Budgets::default(),
        max_abandoned: 0,
        predecessor: None,
        trace: None,
        listener: None,
    };
    let run = Run::start(codec, options)?;
    thread::scope(|scope| {
        let output = scope.spawn(|| {
            let mut frames = 0;
            loop {
                match run.next() {
                    Next::Output(output) => frames += usize::from(counts(&output)),
                    Next::Slow(_) | Next::FactsChanged => {}
                    Next::Ended | Next::Cancelled => return frames,
                }
            }
        });
        for input in inputs {
            // As the elements do: not more than a few wait for the worker.
            if run.wait_for_room() != WaitResult::Ready || run.submit(input).is_err() {
                return Err(format!("the session ended: {:?}", run.outcome()).into());
            }
        }
        let ticket = run.request_drain(true);
        if run.wait_drained(ticket) != DrainResult::Complete {
            return Err(format!("no drain: {:?}", run.outcome()).into());
        }
        let CloseResult::Closed = run.close() else {
            return Err("the session did not close".into());
        };
        output
            .join()
            .map_err(|_panic| "the output thread panicked".into())
    })
}

/// Raw video of 8 bits in 4:2:0.
struct Y4m {
    file: BufReader<File>,
    width: usize,
    height: usize,
    rate: FrameRate,
}

struct Frame {
    bytes: Vec<u8>,
    width: usize,
    height: usize,
}

impl Y4m {
    fn open(path: &str) -> Result<Self> {
        let mut file = BufReader::with_capacity(4 << 20, File::open(path)?);
        let mut header = String::new();
        file.read_line(&mut header)?;
        let word = |letter| {
            let found = header
                .split_whitespace()
                .skip(1)
                .find_map(|word| word.strip_prefix(letter));
            found.ok_or_else(|| format!("no {letter} in {header}"))
        };
        let (numerator, denominator) = word('F')?.split_once(':').ok_or("no frame rate")?;
        let rate = FrameRate {
            numerator: numerator.parse()?,
            denominator: denominator.parse()?,
        };
        let (width, height) = (word('W')?.parse()?, word('H')?.parse()?);
        Ok(Self {
            file,
            width,
            height,
            rate,
        })
    }

    fn next(&mut self) -> Option<Frame> {
        let mut line = Vec::new();
        self.file.read_until(b'\n', &mut line).ok()?;
        let chroma = self.width.div_ceil(2) * self.height.div_ceil(2);
        let mut bytes = vec![0; self.width * self.height + 2 * chroma];
        self.file.read_exact(&mut bytes).ok()?;
        Some(Frame {
            bytes,
            width: self.width,
            height: self.height,
        })
    }
}

impl Planes for Frame {
    fn planes(&self) -> [Plane<'_>; 3] {
        let (luma, chroma) = self.bytes.split_at(self.width * self.height);
        let (first, second) = chroma.split_at(chroma.len() / 2);
        let stride = self.width.div_ceil(2);
        [(luma, self.width), (first, stride), (second, stride)]
            .map(|(data, stride)| Plane { data, stride })
    }
}
