// SPDX-License-Identifier: MPL-2.0
//! The elements under test: one row for each. Scenarios, material, matrix and
//! soak know an element by its row alone.

use std::fmt;
use std::ops::Deref;

use crate::matrix::Where;

mod hosted;
mod native;

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
    /// It posts STREAM/FAILED.
    Other,
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
    /// Nothing is lost; a session is closed as far as anybody can tell.
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
    /// A part of the name that the call in flight has in an error; empty where there may be
    /// none, because a thread of the codec makes the call.
    pub seen_as: &'static str,
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
    /// What it is called; of a native codec, the name of the factory.
    pub name: &'static str,
    /// Factory and properties, as `gst-launch-1.0` has them.
    pub launch: &'static str,
    /// It is `codecwatch`.
    pub is_hosted: bool,
    /// Its codec runs in a child process, outside of a sandbox: the fault shim needs files
    /// there.
    pub is_isolated: bool,
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
        seen_as: name,
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

/// A call that an element of a hosted chain makes: an error has the call of the worker.
const fn within(seen_as: &'static str, call: Call) -> Call {
    Call { seen_as, ..call }
}

/// All of them.
const TABLE: &[Row] = &[
    native::SVTAV1WATCHENC,
    native::DAV1DWATCHDEC,
    native::MEMORYWATCHENC,
    native::SVTAV1WATCHENC_ISOLATED,
    native::DAV1DWATCHDEC_ISOLATED,
    hosted::VP8ENC,
    hosted::AVDEC_H264,
    hosted::WEDGE,
    hosted::QUEUE_WEDGE,
    hosted::VP8ENC_ISOLATED,
    hosted::AVDEC_H264_ISOLATED,
    hosted::WEDGE_ISOLATED,
    hosted::QUEUE_WEDGE_ISOLATED,
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

    /// The call that the matrix makes go wrong at an operation, if there is one.
    pub fn call_at(&self, at: Where) -> Option<&'static Call> {
        let calls = TABLE[self.0].calls;
        calls.iter().find(|call| call.at.contains(&at))
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
                let of_chain = matches!(at, Where::Start | Where::Query);
                let least = usize::from(!element.is_hosted && !of_chain);
                assert!((least..=1).contains(&calls.count()), "{element:?} {at:?}");
            }
        }
    }

    #[test]
    fn every_operation_is_shown_with_a_hosted_chain() {
        for at in Where::ALL {
            let mut hosted = Element::all().filter(|element| element.is_hosted);
            assert!(
                hosted.any(|element| element.call_at(*at).is_some()),
                "{at:?}"
            );
        }
    }
}
