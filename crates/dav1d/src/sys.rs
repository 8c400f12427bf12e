// SPDX-License-Identifier: MPL-2.0
//! dav1d's C interface, as build.rs read it from the installed header.
#![allow(missing_docs, reason = "documented in dav1d's own header")]
#![allow(unreachable_pub, reason = "bindgen makes everything public")]
#![allow(dead_code, reason = "the header declares more than is used")]
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
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/dav1d.rs"));

/// The return code of dav1d for the error `errno` (`DAV1D_ERR` in its header).
pub const fn error(errno: i32) -> i32 {
    -errno
}
