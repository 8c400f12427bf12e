// SPDX-License-Identifier: MPL-2.0
//! What the tests of this crate share.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses a part"
)]

use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use codecwatch_supervisor::{Codec, CodecError, Lane, Session};
use codecwatch_svtav1::{
    BitDepth, Config, FrameRate, Output, Packet, Picture, Plane, Planes, SvtAv1, SvtAv1Session,
};

/// Set in the process that a test makes of itself.
const CHILD: &str = "CODECWATCH_TEST_CHILD";

/// What this process was asked for by [`this_test`]; `None` in the test itself.
pub fn child() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// The test of this name, which is the one that runs, in a process of its own,
/// asked for `part`.
pub fn this_test(name: &str, part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, part);
    command
}

pub const RATE: FrameRate = FrameRate {
    numerator: 30,
    denominator: 1,
};

/// A picture of moving slopes.
pub struct Frame {
    pub planes: [Vec<u8>; 3],
    pub strides: [usize; 3],
}

impl Planes for Frame {
    fn planes(&self) -> [Plane<'_>; 3] {
        [0, 1, 2].map(|index| Plane {
            data: &self.planes[index],
            stride: self.strides[index],
        })
    }
}

/// Columns and rows of each plane.
pub fn sizes(config: &Config) -> [(usize, usize); 3] {
    let (width, height) = (config.width as usize, config.height as usize);
    let chroma = (width.div_ceil(2), height.div_ceil(2));
    [(width, height), chroma, chroma]
}

/// Picture `number`, with rows that are `padding` bytes longer than they need be.
pub fn frame(config: &Config, number: usize, padding: usize) -> Frame {
    let bytes = config.bit_depth.bytes();
    let sizes = sizes(config);
    let strides = sizes.map(|(width, _)| width * bytes + padding);
    let planes = [0, 1, 2].map(|index| {
        let ((width, height), stride) = (sizes[index], strides[index]);
        let mut data = vec![0xa5; stride * height];
        for y in 0..height {
            for x in 0..width {
                let sample = (x * (3 + index) + y * 2 + number * 5 + (x * y / 16)) & 0xff;
                let at = y * stride + x * bytes;
                match config.bit_depth {
                    BitDepth::Eight => data[at] = sample as u8,
                    BitDepth::Ten => {
                        let sample = (sample as u16) << 2 | 1;
                        data[at..at + 2].copy_from_slice(&sample.to_le_bytes());
                    }
                }
            }
        }
        data
    });
    Frame { planes, strides }
}

pub fn picture(config: &Config, number: usize) -> Picture {
    Picture {
        planes: Box::new(frame(config, number, 0)),
        id: id(number),
        force_key: false,
        bitrate: None,
    }
}

/// Ids that no counter of the library's would give.
pub fn id(number: usize) -> u64 {
    1_000_000_007 * (number as u64 + 1)
}

/// The supervisor lets one encoder open at a time; here the tests do.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open session on a lane of its own.
pub struct Open {
    pub session: SvtAv1Session,
    pub lane: Lane<Output>,
    pub outputs: Receiver<Output>,
}

pub fn open(config: &Config) -> Result<Open, CodecError> {
    let (lane, outputs) = Lane::detached();
    let session = SvtAv1::new(config.clone()).open(&lane)?;
    Ok(Open {
        session,
        lane,
        outputs,
    })
}

impl Open {
    /// Drains and closes; everything that came out.
    pub fn finish(mut self) -> Vec<Packet> {
        self.session.drain(&self.lane).unwrap();
        self.session.close(&self.lane).unwrap();
        packets(&self.outputs)
    }
}

/// What has come out, after the header that comes first.
pub fn packets(outputs: &Receiver<Output>) -> Vec<Packet> {
    let mut outputs = outputs.try_iter();
    match outputs.next() {
        None => return Vec::new(),
        Some(Output::Header(_)) => {}
        Some(Output::Packet(_)) => panic!("the header comes first"),
    }
    outputs
        .map(|output| match output {
            Output::Packet(packet) => packet,
            Output::Header(_) => panic!("one header is enough"),
        })
        .collect()
}

/// Encodes so many pictures.
pub fn encode(config: &Config, frames: usize) -> Vec<Packet> {
    let mut open = open(config).unwrap();
    for number in 0..frames {
        open.session
            .send(&open.lane, picture(config, number))
            .unwrap();
    }
    open.finish()
}

/// Fails, instead of hanging, when `body` takes longer.
#[track_caller]
pub fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        let value = body();
        let _ = done.send(value);
    });
    match finished.recv_timeout(limit) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("took longer than {limit:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().err().unwrap())
        }
    }
}

/// Says, in a way that stands out in a log, that a case did not run.
pub fn skip(case: &str, missing: &str) {
    println!("skipped: {case}: there is no {missing}");
}
