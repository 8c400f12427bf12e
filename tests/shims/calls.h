// SPDX-License-Identifier: MPL-2.0
//
// The calls that can be rehearsed: CALL(library, name, result).
//
// The result says what a call that fails can answer: STATUS (a negative int), POINTER (NULL) or NOTHING, which
// cannot fail. A call that the installed library does not have yet is listed all the same: nobody can reach it.

CALL(SVT_AV1, svt_av1_enc_init_handle, STATUS)
CALL(SVT_AV1, svt_av1_enc_set_parameter, STATUS)
CALL(SVT_AV1, svt_av1_enc_parse_parameter, STATUS)
CALL(SVT_AV1, svt_av1_enc_init, STATUS)
CALL(SVT_AV1, svt_av1_enc_stream_header, STATUS)
CALL(SVT_AV1, svt_av1_enc_stream_header_release, STATUS)
CALL(SVT_AV1, svt_av1_enc_send_picture, STATUS)
CALL(SVT_AV1, svt_av1_enc_get_packet, STATUS)
CALL(SVT_AV1, svt_av1_enc_release_out_buffer, NOTHING)
CALL(SVT_AV1, svt_av1_get_recon, STATUS)
CALL(SVT_AV1, svt_av1_enc_get_stream_info, STATUS)
CALL(SVT_AV1, svt_av1_enc_deinit, STATUS)
CALL(SVT_AV1, svt_av1_enc_deinit_handle, STATUS)

CALL(DAV1D, dav1d_default_settings, NOTHING)
CALL(DAV1D, dav1d_get_frame_delay, STATUS)
CALL(DAV1D, dav1d_open, STATUS)
CALL(DAV1D, dav1d_parse_sequence_header, STATUS)
CALL(DAV1D, dav1d_data_create, POINTER)
CALL(DAV1D, dav1d_data_wrap, STATUS)
CALL(DAV1D, dav1d_data_wrap_user_data, STATUS)
CALL(DAV1D, dav1d_data_unref, NOTHING)
CALL(DAV1D, dav1d_data_props_unref, NOTHING)
CALL(DAV1D, dav1d_send_data, STATUS)
CALL(DAV1D, dav1d_get_picture, STATUS)
CALL(DAV1D, dav1d_apply_grain, STATUS)
CALL(DAV1D, dav1d_picture_unref, NOTHING)
CALL(DAV1D, dav1d_get_event_flags, STATUS)
CALL(DAV1D, dav1d_get_decode_error_data_props, STATUS)
CALL(DAV1D, dav1d_flush, NOTHING)
CALL(DAV1D, dav1d_close, NOTHING)

// The codec in tests/memory.
CALL(MEMORY, memory_open, STATUS)
CALL(MEMORY, memory_send, STATUS)
CALL(MEMORY, memory_receive, STATUS)
CALL(MEMORY, memory_drain, STATUS)
CALL(MEMORY, memory_flush, STATUS)
CALL(MEMORY, memory_close, STATUS)
