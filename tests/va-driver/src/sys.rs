// SPDX-License-Identifier: MPL-2.0
//! libva's interface for drivers, as build.rs read it from the installed header.
#![allow(missing_docs, reason = "documented in libva's own headers")]
#![allow(unreachable_pub, reason = "bindgen makes everything public")]
#![allow(
    dead_code,
    unused_imports,
    reason = "the headers declare more than is used"
)]
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "C names"
)]
#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    unsafe_op_in_unsafe_fn,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/va.rs"));
