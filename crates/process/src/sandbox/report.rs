// SPDX-License-Identifier: MPL-2.0
//! What is in force.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Policy;

/// What [`close_door`](super::close_door) has put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub policy: Policy,
    /// Access to files, and more by version: network from 4, signals from 6.
    pub landlock: Mechanism,
    /// System calls.
    pub seccomp: Mechanism,
    /// What else could not be done, with the reason.
    pub others: Vec<String>,
    /// Threads that existed before and are restricted by seccomp only: a library has
    /// started them while it was loaded. Code that reaches one of them may do what
    /// Landlock and the missing capabilities would refuse.
    pub uncovered_threads: u32,
}

/// One of the kernel's means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    /// Not asked for.
    Unused,
    /// In force, in this version.
    InForce(u32),
    /// Asked for and not in force, for this reason.
    Missing(String),
}

impl From<Result<u32, String>> for Mechanism {
    fn from(result: Result<u32, String>) -> Self {
        result.map_or_else(Self::Missing, Self::InForce)
    }
}

impl Report {
    pub(super) fn open() -> Self {
        Self {
            policy: Policy::Open,
            landlock: Mechanism::Unused,
            seccomp: Mechanism::Unused,
            others: Vec::new(),
            uncovered_threads: 0,
        }
    }

    /// Everything that the policy asks for is in force.
    pub fn is_whole(&self) -> bool {
        self.missing().is_empty()
    }

    /// What is not in force of what the policy asks for, each with its reason.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, mechanism) in [("Landlock", &self.landlock), ("seccomp", &self.seccomp)] {
            match mechanism {
                Mechanism::Missing(reason) => missing.push(format!("{name}: {reason}")),
                Mechanism::Unused if self.policy != Policy::Open => {
                    missing.push(format!("{name}: unused"));
                }
                Mechanism::Unused | Mechanism::InForce(_) => {}
            }
        }
        missing.extend(self.others.iter().cloned());
        match self.uncovered_threads {
            0 => {}
            1 => missing.push("1 thread is older than the sandbox".into()),
            threads => missing.push(format!("{threads} threads are older than the sandbox")),
        }
        missing
    }
}

/// For `stats`: "strict: Landlock 7, seccomp" or "strict: seccomp; missing: ...".
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut force = Vec::new();
        if let Mechanism::InForce(version) = self.landlock {
            force.push(format!("Landlock {version}"));
        }
        if let Mechanism::InForce(_) = self.seccomp {
            force.push("seccomp".into());
        }
        if force.is_empty() {
            force.push("nothing in force".into());
        }
        write!(f, "{}: {}", self.policy, force.join(", "))?;
        match self.missing() {
            missing if missing.is_empty() => Ok(()),
            missing => write!(f, "; missing: {}", missing.join("; ")),
        }
    }
}

/// As in the property `isolate-policy`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Devices => "devices",
            Self::Open => "open",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_in_force_and_what_is_not() {
        let mut report = Report {
            policy: Policy::Strict,
            landlock: Mechanism::InForce(7),
            seccomp: Mechanism::InForce(1),
            others: Vec::new(),
            uncovered_threads: 0,
        };
        assert!(report.is_whole());
        assert_eq!(report.to_string(), "strict: Landlock 7, seccomp");

        report.landlock = Mechanism::Missing("not enabled".into());
        assert!(!report.is_whole());
        assert_eq!(
            report.to_string(),
            "strict: seccomp; missing: Landlock: not enabled"
        );

        report.landlock = Mechanism::InForce(1);
        report.uncovered_threads = 2;
        assert_eq!(
            report.missing(),
            ["2 threads are older than the sandbox".to_owned()]
        );
        assert_eq!(Report::open().to_string(), "open: nothing in force");
        assert!(Report::open().is_whole());
    }
}
