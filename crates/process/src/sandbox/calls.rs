// SPDX-License-Identifier: MPL-2.0
//! seccomp: which system calls are left.

mod conditions;
mod lists;

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch,
    apply_filter_all_threads,
};

use super::{Policy, SessionKind};

/// The rules of each call: one of them has to apply; none given, all do.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Restricts all threads of this process.
pub(super) fn restrict(policy: Policy, kind: SessionKind) -> Result<(), String> {
    let filters = [allowed(policy, kind), unknown()];
    // Both exist before the first applies. Of two that refuse a call the newer says with
    // which error, so the order matters.
    for filter in filters.map(|filter| filter.map_err(|error| error.to_string())) {
        apply_filter_all_threads(&filter?).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// EPERM for all calls but those of the lists.
fn allowed(policy: Policy, kind: SessionKind) -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = lists::ALWAYS.iter().map(|&call| (call, vec![])).collect();
    rules.extend(conditions::base()?);
    rules.extend(match (policy, kind) {
        (Policy::Strict, SessionKind::Native) => conditions::native()?,
        _ => conditions::hosted()?,
    });
    if policy == Policy::Devices {
        rules.extend(lists::DEVICES.iter().map(|&call| (call, vec![])));
        rules.extend(conditions::opening()?);
        rules.extend(conditions::devices()?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    compile(rules, refuse, SeccompAction::Allow)
}

/// ENOSYS for the calls for which libraries have another way.
fn unknown() -> Result<BpfProgram, BackendError> {
    let rules = lists::absent().map(|call| (call, vec![])).collect();
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    compile(rules, SeccompAction::Allow, absent)
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, matching, here)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_compiles_to_programs_that_the_kernel_takes() {
        /// BPF_MAXINSNS.
        const MOST: usize = 4096;
        for policy in [Policy::Strict, Policy::Devices] {
            for kind in [SessionKind::Native, SessionKind::Hosted] {
                let program = allowed(policy, kind).unwrap();
                assert!(program.len() < MOST, "{policy:?}: {}", program.len());
            }
        }
        assert!(unknown().unwrap().len() < MOST);
    }
}
