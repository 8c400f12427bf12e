// SPDX-License-Identifier: MPL-2.0
//! Landlock: what of the file system and the network is left.

use std::env;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, RestrictSelfAttr,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::Policy;

/// The newest version that this module was written for. A kernel with an older one
/// enforces what it knows of it.
const KNOWN: ABI = ABI::V10;

/// What is in force.
pub(super) struct Domain {
    /// The version of Landlock, of the kernel or of this module, whichever is older.
    pub(super) version: u32,
    /// Every thread of the process is restricted, not only this one.
    pub(super) all_threads: bool,
}

/// Restricts this thread and those that it starts; all threads, where the kernel can
/// (version 8).
pub(super) fn restrict(policy: Policy) -> Result<Domain, String> {
    let status = ruleset(policy)
        .and_then(RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("not enabled in this kernel (boot parameter lsm=)".into())
        }
        (RulesetStatus::NotEnforced, _) => Err("not in this kernel (Linux 5.13)".into()),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(Domain {
            version: effective_abi as u32,
            all_threads: status.all_threads,
        }),
        (_, other) => Err(format!("{other:?}")),
    }
}

/// Handles every right, and grants those of the policy.
fn ruleset(policy: Policy) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .all_threads(true)?;
    if policy == Policy::Devices {
        let used = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        for path in devices() {
            ruleset = grant(ruleset, &path, used)?;
        }
        for path in readable() {
            ruleset = grant(ruleset, &path, AccessFs::ReadFile.into())?;
        }
    }
    Ok(ruleset)
}

/// What does not exist needs no rule.
fn grant(
    ruleset: RulesetCreated,
    path: &Path,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let Ok(place) = openat(CWD, path, flags, Mode::empty()) else {
        return Ok(ruleset);
    };
    let rights = match path.is_dir() {
        true => rights | AccessFs::ReadDir,
        false => rights,
    };
    let ruleset = ruleset.add_rule(PathBeneath::new(place.as_fd(), rights))?;
    if path.starts_with("/proc") {
        keep(place);
    }
    Ok(ruleset)
}

/// A rule belongs to an inode, and /proc makes new ones for the same path when the
/// kernel has dropped an entry from its cache. An open descriptor keeps the entry.
fn keep(place: OwnedFd) {
    std::mem::forget(place);
}

/// Nodes that hardware codecs are driven by.
fn devices() -> Vec<PathBuf> {
    const WHOLE: &[&str] = &["dri", "dma_heap", "kfd", "null", "zero"];
    const BEGINNINGS: &[&str] = &[
        "video",
        "media",
        "v4l-subdev",
        "nvidia",
        "mali",
        "mpp_service",
        "rga",
    ];
    let is_device = |name: &str| {
        WHOLE.contains(&name) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
    };
    fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_device))
        .map(|entry| entry.path())
        .collect()
}

/// What drivers and the loader read.
fn readable() -> Vec<PathBuf> {
    const PLACES: &[&str] = &[
        "/usr",
        "/lib",
        "/lib32",
        "/lib64",
        "/opt",
        "/sys",
        "/run/udev",
        "/proc/self",
        "/proc/driver",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/stat",
        "/proc/devices",
        "/proc/modules",
        "/proc/version",
        "/dev/urandom",
        "/etc/ld.so.cache",
        "/etc/libva.conf",
        "/etc/drirc",
        "/etc/nvidia",
        "/etc/vulkan",
        "/etc/OpenCL",
    ];
    const LISTS: &[&str] = &[
        "LD_LIBRARY_PATH",
        "LIBVA_DRIVERS_PATH",
        "GST_PLUGIN_PATH",
        "GST_PLUGIN_PATH_1_0",
        "GST_PLUGIN_SYSTEM_PATH",
        "GST_PLUGIN_SYSTEM_PATH_1_0",
    ];
    let listed = LISTS.iter().filter_map(env::var_os);
    let listed: Vec<PathBuf> = listed
        .flat_map(|list| env::split_paths(&list).collect::<Vec<_>>())
        .collect();
    let is_folder = |path: &PathBuf| {
        // An empty entry means the working directory to some, and "/" would be all.
        !path.as_os_str().is_empty() && path.parent().is_some()
    };
    let places = PLACES.iter().map(PathBuf::from);
    places.chain(listed.into_iter().filter(is_folder)).collect()
}
