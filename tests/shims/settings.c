// SPDX-License-Identifier: MPL-2.0

#include "settings.h"

#include <dav1d/dav1d.h>
#include <stdio.h>
#include <svt-av1/EbSvtAv1Enc.h>

struct text {
    char *at;
    size_t left;
};

static void add(struct text *text, const char *name, long long value)
{
    int length = snprintf(text->at, text->left, " %s=%lld", name, value);
    if (length > 0 && (size_t)length < text->left) {
        text->at += length;
        text->left -= (size_t)length;
    }
}

#define ADD(field) add(text, #field, (long long)settings->field)

static void describe_encoder(const EbSvtAv1EncConfiguration *settings, struct text *text)
{
    ADD(enc_mode);
    ADD(pred_structure);
    ADD(rate_control_mode);
    ADD(qp);
    ADD(target_bit_rate);
    ADD(max_bit_rate);
    ADD(min_qp_allowed);
    ADD(max_qp_allowed);
    ADD(maximum_buffer_size_ms);
    ADD(intra_period_length);
    ADD(intra_refresh_type);
    ADD(tune);
#if SVT_AV1_CHECK_VERSION(4, 0, 0)
    ADD(aq_mode);
#else
    ADD(enable_adaptive_quantization);
    ADD(target_socket);
#endif
#if SVT_AV1_CHECK_VERSION(3, 0, 0)
    ADD(level_of_parallelism);
#else
    ADD(logical_processors);
#endif
}

static void describe_decoder(const Dav1dSettings *settings, struct text *text)
{
    ADD(n_threads);
    ADD(max_frame_delay);
    ADD(apply_grain);
    ADD(operating_point);
    ADD(all_layers);
    ADD(frame_size_limit);
    ADD(strict_std_compliance);
    ADD(output_invisible_frames);
    ADD(inloop_filters);
}

bool describe_settings(enum call_id call, const intptr_t *arguments, char *buffer, size_t size)
{
    struct text text = {.at = buffer, .left = size};
    if (call == ID_svt_av1_enc_set_parameter)
        describe_encoder((const EbSvtAv1EncConfiguration *)arguments[1], &text);
    else if (call == ID_dav1d_open)
        describe_decoder((const Dav1dSettings *)arguments[1], &text);
    else
        return false;
    return true;
}
