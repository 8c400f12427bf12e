// SPDX-License-Identifier: MPL-2.0
//! The elements under test: one row for each. Scenarios, material, matrix and
//! soak know an element by its row alone.

use std::fmt;
use std::ops::Deref;

use crate::matrix::Where;

/// One of the elements under test: a row of the table in this file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element(usize);

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It posts STREAM/ENCODE.
    Encoder,
    /// It posts STREAM/DECODE.
    Decoder,
}

/// What goes into an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Frames of I420.
    Raw,
    /// The stream of an encoder.
    Encoded {
        /// The part of a pipeline that makes it of I420.
        encoder: &'static str,
        /// Caps of the stream; they get `codec_data` after a change of format.
        caps: &'static str,
        /// One frame in so many is a key frame.
        key_every: u64,
    },
}

/// What comes of a call that answers an error without having done its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing: the function returns nothing.
    Never,
    /// The session fails.
    Fatal,
    /// The library does not take the settings.
    Settings,
    /// It speaks of damage in the stream, which costs frames.
    Damage,
    /// The session is closed as far as anybody can tell.
    Ignored,
    /// The rest of the close waits for ever.
    StuckClose,
}

/// Which outputs of an element are looked at: one that is corrupt is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// None: other bytes nobody can tell from the right ones.
    Never,
    /// The first of a session, which begins the stream.
    First,
    /// Every one.
    Always,
}

/// A function of the library that can go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// The operations at which the matrix makes it go wrong.
    pub at: &'static [Where],
    /// What comes of an error.
    pub failure: Failure,
    /// It gives out what can be corrupt.
    pub gives: bool,
    /// It is made while a session closes.
    pub closes: bool,
    /// When it is not made, something stays open.
    pub keeps: bool,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// The name of the factory.
    pub name: &'static str,
    /// Users get it: the whole matrix has it by itself, not only where it is named.
    pub is_shipped: bool,
    /// Encoder or decoder.
    pub role: Role,
    /// The library's name in the ledger.
    pub library: &'static str,
    /// What the names of its threads begin with: workers, lanes and the
    /// library's own.
    pub threads: &'static [&'static str],
    /// What goes in.
    pub input: Input,
    /// Calls that can go wrong.
    pub calls: &'static [Call],
    /// Properties with which each frame comes out before the next goes in.
    pub quick: &'static [(&'static str, &'static str)],
    /// Properties with which frames are inside.
    pub holding: &'static [(&'static str, &'static str)],
    /// A GAP drains it.
    pub drains_at_gaps: bool,
    /// Frames that are inside come out at a drain in mid-stream.
    pub drains_what_it_holds: bool,
    /// Which outputs are looked at.
    pub checked: Checked,
    /// Whether a request for a key frame, with the `quick` properties, makes
    /// another session take over while the one before drains.
    pub takes_over: fn() -> bool,
    /// Properties that the soak varies, and their values.
    pub varied: &'static [(&'static str, &'static [&'static str])],
}

const fn call(name: &'static str, at: &'static [Where], failure: Failure) -> Call {
    Call {
        name,
        at,
        failure,
        gives: false,
        closes: false,
        keeps: false,
    }
}

const fn gives(call: Call) -> Call {
    Call {
        gives: true,
        ..call
    }
}

const fn keeps(call: Call) -> Call {
    Call {
        keeps: true,
        ..call
    }
}

const fn closes(call: Call) -> Call {
    Call {
        closes: true,
        keeps: true,
        ..call
    }
}

/// All of them.
const TABLE: &[Row] = &[
    Row {
        name: "svtav1watchenc",
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
    },
    Row {
        name: "dav1dwatchdec",
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
    },
    Row {
        name: "memorywatchenc",
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
    },
];

impl Element {
    /// Every element.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..TABLE.len()).map(Self)
    }

    /// The element of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|element| element.name == name)
    }

    /// The call that the matrix makes go wrong at an operation.
    ///
    /// # Panics
    /// When the row has none.
    pub fn call_at(&self, at: Where) -> &'static Call {
        TABLE[self.0]
            .calls
            .iter()
            .find(|call| call.at.contains(&at))
            .unwrap()
    }

    /// The call of this name.
    pub fn call(&self, name: &str) -> Option<&'static Call> {
        TABLE[self.0].calls.iter().find(|call| call.name == name)
    }

    /// Frames that a decoder may have to pass over before it can begin anew.
    pub fn passed_over(&self) -> u64 {
        match self.input {
            Input::Raw => 0,
            Input::Encoded { key_every, .. } => key_every - 1,
        }
    }
}

impl Deref for Element {
    type Target = Row;

    fn deref(&self) -> &Row {
        &TABLE[self.0]
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_names_one_call_for_each_operation() {
        for element in Element::all() {
            for at in Where::ALL {
                let calls = element.calls.iter().filter(|call| call.at.contains(at));
                assert_eq!(calls.count(), 1, "{element:?} {at:?}");
            }
        }
    }
}
