// SPDX-License-Identifier: MPL-2.0
//! How a process ended, in words.

use std::fmt;

use rustix::process::WaitIdStatus;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal.
    Killed {
        /// Its number.
        signal: i32,
        /// The kernel has written a core.
        core: bool,
    },
    /// Nobody can say: the application ignores SIGCHLD, or waits for children that are
    /// not its own.
    Unknown,
}

impl Ending {
    pub(super) fn of(status: &WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(code),
            (_, Some(signal)) => Self::Killed {
                signal,
                core: status.dumped(),
            },
            (None, None) => Self::Unknown,
        }
    }
}

/// Completes "The child ...".
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Killed { signal, core } => {
                write!(f, "was killed by signal {signal}")?;
                match (signal_name(signal), core) {
                    (Some(name), false) => write!(f, " ({name})"),
                    (Some(name), true) => write!(f, " ({name}, core dumped)"),
                    (None, false) => Ok(()),
                    (None, true) => f.write_str(" (core dumped)"),
                }
            }
            Self::Unknown => f.write_str(
                "ended; how is not known, because this application ignores SIGCHLD or waits for every child",
            ),
        }
    }
}

/// As signal(7) numbers them for x86, ARM and most others.
fn signal_name(signal: i32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    let index = usize::try_from(signal).ok()?.checked_sub(1)?;
    NAMES.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_names_the_code_or_the_signal_and_the_core() {
        let killed = |signal, core| Ending::Killed { signal, core }.to_string();
        assert_eq!(Ending::Exited(3).to_string(), "exited with code 3");
        assert_eq!(killed(11, false), "was killed by signal 11 (SIGSEGV)");
        assert_eq!(
            killed(6, true),
            "was killed by signal 6 (SIGABRT, core dumped)"
        );
        assert_eq!(killed(31, false), "was killed by signal 31 (SIGSYS)");
        assert_eq!(killed(34, false), "was killed by signal 34");
        assert_eq!(killed(64, true), "was killed by signal 64 (core dumped)");
        assert_eq!(killed(0, false), "was killed by signal 0");
    }
}
