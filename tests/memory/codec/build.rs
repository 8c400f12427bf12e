// SPDX-License-Identifier: MPL-2.0
//! Builds the library, which is installed nowhere. Shared, so that the fault shim can
//! stand in for its calls; found by its path, which is its name.

use std::error::Error;
use std::process::Command;

const SOURCE: &str = "../library/memory.c";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::var("OUT_DIR")?;
    let library = format!("{folder}/libcodecwatchmemory.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(["-std=c11", "-O2", "-g", "-fPIC", "-shared", "-pthread"])
        .args(["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"])
        .arg(format!("-Wl,-soname,{library}"))
        .args(["-o", &library, SOURCE])
        .status()?;
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=dylib=codecwatchmemory");
    status.success().then_some(()).ok_or_else(|| SOURCE.into())
}
