// SPDX-License-Identifier: MPL-2.0
//! The answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Either;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::activity::Active;
use crate::answer::{Body, Refusal, text};
use crate::cli::Cli;
use crate::encoded::{Encoded, FRAMES, STATUS};
use crate::job::{Jobs, Place};
use crate::upload;

const USAGE: &str = "POST a video to this address, and AV1 comes back as it is made:\n\
     curl --fail --data-binary @in.mp4 --output out.mkv URL";

pub(crate) struct Service {
    pub(crate) options: Arc<Cli>,
    pub(crate) jobs: Arc<Jobs>,
    /// Health at its own address.
    health: Arc<Mutex<codecwatch_health::Service>>,
    /// No new jobs are taken.
    ends: AtomicBool,
}

impl Service {
    pub(crate) fn new(options: Cli, health: codecwatch_health::Service) -> Self {
        Self {
            jobs: Arc::new(Jobs::new(options.jobs)),
            options: Arc::new(options),
            health: Arc::new(Mutex::new(health)),
            ends: AtomicBool::new(false),
        }
    }

    /// Takes no more jobs, and says so to whoever asks `/readyz`.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
        unready(&self.health);
    }

    /// The answer to a request.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        active: Active,
    ) -> Response<Body> {
        let answer = match (request.method(), request.uri().path()) {
            (&Method::POST, "/") => {
                let encoded = self.encode(request, active).await;
                return encoded.unwrap_or_else(|refusal| refusal.answer(self.options.retry_after));
            }
            (&Method::GET | &Method::HEAD, "/") => text(StatusCode::OK, USAGE),
            (_, "/") => {
                let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, USAGE);
                let allowed = HeaderValue::from_static("GET, HEAD, POST");
                refused.headers_mut().insert(header::ALLOW, allowed);
                refused
            }
            _ => text(StatusCode::NOT_FOUND, "there is nothing but /"),
        };
        if !waits_to_send(&request) {
            upload::discard(request.into_body()).await;
        }
        answer
    }

    async fn encode(
        &self,
        request: Request<Incoming>,
        active: Active,
    ) -> Result<Response<Body>, Refusal> {
        let takes_trailers = takes_trailers(request.headers());
        let version = request.version();
        let waits_to_send = waits_to_send(&request);
        let mut body = request.into_body();
        let options = &self.options;
        let place = match self.place(version, &body) {
            Ok(place) => place,
            Err(refusal) => {
                if !waits_to_send {
                    upload::discard(body).await;
                }
                return Err(refusal);
            }
        };
        let (most, time) = (options.max_upload, options.upload_timeout);
        let upload = match upload::receive(&mut body, &options.spool, most, time).await {
            Ok(upload) => upload,
            Err(refusal) => {
                upload::discard(body).await;
                return Err(refusal);
            }
        };
        let health = self.health.clone();
        let stuck = move || unready(&health);
        let jobs = &self.jobs;
        let mut job = jobs.start(upload, place, options.clone(), stuck)?;
        let first = job.first().await?;

        let number = HeaderValue::from(job.number);
        let body = Encoded::new(first, job, takes_trailers, active);
        let mut response = Response::new(Either::Right(body));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(self.options.container.media_type());
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("codecwatch-job", number);
        if takes_trailers {
            for name in [STATUS, FRAMES] {
                headers.append(header::TRAILER, HeaderValue::from_static(name));
            }
        }
        Ok(response)
    }

    /// A place for a job whose upload has not been read: a service that has none stores
    /// nothing.
    fn place(&self, version: Version, body: &Incoming) -> Result<Place, Refusal> {
        if version < Version::HTTP_11 {
            let text =
                "HTTP/1.0 cannot tell a body that was cut off from a whole one: use HTTP/1.1";
            return Err(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, text));
        }
        let options = &self.options;
        if body.size_hint().lower() > options.max_upload {
            return Err(upload::too_large(options.max_upload));
        }
        let unavailable = |text: String| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
        if self.ends.load(Ordering::Relaxed) {
            return Err(unavailable("the service ends".to_owned()));
        }
        self.jobs.place().ok_or_else(|| {
            let limit = options.jobs;
            unavailable(format!(
                "{limit} jobs run, and there is no place for more (--jobs)"
            ))
        })
    }
}

/// Has `/readyz` say that another process has to take over.
fn unready(health: &Mutex<codecwatch_health::Service>) {
    let health = health.lock().unwrap_or_else(PoisonError::into_inner);
    health.set_draining(true);
}

/// Whether the client sends its body when it is told to, and not before: until something
/// of it is read, nothing comes. There is no such word in HTTP/2.
fn waits_to_send(request: &Request<Incoming>) -> bool {
    request.version() < Version::HTTP_2 && request.headers().contains_key(header::EXPECT)
}

/// Whether the client says that it takes trailers.
fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}
