// SPDX-License-Identifier: MPL-2.0
//! Codec sessions in a child process.
