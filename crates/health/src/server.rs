// SPDX-License-Identifier: MPL-2.0
//! Accepts connections and answers one request on each.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::answers::Answers;
use crate::connections::Connections;
use crate::forked::ClosedInChildren;

/// The longest until a request has come.
const HEADERS: Duration = Duration::from_secs(2);
/// The longest that a connection may take in all.
const CONNECTION: Duration = Duration::from_secs(5);
/// The most bytes of a request, and the least that hyper takes.
const REQUEST: usize = 8192;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How long to wait after a connection could not be accepted: usually the process has no
/// file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, or until its other end is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    answers: Arc<Answers>,
    mut stop: oneshot::Receiver<()>,
) {
    let closed_in_children = ClosedInChildren::new(&listener);
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.make_room();
                let asked = Arc::new(AtomicBool::new(false));
                let answering = answer(stream, answers.clone(), asked.clone());
                connections.add(tokio::spawn(answering), asked);
            }
            // The client has gone, or the process is short of something. Anything that
            // lasts is seen again, after a pause.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(closed_in_children);
}

/// Answers one request. Whatever goes wrong concerns this client only.
async fn answer(stream: TcpStream, answers: Arc<Answers>, asked: Arc<AtomicBool>) {
    let closed_in_children = ClosedInChildren::new(&stream);
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        let answers = answers.clone();
        async move { Ok::<_, Infallible>(answers.to(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(REQUEST)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let _ = tokio::time::timeout(CONNECTION, connection.as_mut()).await;
    drop(closed_in_children);
}
