// SPDX-License-Identifier: MPL-2.0
//
// The libraries whose calls can be rehearsed: LIBRARY(id, file, error).
//
// `file` is the part of the library's file name that no new version changes; NULL: there is no library, its calls are
// places in a test element. `error` is what a call answers that fails without a code of its own.

LIBRARY(SVT_AV1, "libSvtAv1Enc.so", (int32_t)0x80001001 /* EB_ErrorUndefined */)
LIBRARY(DAV1D, "libdav1d.so", -EINVAL)
LIBRARY(MEMORY, "libcodecwatchmemory.so", -EINVAL)
LIBRARY(VPX, "libvpx.so", 1 /* VPX_CODEC_ERROR */)
LIBRARY(X264, "libx264.so", -1)
LIBRARY(AVCODEC, "libavcodec.so", -EINVAL)
LIBRARY(OPUS, "libopus.so", -3 /* OPUS_INTERNAL_ERROR */)
LIBRARY(VA, "libva.so", 1 /* VA_STATUS_ERROR_OPERATION_FAILED */)
LIBRARY(WEDGE, NULL, -1)
