// SPDX-License-Identifier: MPL-2.0
//! A job whose output is read while it is made.

use std::time::Duration;

use gst::prelude::*;

use super::container::Streamable;
use super::failures::failure_of;
use super::output::{Output, Reader};
use super::watch::Ended;
use super::{branches, pipeline, watch};
use crate::cli::{LimitOptions, StreamOptions};
use crate::end::Failure;
use crate::guard;
use crate::interrupt::Interrupt;
use crate::media::make;
use crate::probe::Probe;
use crate::progress::Progress;

/// A job that the guard has let pass, and that has not begun. Dropped, it never does.
pub struct Streamed {
    job: pipeline::Job,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").finish_non_exhaustive()
    }
}

impl Streamed {
    /// Checks that what the options name is there, so that a program can say so when it
    /// starts. No codec exists meanwhile.
    ///
    /// # Errors
    /// [`End::Error`](crate::End::Error) that names the option or the element.
    pub fn check(streams: &StreamOptions, container: Streamable) -> Result<(), Failure> {
        for element in ["filesrc", "parsebin", "dav1dwatchdec", "codecwatch"] {
            make(element)?;
        }
        make(container.container().muxer)?;
        let pipeline = gst::Pipeline::new();
        let encoder = branches::video_encoder(streams)?;
        let added = pipeline.add(&encoder);
        added.map_err(|error| Failure::error(error.to_string()))?;
        // Reads its settings, and opens nothing.
        let ready = pipeline.set_state(gst::State::Ready);
        let messages = pipeline.bus();
        let message = messages.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        let _ = pipeline.set_state(gst::State::Null);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(failure_of(error)),
            _ if ready.is_err() => Err(Failure::error("--video: the encoder cannot be used")),
            _ => Ok(()),
        }
    }

    /// Looks at an input (a file, or a URI) without a codec, refuses impossible work, and
    /// builds the pipeline. Blocks while it reads the beginning of the input: for 30 s at
    /// most, or until `interrupt` is stopped.
    ///
    /// # Errors
    /// [`End::Refused`](crate::End::Refused) by the guard,
    /// [`End::Damaged`](crate::End::Damaged) if a demuxer says so, and
    /// [`End::Error`](crate::End::Error) for what is no video, or one that cannot be
    /// decoded here.
    pub fn prepare(
        input: &str,
        streams: &StreamOptions,
        limits: &LimitOptions,
        container: Streamable,
        reader: Reader,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let output = Output::reader(container, reader)?;
        let probe = Probe::open(input, &|| interrupt.check())?;
        guard::check(&probe.claims, &limits.limits())?;
        if probe.video().is_none() {
            return Err(Failure::error("the input has no video"));
        }
        let job = pipeline::build(input, streams, output, &probe, None)?;
        Ok(Self { job })
    }

    /// Runs it to its end, and stops the pipeline whatever that is. Blocks: until the
    /// output was read, an error, or `interrupt`, or until nothing has moved for
    /// `stall_timeout`, whether that is due to a codec or to the reader; and then for as
    /// long as the pipeline takes to stop, 30 s at most. What there is to say meanwhile
    /// goes to stderr, after `label`.
    pub fn run(self, label: &str, stall_timeout: Duration, interrupt: &Interrupt) -> Ended {
        let mut progress = Progress::of_one_among_others(label);
        watch::run(&self.job, interrupt, stall_timeout, &mut progress)
    }
}
