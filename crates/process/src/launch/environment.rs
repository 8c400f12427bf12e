// SPDX-License-Identifier: MPL-2.0
//! Which variables a child gets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Variables by their whole names.
///
/// Loading: the dynamic loader's paths and preloads, glibc's settings. Places: home,
/// temporary files and the XDG folders (GStreamer's registry, a driver's settings).
/// Language and time. Which GPU. What backtraces and sanitizers are to do.
const NAMES: &[&str] = &[
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_BIND_NOW",
    "GLIBC_TUNABLES",
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
    "XDG_RUNTIME_DIR",
    "LANG",
    "LANGUAGE",
    "TZ",
    "DRI_PRIME",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LLVM_PROFILE_FILE",
];

/// Variables by how they begin: those of GStreamer, GLib, orc, codecs and drivers.
const PREFIXES: &[&str] = &[
    "CODECWATCH_",
    "GST_",
    "G_",
    "LC_",
    "MALLOC_",
    "ORC_",
    "OMP_",
    "SVT_",
    "LIBVA_",
    "VDPAU_",
    "MFX_",
    "ONEVPL_",
    "VPL_",
    "MESA_",
    "GALLIUM_",
    "LIBGL_",
    "VK_",
    "AMD_",
    "RADV_",
    "INTEL_",
    "CUDA_",
    "NVIDIA_",
    "NVD_",
    "UMOCKDEV_",
];

/// Variables that begin like those above and are not passed on. A tracer would wrap the
/// codecs of the child, and each of them would start a child; two processes that write
/// one log file overwrite each other. (The child's log goes to its stderr.)
const WITHHELD: &[&str] = &["GST_TRACERS", "GST_DEBUG_FILE"];

/// The variables of this process that a child gets unless told otherwise. Everything
/// else stays here: what an application keeps in its environment (credentials, often)
/// is nothing to a codec.
pub fn inherited_variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_inherited(name))
}

fn is_inherited(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let is = |listed: &&str| listed.as_bytes() == name;
    let begins = |prefix: &&str| name.starts_with(prefix.as_bytes());
    !WITHHELD.iter().any(is) && (NAMES.iter().any(is) || PREFIXES.iter().any(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_variables_are_inherited() {
        let inherited = |name: &str| is_inherited(OsStr::new(name));
        for name in ["GST_PLUGIN_PATH", "LD_PRELOAD", "LC_ALL", "G_DEBUG", "HOME"] {
            assert!(inherited(name), "{name}");
        }
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "PATH",
            "HOMEPAGE",
            "LD_AUDIT",
            "GST_TRACERS",
            "GST_DEBUG_FILE",
            "",
        ] {
            assert!(!inherited(name), "{name}");
        }
    }
}
