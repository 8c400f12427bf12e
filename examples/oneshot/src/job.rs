// SPDX-License-Identifier: MPL-2.0
//! An encode: a thread that runs the pipeline, and the end of it that is read.
//!
//! The thread owns the upload and the place among the jobs, and gives them back when the
//! pipeline has stopped, whatever the client does meanwhile.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use codecwatch_transcode::{End, Failure, Interrupt, Reader, Streamed, Summary};
use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::answer::Refusal;
use crate::cli::Cli;
use crate::packets::Packets;
use crate::upload::Upload;

/// A job that did not end complete.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct Failed {
    /// The answer, if nothing was sent yet.
    pub(crate) refusal: Refusal,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { refusal }
    }
}

/// The end of a job that is read. Dropped, it stops the job.
pub(crate) struct Job {
    pub(crate) number: u64,
    packets: Packets,
    end: oneshot::Receiver<Result<Summary, Failed>>,
    interrupt: Interrupt,
    /// The client does not want it any more.
    is_unwanted: Arc<AtomicBool>,
}

impl Job {
    /// Waits for the first bytes.
    pub(crate) async fn first(&mut self) -> Result<Bytes, Refusal> {
        match poll_fn(|context| self.poll_next(context)).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => {
                let text = "the job ended without any output";
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text))
            }
            Err(failed) => Err(failed.refusal),
        }
    }

    /// The next bytes, or how it ended if that was complete.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Result<Bytes, Summary>, Failed>> {
        // First what came before the end.
        if let Poll::Ready(bytes) = self.packets.poll_next(context) {
            return Poll::Ready(Ok(Ok(bytes)));
        }
        let end = std::task::ready!(Pin::new(&mut self.end).poll(context));
        let internal = |text: &str| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text);
        // A thread that has panicked says nothing.
        let end = end.unwrap_or_else(|_| Err(internal("the job has panicked").into()));
        let summary = match end {
            Ok(summary) => summary,
            Err(failed) => return Poll::Ready(Err(failed)),
        };
        if !self.packets.is_all() {
            return Poll::Ready(Err(internal("the output was not read to its end").into()));
        }
        Poll::Ready(Ok(Err(summary)))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
        self.interrupt.stop();
    }
}

/// The jobs of this process.
#[derive(Debug)]
pub(crate) struct Jobs {
    places: Arc<Semaphore>,
    limit: u32,
    /// Places of jobs whose pipeline did not stop.
    lost: AtomicU64,
    next: AtomicU64,
    running: Mutex<BTreeMap<u64, Interrupt>>,
}

/// A place among the jobs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

impl Jobs {
    pub(crate) fn new(limit: u16) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limit.into())),
            limit: limit.into(),
            lost: AtomicU64::new(0),
            next: AtomicU64::new(1),
            running: Mutex::default(),
        }
    }

    /// A place, if one is free.
    pub(crate) fn place(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(Place)
    }

    /// Returns when no place is taken, other than those that are lost.
    pub(crate) async fn all_ended(&self) {
        let lost = u32::try_from(self.lost.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        // It is never closed.
        let _ = { &self.places }
            .acquire_many(self.limit.saturating_sub(lost))
            .await;
    }

    /// How many have begun and not ended.
    pub(crate) fn running(&self) -> usize {
        self.lock().len()
    }

    /// Stops all of them, in bounded time. Returns at once.
    pub(crate) fn stop(&self) {
        self.lock().values().for_each(Interrupt::stop);
    }

    /// Begins a job. `stuck` is called if this was the last place that was not lost.
    pub(crate) fn start(
        self: &Arc<Self>,
        upload: Upload,
        place: Place,
        options: Arc<Cli>,
        stuck: impl FnOnce() + Send + 'static,
    ) -> Result<Job, Refusal> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (packets, reader) = Packets::new();
        let (send, end) = oneshot::channel();
        let job = Job {
            number,
            packets,
            end,
            interrupt: Interrupt::default(),
            is_unwanted: Arc::default(),
        };
        let worker = Worker {
            label: format!("oneshot: job {number}: "),
            interrupt: job.interrupt.clone(),
            is_unwanted: job.is_unwanted.clone(),
            options,
        };
        let registered = Registered::new(self.clone(), number, job.interrupt.clone());
        let jobs = self.clone();
        let running = std::thread::Builder::new()
            .name(format!("job {number}"))
            .spawn(move || {
                let (result, has_stopped) = worker.run(&upload, reader);
                // Whoever hears of the end finds the place free.
                drop(upload);
                if has_stopped {
                    drop(place);
                } else {
                    jobs.lose(place, stuck);
                }
                drop(registered);
                // A client that has gone does not want to know.
                let _ = send.send(result);
            });
        running.map_err(|error| {
            let text = format!("no thread for the job: {error}");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
        })?;
        Ok(job)
    }

    /// The place of a job whose pipeline did not stop stays taken, so that there are no
    /// more of them than places.
    fn lose(&self, place: Place, stuck: impl FnOnce()) {
        place.0.forget();
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost >= u64::from(self.limit) {
            stuck();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Interrupt>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a job in the list of those that run.
struct Registered(Arc<Jobs>, u64);

impl Registered {
    fn new(jobs: Arc<Jobs>, number: u64, interrupt: Interrupt) -> Self {
        jobs.lock().insert(number, interrupt);
        Self(jobs, number)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// What the thread of a job has.
struct Worker {
    /// Before each line on stderr.
    label: String,
    interrupt: Interrupt,
    is_unwanted: Arc<AtomicBool>,
    options: Arc<Cli>,
}

impl Worker {
    /// Runs the job, and says on stderr how it ended. Returns whether the pipeline has
    /// stopped, too.
    fn run(&self, upload: &Upload, reader: Reader) -> (Result<Summary, Failed>, bool) {
        let began = Instant::now();
        let options = &self.options;
        let prepared = Streamed::prepare(
            &upload.path(),
            &options.streams,
            &options.limits,
            options.container,
            reader,
            &self.interrupt,
        );
        let job = match prepared {
            Ok(job) => job,
            Err(failure) => {
                self.say(&failure);
                return (Err(Refusal::before_codecs(&failure).into()), true);
            }
        };
        eprintln!("{}begins", self.label);
        let ended = job.run(&self.label, options.stall_timeout, &self.interrupt);
        if !ended.has_stopped {
            eprintln!("{}the pipeline does not stop", self.label);
        }
        let complete = ended.result.and_then(|summary| {
            if summary.is_complete() {
                return Ok(summary);
            }
            let text = format!("{} frames were lost", summary.frames_lost);
            Err(Failure::new(End::Degraded, text))
        });
        let result = match complete {
            Ok(summary) => {
                let (label, frames) = (&self.label, summary.frames);
                let seconds = began.elapsed().as_secs_f64();
                eprintln!("{label}complete, {frames} frames in {seconds:.1} s");
                Ok(summary)
            }
            Err(failure) => {
                self.say(&failure);
                Err(Refusal::of_job(&failure).into())
            }
        };
        (result, ended.has_stopped)
    }

    fn say(&self, failure: &Failure) {
        let label = &self.label;
        match failure.end {
            End::Interrupted(_) if self.is_unwanted.load(Ordering::Relaxed) => {
                eprintln!("{label}stopped: the client has gone");
            }
            End::Interrupted(_) => eprintln!("{label}stopped: the service ends"),
            end => eprintln!("{label}{}: {failure}", end.name()),
        }
    }
}
