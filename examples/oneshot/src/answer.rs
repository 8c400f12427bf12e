// SPDX-License-Identifier: MPL-2.0
//! Answers that are no video.

use bytes::Bytes;
use codecwatch_transcode::{End, Failure};
use http_body_util::{Either, Full};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::encoded::Encoded;

/// The body of an answer: a text, or what is encoded meanwhile.
pub(crate) type Body = Either<Full<Bytes>, Encoded>;

/// An answer that says why there is no video.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, text }
    }

    /// Of a video that was looked at, before any codec existed.
    pub(crate) fn before_codecs(failure: &Failure) -> Self {
        let status = match failure.end {
            End::Refused | End::Damaged => StatusCode::UNPROCESSABLE_ENTITY,
            End::Interrupted(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        Self::new(status, text_of(failure))
    }

    /// Of a job that has begun and of which nothing was sent.
    pub(crate) fn of_job(failure: &Failure) -> Self {
        let status = match failure.end {
            End::Damaged => StatusCode::UNPROCESSABLE_ENTITY,
            // By an element: no memory is left for one more codec, or `max-abandoned`.
            End::Refused | End::Interrupted(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, text_of(failure))
    }

    /// `retry_after`: seconds.
    pub(crate) fn answer(&self, retry_after: u32) -> Response<Body> {
        let mut response = text(self.status, &self.text);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(retry_after);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

fn text_of(failure: &Failure) -> String {
    format!("{}: {failure}", failure.end.name())
}

/// A text, with a line's end.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whose_fault_it_is() {
        let before = |end| {
            Refusal::before_codecs(&Failure::new(end, "why"))
                .status
                .as_u16()
        };
        assert_eq!(before(End::Refused), 422);
        assert_eq!(before(End::Damaged), 422);
        assert_eq!(before(End::Error), 415);
        assert_eq!(before(End::Interrupted(15)), 503);
        let job = |end| Refusal::of_job(&Failure::new(end, "why")).status.as_u16();
        assert_eq!(job(End::Degraded), 500);
        assert_eq!(job(End::Error), 500);
        assert_eq!(job(End::Damaged), 422);
        assert_eq!(job(End::Refused), 503);
        assert_eq!(job(End::Interrupted(15)), 503);
    }

    #[test]
    fn only_who_may_try_again_is_told_when() {
        let header = |status: StatusCode| {
            let response = Refusal::new(status, "why").answer(7);
            response.headers().get(header::RETRY_AFTER).cloned()
        };
        assert_eq!(header(StatusCode::SERVICE_UNAVAILABLE).unwrap(), "7");
        assert_eq!(header(StatusCode::INTERNAL_SERVER_ERROR), None);
    }
}
