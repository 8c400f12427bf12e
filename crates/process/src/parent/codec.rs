// SPDX-License-Identifier: MPL-2.0
//! The factory of sessions in children.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use codecwatch_evidence::{LastLook, SHOWS_STACKS};
use codecwatch_supervisor::{Codec, CodecError, Lane, Library};

use super::conversation::CALL;
use super::kill::OnSurvivor;
use super::session::{Begin, ProcessSession};
use super::spare::SpareUse;
use super::status::ChildStatus;
use crate::child::Sandbox;
use crate::launch::{Child, Launch, LaunchError, Limits};
use crate::remote::{OutputOf, ParentOf, Remote};
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
    /// What a child is kept from; `None`: as its kind of session says.
    pub policy: Option<Policy>,
    /// A child whose sandbox is not whole is refused.
    pub strictly: bool,
    /// Where the latest child is shown.
    pub status: Arc<ChildStatus>,
    /// Looks at a child that is about to be killed.
    pub last_look: Option<Arc<LastLook>>,
    /// `close-timeout`: nobody needs what a child does after that, so it is killed.
    pub close_limit: Duration,
    /// Told of a child that is killed and lives on.
    pub survived: Option<OnSurvivor>,
    /// Where a child may have been started ahead.
    pub spare: Option<SpareUse>,
}

impl Isolation {
    /// What a child is asked to close behind itself. `policy`: what its kind of session
    /// says.
    fn sandbox(&self, policy: Policy) -> Sandbox {
        Sandbox {
            policy: self.policy.unwrap_or(policy),
            strictly: self.strictly,
        }
    }

    /// How a child for sessions of this kind is started.
    fn launch<R: Remote>(&self, sandbox: Sandbox) -> Launch {
        let mut arguments = vec![R::KIND.into()];
        arguments.extend(sandbox.arguments());
        let shows_stacks = self.last_look.as_ref().filter(|look| look.dumps());
        let shows_stacks = shows_stacks.map(|_| (SHOWS_STACKS, "1"));
        Launch {
            program: self.program.clone(),
            arguments,
            name: format!("codecwatch:{}", R::KIND),
            variables: R::VARIABLES
                .iter()
                .copied()
                .chain(shows_stacks)
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            limits: Limits {
                memory: NonZeroU64::new(self.max_memory),
            },
        }
    }
}

/// Starts a child. Does not wait for it.
fn start(launch: &Launch) -> Result<Child, CodecError> {
    launch.start().map_err(|error| match error {
        error @ (LaunchError::Relative(_) | LaunchError::Program { .. }) => {
            CodecError::Settings(format!(
                "isolate=true: {error}; CODECWATCH_WORKER can name the program \
                 codecwatch-worker, which is installed beside the plugin"
            ))
        }
        error => CodecError::Resource(error.to_string()),
    })
}

/// Opens sessions in children.
pub struct ProcessCodec<R: Remote> {
    /// Everything that opens a session.
    pub config: R::Config,
    /// The library that the child calls.
    pub library: Library,
    /// How the child is started, or why it cannot be.
    pub isolation: Result<Isolation, String>,
    /// What the element lends to the session.
    pub parent: ParentOf<R>,
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

    fn is_isolated(&self) -> bool {
        true
    }

    fn open(self, lane: &Lane<OutputOf<R>>) -> Result<ProcessSession<R>, CodecError> {
        let isolation = self.isolation.map_err(CodecError::Settings)?;
        let sandbox = isolation.sandbox(R::policy(&self.config));
        let launch = isolation.launch::<R>(sandbox);
        let spare = isolation.spare.clone();
        let child = match spare.as_ref().and_then(|spare| spare.take(&launch)) {
            Some(child) => child,
            None => lane.call(CALL, || start(&launch))?,
        };
        let begin = Begin {
            child,
            config: self.config,
            isolation,
            sandbox,
            parent: self.parent,
            log: self.log,
        };
        let opened = ProcessSession::open(lane, begin)?;
        if let Some(spare) = spare {
            spare.prepare(launch);
        }
        Ok(opened)
    }
}
