// SPDX-License-Identifier: MPL-2.0
//! Makes the bindings from the installed header, and the function by which the installed
//! libva finds a driver: its name has libva's version.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let libraries = system_deps::Config::new().probe()?;
    let includes = libraries.all_include_paths();
    let bindings = bindgen::Builder::default()
        .header("src/sys.h")
        .clang_args(includes.iter().map(|path| format!("-I{}", path.display())))
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()))
        .rust_edition(bindgen::RustEdition::Edition2024)
        .allowlist_type("VA.*")
        .allowlist_var("VA_.*")
        .prepend_enum_name(false)
        .derive_default(true)
        .generate()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let text = bindings.to_string();
    let version = |name: &str| {
        let declared = text.split(&format!("pub const {name}: u32 = ")).nth(1);
        declared
            .and_then(|rest| rest.split(';').next())
            .ok_or_else(|| name.to_owned())
    };
    let (major, minor) = (version("VA_MAJOR_VERSION")?, version("VA_MINOR_VERSION")?);
    let entry = format!(
        "/// Called by libva, once for each display.\n\
         ///\n\
         /// # Safety\n\
         /// `context` is libva's, and nothing else uses it during this call.\n\
         #[unsafe(no_mangle)]\n\
         unsafe extern \"C\" fn __vaDriverInit_{major}_{minor}(context: VADriverContextP) -> VAStatus {{\n\
             // SAFETY: as promised.\n\
             unsafe {{ initialize(context) }}\n\
         }}\n"
    );
    fs::write(out.join("entry.rs"), entry)?;
    bindings.write_to_file(out.join("va.rs"))?;
    Ok(())
}
