// SPDX-License-Identifier: MPL-2.0
//! Connections, and the end of the process.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::activity::Activity;
use crate::service::Service;

/// The most connections at once; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;
/// The most requests at once on a connection of HTTP/2.
const STREAMS: u32 = 64;
/// The longest until the head of a request has come, and how often a client of HTTP/2 is
/// asked whether it is there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait after a connection could not be accepted: usually the process has no
/// file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long jobs may take to stop: longer than a pipeline may take.
const STOP: Duration = Duration::from_secs(35);
/// How long what the last jobs have given may take to be sent: some 100 kB each.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one. Answers its number.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// Serves until a signal comes, lets the jobs come to their end, and stops those that do
/// not. Connections are accepted meanwhile: who asks for a new job is told that there is
/// none, and load balancers have the time to find out.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut signals: Signals,
) -> ExitCode {
    let graceful = GracefulShutdown::new();
    let code = tokio::select! {
        never = accept(&listener, &service, &graceful) => match never {},
        code = end(&service, &mut signals) => code,
    };
    drop(listener);
    let _ = timeout(LAST_WORDS, graceful.shutdown()).await;
    code
}

/// Waits for a signal, and then for the jobs.
async fn end(service: &Service, signals: &mut Signals) -> ExitCode {
    signals.next().await;
    service.end();
    let grace = service.options.grace;
    eprintln!(
        "oneshot: ends when its jobs have, in {} s at most",
        grace.as_secs()
    );
    let ending = async {
        if timeout(grace, service.jobs.all_ended()).await.is_ok() {
            return ExitCode::SUCCESS;
        }
        eprintln!("oneshot: {} jobs are stopped", service.jobs.running());
        service.jobs.stop();
        let _ = timeout(STOP, async {
            while service.jobs.running() > 0 {
                sleep(PAUSE).await;
            }
        })
        .await;
        ExitCode::FAILURE
    };
    tokio::select! {
        code = ending => code,
        // Whoever asks twice does not want to wait.
        number = signals.next() => std::process::exit(128 + number),
    }
}

async fn accept(
    listener: &TcpListener,
    service: &Arc<Service>,
    graceful: &GracefulShutdown,
) -> Infallible {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let permit = connections.clone().acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = connection(stream, service.clone(), graceful.watcher());
                tokio::spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            // The client has gone, or the process is short of something. Anything that
            // lasts is seen again, after a pause.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Whatever goes wrong concerns this client only.
async fn connection(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    let activity = Activity::default();
    let requests = activity.clone();
    let answering = service_fn(move |request| {
        let (service, active) = (service.clone(), requests.begin());
        async move { Ok::<_, Infallible>(service.answer(request, active).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PATIENCE)
        .keep_alive_timeout(PATIENCE);
    let connection = builder.serve_connection(TokioIo::new(stream), answering);
    tokio::select! {
        _ = watcher.watch(connection.into_owned()) => {}
        () = activity.idle() => {}
    }
}
