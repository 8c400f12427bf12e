// SPDX-License-Identifier: MPL-2.0
//! The factory of sessions in children.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use codecwatch_supervisor::{Codec, CodecError, Lane, Library};

use super::session::ProcessSession;
use crate::launch::{Child, Launch, LaunchError, Limits};
use crate::remote::{OutputOf, Remote};
use crate::sandbox::Policy;

/// Receives the lines of a codec's log, with their levels (0 = most serious). Must not
/// block.
pub type Log = Arc<dyn Fn(u8, &str) + Send + Sync>;

/// How children are started.
#[derive(Debug, Clone)]
pub struct Isolation {
    /// The program `codecwatch-worker`.
    pub program: PathBuf,
    /// Bytes of memory that a child may use; 0 = no limit.
    pub max_memory: u64,
    /// What a child is kept from.
    pub policy: Policy,
}

impl Isolation {
    /// Starts a child for sessions of this kind. Does not wait for it.
    fn start(&self, kind: &str) -> Result<Child, CodecError> {
        let launch = Launch {
            program: self.program.clone(),
            arguments: vec![kind.into(), self.policy.name().into()],
            name: format!("codecwatch:{kind}"),
            variables: Vec::new(),
            limits: Limits {
                memory: NonZeroU64::new(self.max_memory),
                threads: None,
            },
        };
        let started = launch.start();
        started.map_err(|error| match error {
            error @ (LaunchError::Relative(_) | LaunchError::Program { .. }) => {
                CodecError::Settings(format!(
                    "isolate=true: {error}; CODECWATCH_WORKER can name the program \
                     codecwatch-worker, which is installed beside the plugin"
                ))
            }
            error => CodecError::Resource(error.to_string()),
        })
    }
}

/// Opens sessions in children.
pub struct ProcessCodec<R: Remote> {
    /// Everything that opens a session.
    pub config: R::Config,
    /// The library that the child calls.
    pub library: Library,
    /// How the child is started.
    pub isolation: Isolation,
    /// Where its codec's log goes.
    pub log: Option<Log>,
}

impl<R: Remote> std::fmt::Debug for ProcessCodec<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessCodec")
            .field("config", &self.config)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

impl<R: Remote> Codec for ProcessCodec<R> {
    type Session = ProcessSession<R>;

    fn library(&self) -> Library {
        self.library.clone()
    }

    /// A library that is not safe to open twice at a time is opened once in each process.
    fn opens_freely(&self) -> bool {
        true
    }

    fn open(self, lane: &Lane<OutputOf<R>>) -> Result<ProcessSession<R>, CodecError> {
        let child = lane.call("codecwatch-worker", || self.isolation.start(R::KIND))?;
        ProcessSession::open(lane, child, self.config, &self.isolation, self.log)
    }
}
