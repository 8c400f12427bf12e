// SPDX-License-Identifier: MPL-2.0
//! The properties that every supervised element shares.

use std::time::Duration;

use codecwatch_supervisor::Budgets;
use codecwatch_supervisor::guard::Limits;
use gst::glib;
use gst::prelude::*;

/// Values of the shared properties.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `watchdog-timeout`, `drain-timeout`, `open-timeout`, `close-timeout`, `slow-limit`.
    pub budgets: Budgets,
    /// `restart-limit`: restarts within the window before a fault becomes an error.
    pub restart_limit: u32,
    /// `restart-window`.
    pub restart_window: Duration,
    /// `max-abandoned`: workers, abandoned or closing in the background, at which no
    /// session is opened.
    pub max_abandoned: u32,
    /// `eos-after-failure`: EOS follows the error.
    pub eos_after_failure: bool,
    /// `max-duration`, `max-frames`.
    pub limits: Limits,
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
        }
    }
}

impl Settings {
    /// The param specs, to be added to the element's own.
    pub fn param_specs() -> Vec<glib::ParamSpec> {
        let defaults = Self::default();
        let duration = |name: &'static str, nick, blurb, default: Duration| {
            glib::ParamSpecUInt64::builder(name)
                .nick(nick)
                .blurb(blurb)
                .default_value(nanoseconds(default))
                .mutable_playing()
                .build()
        };
        let count = |name: &'static str, nick, blurb, default| {
            glib::ParamSpecUInt::builder(name)
                .nick(nick)
                .blurb(blurb)
                .default_value(default)
                .mutable_playing()
                .build()
        };
        vec![
            duration(
                "watchdog-timeout",
                "Watchdog timeout",
                "Longest time that the codec may owe progress while running (ns, 0 = off)",
                defaults.budgets.watchdog,
            ),
            duration(
                "drain-timeout",
                "Drain timeout",
                "Longest time that the codec may owe progress while draining (ns, 0 = off)",
                defaults.budgets.drain,
            ),
            duration(
                "open-timeout",
                "Open timeout",
                "Longest time that the codec may take to open (ns, 0 = off)",
                defaults.budgets.open,
            ),
            duration(
                "close-timeout",
                "Close timeout",
                "Longest time that the codec may take to close; bounds state changes (ns)",
                defaults.budgets.close,
            ),
            duration(
                "slow-limit",
                "Slow limit",
                "How long a codec that demonstrably works may go without progress (ns)",
                defaults.budgets.slow_limit,
            ),
            count(
                "restart-limit",
                "Restart limit",
                "Faults within restart-window that are answered with a new session instead of \
                 an error (0 = error at once)",
                defaults.restart_limit,
            ),
            duration(
                "restart-window",
                "Restart window",
                "The time within which restarts count towards restart-limit (ns)",
                defaults.restart_window,
            ),
            count(
                "max-abandoned",
                "Maximum abandoned",
                "Workers of the codec library, abandoned or still closing in the background, at \
                 which no session is opened: it waits for one that closes, and is refused where \
                 as many are abandoned (0 = no limit)",
                defaults.max_abandoned,
            ),
            glib::ParamSpecBoolean::builder("eos-after-failure")
                .nick("EOS after failure")
                .blurb("Let EOS follow the error, for recordings that are worthless unclosed")
                .default_value(defaults.eos_after_failure)
                .mutable_playing()
                .build(),
            duration(
                "max-duration",
                "Maximum duration",
                "Streams that last or announce to last longer, from their first frame on, are \
                 refused (ns, 0 = no limit)",
                defaults.limits.duration,
            ),
            glib::ParamSpecUInt64::builder("max-frames")
                .nick("Maximum frames")
                .blurb("Streams of more frames are refused (0 = no limit)")
                .default_value(defaults.limits.frames)
                .mutable_playing()
                .build(),
            glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                .nick("Statistics")
                .blurb("State of the session, its counters and its library's ledger")
                .read_only()
                .build(),
        ]
    }

    /// Sets a shared property; false when it is not one.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        let duration = || value.get::<u64>().ok().map(Duration::from_nanos);
        let target = match name {
            "watchdog-timeout" => &mut self.budgets.watchdog,
            "drain-timeout" => &mut self.budgets.drain,
            "open-timeout" => &mut self.budgets.open,
            "close-timeout" => &mut self.budgets.close,
            "slow-limit" => &mut self.budgets.slow_limit,
            "restart-window" => &mut self.restart_window,
            "max-duration" => &mut self.limits.duration,
            _ => return self.set_other(name, value),
        };
        if let Some(duration) = duration() {
            *target = duration;
        }
        true
    }

    fn set_other(&mut self, name: &str, value: &glib::Value) -> bool {
        fn store<'a, V>(target: &mut V, value: &'a glib::Value)
        where
            V: glib::value::FromValue<'a>,
        {
            if let Ok(new) = value.get::<V>() {
                *target = new;
            }
        }
        match name {
            "restart-limit" => store(&mut self.restart_limit, value),
            "max-abandoned" => store(&mut self.max_abandoned, value),
            "eos-after-failure" => store(&mut self.eos_after_failure, value),
            "max-frames" => store(&mut self.limits.frames, value),
            _ => return false,
        }
        true
    }

    /// The value of a shared property; `None` when it is not one. `stats` is
    /// answered by [`crate::Supervision::stats`].
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let value = match name {
            "watchdog-timeout" => nanoseconds(self.budgets.watchdog).to_value(),
            "drain-timeout" => nanoseconds(self.budgets.drain).to_value(),
            "open-timeout" => nanoseconds(self.budgets.open).to_value(),
            "close-timeout" => nanoseconds(self.budgets.close).to_value(),
            "slow-limit" => nanoseconds(self.budgets.slow_limit).to_value(),
            "restart-limit" => self.restart_limit.to_value(),
            "restart-window" => nanoseconds(self.restart_window).to_value(),
            "max-abandoned" => self.max_abandoned.to_value(),
            "eos-after-failure" => self.eos_after_failure.to_value(),
            "max-duration" => nanoseconds(self.limits.duration).to_value(),
            "max-frames" => self.limits.frames.to_value(),
            _ => return None,
        };
        Some(value)
    }
}

/// A duration as GStreamer properties carry it.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
