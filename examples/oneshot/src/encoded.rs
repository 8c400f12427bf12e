// SPDX-License-Identifier: MPL-2.0
//! The body of a response, made while it is sent.
//!
//! It ends as a whole one after a complete job, and in no other way. Otherwise it ends in
//! an error, which is what makes the server close the connection without a last chunk
//! (HTTP/1.1) or reset the stream (HTTP/2).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use codecwatch_transcode::Summary;
use hyper::HeaderMap;
use hyper::body::Frame;
use hyper::header::HeaderValue;

use crate::activity::Active;
use crate::job::{Failed, Job};

/// The trailers, which are sent after a complete job only: a body with trailers is a whole
/// one, and a client that does not look at them would take it for that.
pub(crate) const STATUS: &str = "codecwatch-status";
pub(crate) const FRAMES: &str = "codecwatch-frames";

pub(crate) struct Encoded {
    /// What was waited for before the head of the response was sent.
    first: Option<Bytes>,
    job: Job,
    /// Whether the client takes trailers.
    takes_trailers: bool,
    has_ended: bool,
    _active: Active,
}

impl Encoded {
    pub(crate) fn new(first: Bytes, job: Job, takes_trailers: bool, active: Active) -> Self {
        Self {
            first: Some(first),
            job,
            takes_trailers,
            has_ended: false,
            _active: active,
        }
    }
}

impl hyper::body::Body for Encoded {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let next = std::task::ready!(self.job.poll_next(context));
        let next = match next {
            Ok(Ok(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Ok(Err(summary)) if self.takes_trailers => {
                Some(Ok(Frame::trailers(trailers(&summary))))
            }
            Ok(Err(_)) => None,
            Err(failed) => Some(Err(failed)),
        };
        self.has_ended = true;
        Poll::Ready(next)
    }
}

fn trailers(summary: &Summary) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from_static("complete"));
    trailers.insert(FRAMES, HeaderValue::from(summary.frames));
    trailers
}
