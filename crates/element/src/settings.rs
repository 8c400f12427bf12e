// SPDX-License-Identifier: MPL-2.0
//! The properties that every supervised element shares.

use std::time::Duration;

use codecwatch_supervisor::Budgets;
use codecwatch_supervisor::guard::Limits;
use gst::glib;
use gst::prelude::*;

use crate::properties::{ElementSettings, Property, store};
use crate::stored;

/// Values of the shared properties.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `watchdog-timeout`, `drain-timeout`, `open-timeout`, `close-timeout`, `slow-limit`.
    pub budgets: Budgets,
    /// `restart-limit`: restarts allowed within the window; the next fault is an error.
    pub restart_limit: u32,
    /// `restart-window`.
    pub restart_window: Duration,
    /// `max-abandoned`: number of workers, abandoned or closing in the background, at
    /// which no session is opened.
    pub max_abandoned: u32,
    /// `eos-after-failure`: EOS follows the error.
    pub eos_after_failure: bool,
    /// `max-duration`, `max-frames`.
    pub limits: Limits,
    /// `isolate`: sessions run in child processes.
    pub isolate: bool,
    /// `isolate-policy`: the name of a child's sandbox.
    pub isolate_policy: String,
    /// `isolate-max-memory`: bytes, 0 = no limit.
    pub isolate_max_memory: u64,
    /// `isolate-dump`: what is taken of a child before it is killed.
    pub isolate_dump: String,
    /// `evidence-dir`: where faults leave their evidence.
    pub evidence_dir: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budgets: Budgets::default(),
            restart_limit: 0,
            restart_window: Duration::from_secs(60),
            max_abandoned: 4,
            eos_after_failure: false,
            limits: Limits::default(),
            isolate: false,
            isolate_policy: "auto".to_owned(),
            isolate_max_memory: 0,
            isolate_dump: "none".to_owned(),
            evidence_dir: None,
        }
    }
}

impl ElementSettings for Settings {
    fn properties() -> &'static [Property<Self>] {
        TABLE
    }
}

/// How a duration is stored, and read as nanoseconds.
macro_rules! stored_duration {
    ($field:ident $(. $rest:ident)*) => {
        (
            |settings, value| {
                let mut nanoseconds = 0_u64;
                store(&mut nanoseconds, value);
                settings.$field$(.$rest)* = Duration::from_nanos(nanoseconds);
            },
            |settings| nanoseconds(settings.$field$(.$rest)*).to_value(),
        )
    };
}

/// The table.
const TABLE: &[Property<Settings>] = &[
    Property::new(
        "watchdog-timeout",
        |name, d| {
            duration(
                name,
                "Watchdog timeout",
                "Maximum time without owed progress while running (ns, 0 = off)",
                d.budgets.watchdog,
            )
        },
        stored_duration!(budgets.watchdog),
    ),
    Property::new(
        "drain-timeout",
        |name, d| {
            duration(
                name,
                "Drain timeout",
                "Maximum time without owed progress while draining (ns, 0 = off)",
                d.budgets.drain,
            )
        },
        stored_duration!(budgets.drain),
    ),
    Property::new(
        "open-timeout",
        |name, d| {
            duration(
                name,
                "Open timeout",
                "Maximum time for opening the codec (ns, 0 = off)",
                d.budgets.open,
            )
        },
        stored_duration!(budgets.open),
    ),
    Property::new(
        "close-timeout",
        |name, d| {
            duration(
                name,
                "Close timeout",
                "Maximum time for closing the codec; bounds state changes (ns)",
                d.budgets.close,
            )
        },
        stored_duration!(budgets.close),
    ),
    Property::new(
        "slow-limit",
        |name, d| {
            duration(
                name,
                "Slow limit",
                "Maximum time without progress while the codec demonstrably works (ns)",
                d.budgets.slow_limit,
            )
        },
        stored_duration!(budgets.slow_limit),
    ),
    Property::new(
        "restart-limit",
        |name, d| {
            count(
                name,
                "Restart limit",
                "Maximum number of restarts within restart-window; the next fault is an error \
                 (0 = every fault is an error)",
                d.restart_limit,
            )
        },
        stored!(restart_limit),
    ),
    Property::new(
        "restart-window",
        |name, d| {
            duration(
                name,
                "Restart window",
                "Time window in which restarts count towards restart-limit (ns)",
                d.restart_window,
            )
        },
        stored_duration!(restart_window),
    ),
    Property::new(
        "max-abandoned",
        |name, d| {
            count(
                name,
                "Maximum abandoned",
                "Maximum number of workers of the codec library that are abandoned or close in the \
                 background; at the limit a new session waits for one that closes, and is refused \
                 if that many are abandoned (0 = no limit)",
                d.max_abandoned,
            )
        },
        stored!(max_abandoned),
    ),
    Property::new(
        "eos-after-failure",
        |name, d| {
            glib::ParamSpecBoolean::builder(name)
                .nick("EOS after failure")
                .blurb("Send EOS in case of an error, so that muxers can finalize recordings")
                .default_value(d.eos_after_failure)
                .mutable_playing()
                .build()
        },
        stored!(eos_after_failure),
    ),
    Property::new(
        "max-duration",
        |name, d| {
            duration(
                name,
                "Maximum duration",
                "Maximum stream duration, actual or announced, from the first frame on (ns, \
                 0 = no limit)",
                d.limits.duration,
            )
        },
        stored_duration!(limits.duration),
    ),
    Property::new(
        "max-frames",
        |name, d| {
            glib::ParamSpecUInt64::builder(name)
                .nick("Maximum frames")
                .blurb("Maximum number of frames in a stream (0 = no limit)")
                .default_value(d.limits.frames)
                .mutable_playing()
                .build()
        },
        stored!(limits.frames),
    ),
    Property::new(
        "isolate",
        |name, d| {
            glib::ParamSpecBoolean::builder(name)
                .nick("Isolate")
                .blurb(
                    "Run the codec in a child process: a wedged one is killed, a crash stays \
                     outside (next session)",
                )
                .default_value(d.isolate)
                .mutable_ready()
                .build()
        },
        stored!(isolate),
    ),
    Property::new(
        "isolate-policy",
        |name, d| {
            glib::ParamSpecString::builder(name)
                .nick("Isolation policy")
                .blurb(
                    "What the child process is kept from: auto (as the codec allows, as far as \
                     the kernel can), strict (everything, or the session is refused), devices \
                     (hardware codecs: device nodes stay open), open (nothing)",
                )
                .default_value(Some(d.isolate_policy.as_str()))
                .mutable_ready()
                .build()
        },
        (
            |settings, value| {
                let mut name = None::<String>;
                store(&mut name, value);
                settings.isolate_policy = name.unwrap_or_default();
            },
            |settings| settings.isolate_policy.to_value(),
        ),
    ),
    Property::new(
        "isolate-max-memory",
        |name, d| {
            glib::ParamSpecUInt64::builder(name)
                .nick("Maximum memory of the child")
                .blurb(
                    "Maximum memory of the child process, and of the pictures that it shares, in \
                     bytes (0 = no limit)",
                )
                .default_value(d.isolate_max_memory)
                .mutable_ready()
                .build()
        },
        stored!(isolate_max_memory),
    ),
    Property::new(
        "isolate-dump",
        |name, d| {
            glib::ParamSpecString::builder(name)
                .nick("Dump of the child")
                .blurb(
                    "What evidence-dir gets of a wedged child process before it is killed: none \
                     (its threads' states alone), minidump (their stacks; the kill waits for 2 s \
                     at most)",
                )
                .default_value(Some(d.isolate_dump.as_str()))
                .mutable_ready()
                .build()
        },
        (
            |settings, value| {
                let mut name = None::<String>;
                store(&mut name, value);
                settings.isolate_dump = name.unwrap_or_default();
            },
            |settings| settings.isolate_dump.to_value(),
        ),
    ),
    Property::new(
        "evidence-dir",
        |name, d| {
            glib::ParamSpecString::builder(name)
                .nick("Evidence folder")
                .blurb(
                    "An existing folder in which each fault of the codec leaves a folder for a \
                     bug report: the error, settings, versions, threads, and the latest inputs of \
                     a decoder (docs/EVIDENCE.md)",
                )
                .default_value(d.evidence_dir.as_deref())
                .mutable_playing()
                .build()
        },
        (
            |settings, value| {
                let mut folder = None::<String>;
                store(&mut folder, value);
                settings.evidence_dir = folder.filter(|folder| !folder.is_empty());
            },
            |settings| settings.evidence_dir.to_value(),
        ),
    ),
];

fn duration(name: &str, nick: &str, blurb: &str, default: Duration) -> glib::ParamSpec {
    glib::ParamSpecUInt64::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(nanoseconds(default))
        .mutable_playing()
        .build()
}

fn count(name: &str, nick: &str, blurb: &str, default: u32) -> glib::ParamSpec {
    glib::ParamSpecUInt::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default)
        .mutable_playing()
        .build()
}

/// A duration as GStreamer properties carry it.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
