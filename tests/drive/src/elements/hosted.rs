// SPDX-License-Identifier: MPL-2.0
//! `codecwatch` with chains of several kinds: an encoder and a decoder with threads of
//! their own, and the element `wedge`, which stands for what no library can be made to
//! do, on the worker and on a thread of the chain.

use super::{Checked, Failure, Input, Role, Row, call, closes, keeps, within};
use crate::matrix::Where;

const CHAIN: &str = ": chain";
const CAPS: &str = ": caps event";
const EOS: &str = ": eos event";
const FLUSH_STOP: &str = ": flush-stop event";
const ACCEPT_CAPS: &str = ": accept-caps query";
/// The second element of a chain, with whatever reaches it.
const AVDEC: &str = "avdec_h264-";
const START: &str = ": READY to PAUSED";
/// The call is made on a thread of the chain: the worker may be anywhere.
const ANYWHERE: &str = "";

pub(super) const VP8ENC: Row = Row {
    name: "hosted-vp8enc",
    launch: "codecwatch codec=\"vp8enc deadline=1 cpu-used=8\"",
    is_hosted: true,
    is_isolated: false,
    is_shipped: true,
    role: Role::Encoder,
    library: "vp8enc",
    threads: &["vp8enc"],
    input: Input::Raw,
    calls: &[
        keeps(within(
            CAPS,
            call("vpx_codec_enc_init_ver", &[Where::Open], Failure::Fatal),
        )),
        within(
            CHAIN,
            call("vpx_codec_encode", &[Where::Send], Failure::Fatal),
        ),
        within(
            CHAIN,
            call("vpx_codec_get_cx_data", &[Where::Get], Failure::Damage),
        ),
        // At the end vp8enc says nothing of an error, which costs what it holds.
        within(
            EOS,
            call("vpx_codec_encode", &[Where::Drain], Failure::Damage),
        ),
        within(
            CAPS,
            call("vpx_codec_encode", &[Where::Caps], Failure::Damage),
        ),
        keeps(within(
            FLUSH_STOP,
            call(
                "vpx_codec_destroy",
                &[Where::Flush, Where::FlushStop, Where::Seek],
                Failure::Ignored,
            ),
        )),
        closes(call("vpx_codec_destroy", &[Where::Close], Failure::Ignored)),
    ],
    quick: &[("codec::threads", "2"), ("codec::lag-in-frames", "0")],
    holding: &[("codec::threads", "2"), ("codec::lag-in-frames", "6")],
    drains_at_gaps: false,
    drains_what_it_holds: true,
    checked: Checked::Never,
    takes_over: || false,
    varied: &[
        ("codec::threads", &["1", "2", "4"]),
        ("codec::lag-in-frames", &["0", "5"]),
        ("codec::keyframe-max-dist", &["7", "128"]),
    ],
};

pub(super) const AVDEC_H264: Row = Row {
    name: "hosted-avdec",
    launch: "codecwatch codec=\"h264parse ! avdec_h264\"",
    is_hosted: true,
    is_isolated: false,
    is_shipped: true,
    role: Role::Decoder,
    library: "h264parse ! avdec_h264",
    threads: &["h264parse", "av:"],
    input: Input::Encoded {
        encoder: "x264enc speed-preset=ultrafast tune=zerolatency key-int-max=8 ! h264parse \
                  ! video/x-h264,stream-format=byte-stream,alignment=au",
        caps: "video/x-h264,stream-format=byte-stream,alignment=au,framerate=30/1",
        key_every: 8,
    },
    calls: &[
        // Refused caps are sent again with the next buffer.
        within(
            AVDEC,
            call("avcodec_open2", &[Where::Open], Failure::Damage),
        ),
        within(
            AVDEC,
            call("avcodec_send_packet", &[Where::Send], Failure::Damage),
        ),
        within(
            AVDEC,
            call("avcodec_receive_frame", &[Where::Get], Failure::Damage),
        ),
        within(
            AVDEC,
            call("avcodec_send_packet", &[Where::Drain], Failure::Damage),
        ),
        within(
            AVDEC,
            call("avcodec_send_packet", &[Where::Caps], Failure::Damage),
        ),
        within(
            FLUSH_STOP,
            call(
                "avcodec_flush_buffers",
                &[Where::Flush, Where::FlushStop, Where::Seek],
                Failure::Never,
            ),
        ),
        closes(call(
            "avcodec_free_context",
            &[Where::Close],
            Failure::Never,
        )),
    ],
    quick: &[("codec::max-threads", "1")],
    // With more than one frame inside, none would be out when the decoder is drained early.
    holding: &[("codec::max-threads", "2")],
    drains_at_gaps: true,
    drains_what_it_holds: false,
    checked: Checked::Never,
    takes_over: || false,
    varied: &[("codec::max-threads", &["1", "2", "4"])],
};

/// On the worker, as most codecs are called.
pub(super) const WEDGE: Row = Row {
    name: "hosted-wedge",
    launch: "codecwatch codec=wedge",
    library: "wedge",
    threads: &["wedge"],
    calls: &[
        within(START, call("wedge_start", &[Where::Start], Failure::Fatal)),
        within(CHAIN, call("wedge_chain", &[Where::Send], Failure::Fatal)),
        // Refused caps are sent again with the next buffer.
        within(CAPS, call("wedge_caps", &[Where::Caps], Failure::Ignored)),
        within(EOS, call("wedge_eos", &[Where::Drain], Failure::Never)),
        within(
            FLUSH_STOP,
            call(
                "wedge_flush_stop",
                &[Where::Flush, Where::FlushStop, Where::Seek],
                Failure::Never,
            ),
        ),
        within(
            ACCEPT_CAPS,
            call("wedge_query", &[Where::Query], Failure::Ignored),
        ),
        closes(call("wedge_stop", &[Where::Close], Failure::Ignored)),
    ],
    ..QUEUE_WEDGE
};

pub(super) const VP8ENC_ISOLATED: Row = Row {
    name: "hosted-vp8enc-isolated",
    launch: "codecwatch isolate=true isolate-policy=open codec=\"vp8enc deadline=1 cpu-used=8\"",
    is_isolated: true,
    ..VP8ENC
};

pub(super) const AVDEC_H264_ISOLATED: Row = Row {
    name: "hosted-avdec-isolated",
    launch: "codecwatch isolate=true isolate-policy=open codec=\"h264parse ! avdec_h264\"",
    is_isolated: true,
    ..AVDEC_H264
};

pub(super) const WEDGE_ISOLATED: Row = Row {
    name: "hosted-wedge-isolated",
    launch: "codecwatch isolate=true isolate-policy=open codec=wedge",
    is_isolated: true,
    ..WEDGE
};

pub(super) const QUEUE_WEDGE_ISOLATED: Row = Row {
    name: "hosted-queue-wedge-isolated",
    launch: "codecwatch isolate=true isolate-policy=open codec=\"queue max-size-buffers=2 ! wedge\"",
    is_isolated: true,
    ..QUEUE_WEDGE
};

/// On a thread of the chain; what begins and ends it is on the worker.
pub(super) const QUEUE_WEDGE: Row = Row {
    name: "hosted-queue-wedge",
    launch: "codecwatch codec=\"queue max-size-buffers=2 ! wedge\"",
    is_hosted: true,
    is_isolated: false,
    is_shipped: true,
    role: Role::Encoder,
    library: "queue ! wedge",
    threads: &["queue"],
    input: Input::Raw,
    calls: &[
        within(
            ANYWHERE,
            call("wedge_chain", &[Where::Send], Failure::Fatal),
        ),
        within(
            ANYWHERE,
            call("wedge_caps", &[Where::Caps], Failure::Ignored),
        ),
        within(ANYWHERE, call("wedge_eos", &[Where::Drain], Failure::Never)),
        within(
            ": flush-start event",
            call(
                "wedge_flush_start",
                &[Where::Flush, Where::FlushStop, Where::Seek],
                Failure::Never,
            ),
        ),
        closes(call("wedge_dispose", &[Where::Close], Failure::Never)),
    ],
    quick: &[],
    holding: &[],
    drains_at_gaps: false,
    drains_what_it_holds: false,
    checked: Checked::Never,
    takes_over: || false,
    varied: &[],
};
