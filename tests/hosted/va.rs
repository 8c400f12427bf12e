// SPDX-License-Identifier: MPL-2.0
//! Hardware decoders without hardware: GStreamer's `va` plugin and the installed libva
//! on the driver in `tests/va-driver`, with a mocked device.

mod faults;
mod gpu;
mod hardware;
mod pictures;
