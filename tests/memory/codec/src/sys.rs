// SPDX-License-Identifier: MPL-2.0
//! The library's functions.

use std::ffi::{c_int, c_uint};

pub(crate) const EAGAIN: c_int = -11;
pub(crate) const ENOMEM: c_int = -12;

/// A codec.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Memory {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    pub(crate) fn memory_open(
        opened: *mut *mut Memory,
        size: usize,
        delay: c_uint,
        key_every: c_uint,
        effort: c_uint,
    ) -> c_int;
    pub(crate) fn memory_send(
        memory: *mut Memory,
        picture: *const u8,
        size: usize,
        number: u32,
        key: c_int,
    ) -> c_int;
    pub(crate) fn memory_receive(
        memory: *mut Memory,
        packet: *mut *const u8,
        size: *mut usize,
    ) -> c_int;
    pub(crate) fn memory_drain(memory: *mut Memory) -> c_int;
    pub(crate) fn memory_flush(memory: *mut Memory) -> c_int;
    pub(crate) fn memory_close(memory: *mut Memory) -> c_int;
}
