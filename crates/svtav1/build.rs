// SPDX-License-Identifier: MPL-2.0
//! Makes the bindings from the header that is installed, so that no layout can
//! drift, and tells the crate by `svt_X_Y` which version that header is of.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bindgen::callbacks::{IntKind, ParseCallbacks};

/// Versions that brought a difference in the header; `svt_X_Y` means "X.Y or later".
const STEPS: [(i64, i64); 5] = [(1, 5), (1, 8), (2, 0), (3, 0), (4, 0)];

/// Picks the version macros out of the header while it is parsed.
#[derive(Debug, Clone, Default)]
struct Version(Arc<Mutex<[Option<i64>; 2]>>);

impl ParseCallbacks for Version {
    fn int_macro(&self, name: &str, value: i64) -> Option<IntKind> {
        let mut version = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match name {
            "SVT_AV1_VERSION_MAJOR" => version[0] = Some(value),
            "SVT_AV1_VERSION_MINOR" => version[1] = Some(value),
            _ => {}
        }
        None
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let libraries = system_deps::Config::new().probe()?;
    let version = Version::default();
    let bindings = bindgen::Builder::default()
        .header_contents("svtav1.h", "#include <EbSvtAv1Enc.h>\n")
        .clang_args(
            libraries
                .all_include_paths()
                .into_iter()
                .map(|path| format!("-I{}", path.display())),
        )
        .allowlist_function("svt_av1_.*|vsnprintf")
        .allowlist_type("Eb.*|Svt.*")
        .allowlist_var("(SVT_AV1|EB)_.*")
        .derive_default(true)
        .generate_comments(false)
        .parse_callbacks(Box::new(version.clone()))
        .generate()?;
    let target = PathBuf::from(std::env::var("OUT_DIR")?).join("svtav1.rs");
    bindings.write_to_file(target)?;

    let version = *version.0.lock().unwrap_or_else(PoisonError::into_inner);
    let [Some(major), Some(minor)] = version else {
        return Err("the SVT-AV1 header does not say its version".into());
    };
    for step in STEPS {
        let name = format!("svt_{}_{}", step.0, step.1);
        println!("cargo::rustc-check-cfg=cfg({name})");
        if (major, minor) >= step {
            println!("cargo::rustc-cfg={name}");
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
