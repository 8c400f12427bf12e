// SPDX-License-Identifier: MPL-2.0
//! The elements that hold a native codec.

use super::{Checked, Failure, Input, Role, Row, call, closes, gives, keeps};
use crate::matrix::Where;

pub(super) const SVTAV1WATCHENC: Row = Row {
    name: "svtav1watchenc",
    launch: "svtav1watchenc",
    is_hosted: false,
    is_isolated: false,
    is_shipped: true,
    role: Role::Encoder,
    library: "SVT-AV1",
    threads: &["SVT-AV1#", "svt-"],
    input: Input::Raw,
    calls: &[
        call("svt_av1_enc_init_handle", &[], Failure::Fatal),
        keeps(call("svt_av1_enc_init", &[Where::Open], Failure::Fatal)),
        call("svt_av1_enc_send_picture", &[Where::Send], Failure::Fatal),
        gives(call(
            "svt_av1_enc_get_packet",
            &[Where::Get, Where::Drain, Where::Caps],
            Failure::Fatal,
        )),
        keeps(call("svt_av1_enc_release_out_buffer", &[], Failure::Never)),
        // SVT-AV1 cannot flush: the session is closed. A deinit that has not
        // done its work leaves threads for which deinit_handle waits.
        closes(call(
            "svt_av1_enc_deinit",
            &[Where::Flush, Where::FlushStop, Where::Seek],
            Failure::StuckClose,
        )),
        closes(call(
            "svt_av1_enc_deinit_handle",
            &[Where::Close],
            Failure::Ignored,
        )),
    ],
    quick: &[
        ("preset", "12"),
        ("logical-processors", "1"),
        ("low-latency", "true"),
    ],
    holding: &[
        ("preset", "12"),
        ("logical-processors", "1"),
        ("low-latency", "false"),
    ],
    // A gap rides with the frames.
    drains_at_gaps: false,
    drains_what_it_holds: true,
    checked: Checked::First,
    // From 1.8 on the library makes key frames in every mode.
    takes_over: || support::svtav1_version() < (1, 8),
    varied: &[
        ("preset", &["8", "9", "10", "11", "12"]),
        ("low-latency", &["true", "false"]),
        ("logical-processors", &["0", "1", "2"]),
        ("intra-period-length", &["-1", "7", "30"]),
    ],
};

pub(super) const DAV1DWATCHDEC: Row = Row {
    name: "dav1dwatchdec",
    launch: "dav1dwatchdec",
    is_hosted: false,
    is_isolated: false,
    is_shipped: true,
    role: Role::Decoder,
    library: "dav1d",
    threads: &["dav1d#", "dav1d-"],
    input: Input::Encoded {
        encoder: "svtav1watchenc preset=12 low-latency=true intra-period-length=7",
        caps: "video/x-av1,stream-format=obu-stream,alignment=tu,framerate=30/1",
        key_every: 8,
    },
    calls: &[
        call("dav1d_open", &[Where::Open], Failure::Settings),
        call("dav1d_send_data", &[Where::Send], Failure::Damage),
        gives(call(
            "dav1d_get_picture",
            &[Where::Get, Where::Drain, Where::Caps],
            Failure::Damage,
        )),
        keeps(call("dav1d_picture_unref", &[], Failure::Never)),
        call(
            "dav1d_flush",
            &[Where::Flush, Where::FlushStop, Where::Seek],
            Failure::Never,
        ),
        closes(call("dav1d_close", &[Where::Close], Failure::Never)),
    ],
    quick: &[("n-threads", "1")],
    holding: &[("n-threads", "4"), ("max-frame-delay", "4")],
    drains_at_gaps: true,
    // One that holds pictures back is not.
    drains_what_it_holds: false,
    checked: Checked::Never,
    takes_over: || false,
    varied: &[
        ("n-threads", &["1", "2", "3", "4"]),
        ("max-frame-delay", &["-1", "0", "1", "3"]),
    ],
};

pub(super) const SVTAV1WATCHENC_ISOLATED: Row = Row {
    name: "svtav1watchenc-isolated",
    launch: "svtav1watchenc isolate=true isolate-policy=open",
    is_isolated: true,
    ..SVTAV1WATCHENC
};

pub(super) const DAV1DWATCHDEC_ISOLATED: Row = Row {
    name: "dav1dwatchdec-isolated",
    launch: "dav1dwatchdec isolate=true isolate-policy=open",
    is_isolated: true,
    ..DAV1DWATCHDEC
};

pub(super) const MEMORYWATCHENC: Row = Row {
    name: "memorywatchenc",
    launch: "memorywatchenc",
    is_hosted: false,
    is_isolated: false,
    is_shipped: false,
    role: Role::Encoder,
    library: "memory",
    threads: &["memory#", "memory-"],
    input: Input::Raw,
    calls: &[
        call("memory_open", &[Where::Open], Failure::Fatal),
        call("memory_send", &[Where::Send], Failure::Fatal),
        gives(call("memory_receive", &[Where::Get], Failure::Fatal)),
        call("memory_drain", &[Where::Drain, Where::Caps], Failure::Fatal),
        call(
            "memory_flush",
            &[Where::Flush, Where::FlushStop, Where::Seek],
            Failure::Fatal,
        ),
        closes(call("memory_close", &[Where::Close], Failure::Ignored)),
    ],
    quick: &[("delay", "0")],
    holding: &[("delay", "4")],
    drains_at_gaps: false,
    drains_what_it_holds: true,
    checked: Checked::Always,
    takes_over: || false,
    varied: &[
        ("delay", &["0", "1", "4", "20"]),
        ("key-every", &["1", "7", "30"]),
        ("effort", &["0", "1000", "20000"]),
    ],
};
