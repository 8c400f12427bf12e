// SPDX-License-Identifier: MPL-2.0
//! `oneshot`: POST a video, and AV1 comes back as it is made, over HTTP/1.1 and HTTP/2. A
//! response is whole if and only if the encode was complete. See docs/JOBS.md.
//!
//! [`server`] has the connections and the end of the process, [`service`] the answers,
//! [`upload`] what comes in, [`job`] an encode on a thread of its own, [`packets`] what
//! comes out of it, and [`encoded`] makes the body of a response of that.
//!
//! The guard, the pipeline, and what is complete are those of `codecwatch-transcode`.
#![forbid(unsafe_code)]

mod activity;
mod answer;
mod cli;
mod encoded;
mod job;
mod packets;
mod server;
mod service;
mod upload;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use codecwatch_transcode::Streamed;

use cli::Cli;
use service::Service;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("oneshot: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    gst::init()?;
    Streamed::check(&cli.streams, cli.container)?;
    upload::check(&cli.spool)?;
    let health = codecwatch_health::Service::start(codecwatch_health::Options::new(cli.health))
        .map_err(|error| format!("--health: {error}"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(cli.listen).await;
        let listener =
            listener.map_err(|error| format!("--listen: cannot use {}: {error}", cli.listen))?;
        let signals = server::Signals::listen()?;
        eprintln!("oneshot: health at http://{}/", health.address());
        eprintln!("oneshot: listening on http://{}/", listener.local_addr()?);
        let service = Arc::new(Service::new(cli, health));
        Ok::<_, Box<dyn std::error::Error>>(server::serve(listener, service, signals).await)
    })?;
    // What still reads or writes a file must not hold up the end.
    runtime.shutdown_background();
    Ok(code)
}
