// SPDX-License-Identifier: MPL-2.0
//! Makes the bindings from the installed header, so that the layouts are those
//! of the library that will be called, and tells the crate by cfg what that
//! header declares.

use std::{env, error::Error, path::PathBuf};

/// A cfg and the declaration that it stands for.
const FEATURES: [(&str, &str); 2] = [
    // dav1d 1.1
    ("dav1d_frame_delay", "pub fn dav1d_get_frame_delay("),
    // dav1d 1.2
    ("dav1d_t35_array", "pub n_itut_t35:"),
];

/// Whether dav1d can go on after it was drained while it worked on several
/// frames. Older ones may hang later: `drain_picture` (src/lib.c) counts places
/// without a frame as if they had one. Seen to hang: 1.0.0.
const DRAINS_IN_ORDER: (&str, [u32; 3]) = ("dav1d_drains_in_order", [1, 5, 1]);

fn main() -> Result<(), Box<dyn Error>> {
    let libraries = system_deps::Config::new().probe()?;
    let includes = libraries.all_include_paths();
    let bindings = bindgen::Builder::default()
        .header("src/sys.h")
        .clang_args(includes.iter().map(|path| format!("-I{}", path.display())))
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .rust_edition(bindgen::RustEdition::Edition2024)
        .allowlist_function("dav1d_.*|vsnprintf")
        .allowlist_type("Dav1d.*")
        .allowlist_var("DAV1D_.*")
        .prepend_enum_name(false)
        .derive_default(true)
        .generate()?;

    let text = bindings.to_string();
    for (cfg, declaration) in FEATURES {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if text.contains(declaration) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    let (cfg, since) = DRAINS_IN_ORDER;
    println!("cargo::rustc-check-cfg=cfg({cfg})");
    if libraries
        .get_by_name("dav1d")
        .is_some_and(|library| version(&library.version) >= since)
    {
        println!("cargo::rustc-cfg={cfg}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    bindings.write_to_file(out.join("dav1d.rs"))?;
    Ok(())
}

/// The parts of `1.5.1`; what is missing or no number counts as 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}
