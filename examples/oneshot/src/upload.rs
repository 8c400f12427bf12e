// SPDX-License-Identifier: MPL-2.0
//! What comes in: a file without a name, which is gone when it is closed, also after
//! SIGKILL.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Refusal;

/// How long an upload that is refused is read before the answer, and after it. Not every
/// client of HTTP/2 can go on with a connection after an answer to half of its request;
/// and a server that closes a connection of HTTP/1.1 while something comes in resets it,
/// so that the client may lose the answer.
const LINGER: Duration = Duration::from_secs(2);

/// A video that is on the disk.
#[derive(Debug)]
pub(crate) struct Upload(File);

impl Upload {
    /// A path by which this process can open it again.
    pub(crate) fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

/// Checks that a folder can hold uploads.
///
/// # Errors
/// One that names the option and the folder.
pub(crate) fn check(spool: &Path) -> Result<(), String> {
    let made = tempfile::tempfile_in(spool);
    made.map(drop).map_err(|error| {
        format!(
            "--spool: no file can be made in {}: {error}",
            spool.display()
        )
    })
}

/// Receives a body of at most `most` bytes, within `time`.
pub(crate) async fn receive(
    body: &mut Incoming,
    spool: &Path,
    most: u64,
    time: Duration,
) -> Result<Upload, Refusal> {
    let deadline = Instant::now() + time;
    let file = tempfile::tempfile_in(spool).map_err(|error| disk(&error))?;
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes: u64 = 0;
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            let text = format!("the upload took longer than {} s", time.as_secs());
            Refusal::new(StatusCode::REQUEST_TIMEOUT, text)
        })?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data(),
            Some(Err(error)) => {
                let text = format!("the upload broke off: {error}");
                return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
            }
        };
        // Trailers are nothing to encode.
        let Ok(data) = data else { continue };
        bytes = bytes.saturating_add(data.len() as u64);
        if bytes > most {
            return Err(too_large(most));
        }
        file.write_all(&data).await.map_err(|error| disk(&error))?;
    }
    // Errors of writes before come to light here.
    file.flush().await.map_err(|error| disk(&error))?;
    if bytes == 0 {
        let text = "the body is empty: POST a video";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    Ok(Upload(file.into_std().await))
}

/// Reads what comes of an upload that is refused, and drops it. Returns when that is all,
/// or after a while; then it goes on for as long in the background.
pub(crate) async fn discard(mut body: Incoming) {
    if !read_out(&mut body).await {
        tokio::spawn(async move { read_out(&mut body).await });
    }
}

/// Whether nothing more comes.
async fn read_out(body: &mut Incoming) -> bool {
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    timeout(LINGER, reading).await.is_ok()
}

/// A video that is larger than is allowed.
pub(crate) fn too_large(most: u64) -> Refusal {
    let text = format!("the upload is larger than {most} bytes (--max-upload)");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

fn disk(error: &io::Error) -> Refusal {
    let status = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::new(status, format!("the upload cannot be stored: {error}"))
}
