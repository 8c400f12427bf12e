// SPDX-License-Identifier: MPL-2.0
//! What stands for the C library of a fake codec: its frames, and its faults.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use codecwatch_supervisor::CodecError;

use super::{Call, Fake, Fault};

/// Stands for the C library.
pub(super) struct Native {
    pub(super) fake: Fake,
    pub(super) calls: Mutex<Vec<Call>>,
    pub(super) frames: Mutex<Frames>,
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct Frames {
    pub(super) inside: VecDeque<u32>,
    pub(super) ended: bool,
}

/// When nobody gets any more, a send that waits for room gives up.
pub(super) struct Gone<'a>(pub(super) &'a Native);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.over();
    }
}

impl Native {
    pub(super) fn send(&self, frame: u32) -> Result<(), CodecError> {
        self.struck(Call::Send)?;
        let mut frames = self.frames.lock().unwrap();
        // Its queue is full: it blocks, as C libraries with threads of their own do.
        while self.fake.receive_lane && frames.inside.len() >= self.room() && !frames.ended {
            frames = self.changed.wait(frames).unwrap();
        }
        frames.inside.push_back(frame);
        self.changed.notify_all();
        Ok(())
    }

    /// A frame that is ready; else `None`, when waiting only after the end.
    pub(super) fn get(&self, wait: bool) -> Result<Option<u32>, CodecError> {
        self.struck(Call::Get)?;
        let delay = self.fake.delay.unwrap_or(0);
        let mut frames = self.frames.lock().unwrap();
        loop {
            if frames.ended || frames.inside.len() > delay {
                self.changed.notify_all();
                return Ok(frames.inside.pop_front());
            }
            if !wait {
                return Ok(None);
            }
            frames = self.changed.wait(frames).unwrap();
        }
    }

    fn over(&self) {
        self.frames.lock().unwrap().ended = true;
        self.changed.notify_all();
    }

    fn room(&self) -> usize {
        self.fake.delay.unwrap_or(0) + 8
    }

    pub(super) fn end(&self, call: Call) -> Result<(), CodecError> {
        let struck = self.struck(call);
        self.over();
        struck
    }

    pub(super) fn struck(&self, call: Call) -> Result<(), CodecError> {
        let occurrence = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(call);
            calls.iter().filter(|&&made| made == call).count()
        };
        for &(at, first, fault) in &self.fake.faults {
            if at != call || occurrence < first {
                continue;
            }
            self.fake.struck.store(true, Ordering::Release);
            match fault {
                // In steps, so that it takes as long when the process is stopped meanwhile.
                Fault::Slow(time) => {
                    let mut left = time;
                    while !left.is_zero() {
                        let step = left.min(Duration::from_millis(100));
                        std::thread::sleep(step);
                        left -= step;
                    }
                }
                _ if occurrence > first => {}
                Fault::Hang => self.fake.gate.pass(),
                Fault::Spin => while !self.fake.gate.is_open() {},
                Fault::Fail => {
                    return Err(CodecError::Native {
                        call: "fake".into(),
                        code: 42,
                        reason: "scripted".into(),
                    });
                }
                Fault::Panic => panic!("scripted"),
                Fault::Crash => {
                    let what = "signal 11".to_owned();
                    return Err(CodecError::Crashed { what });
                }
            }
        }
        Ok(())
    }
}
