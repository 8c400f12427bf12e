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
    let out = PathBuf::from(env::var("OUT_DIR")?);
    bindings.write_to_file(out.join("dav1d.rs"))?;
    Ok(())
}
