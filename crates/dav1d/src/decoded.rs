// SPDX-License-Identifier: MPL-2.0
//! The output of a session.

use serde::{Deserialize, Serialize};

use crate::Picture;

/// One output. Each input is settled by exactly one output, in the order of the
/// inputs except for [`Damaged`](Self::Damaged) ones, which may come early.
/// An input that holds several frames to show (unusual) leads to several
/// pictures; the first settles it.
#[derive(Debug)]
pub enum Decoded {
    /// A picture.
    Picture(Box<Picture>),
    /// This input led to no picture of its own: a frame that is not shown yet,
    /// headers only, a spatial layer below the highest.
    NoPicture {
        /// The input.
        id: u64,
    },
    /// This input led to no picture although it should have.
    Damaged(Damage),
}

/// An input that was not decoded. The session continues; see
/// [`Dav1dSession`](crate::Dav1dSession) for how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The input.
    pub id: u64,
    /// Why.
    pub cause: DamageCause,
}

/// Why an input was not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum DamageCause {
    /// The bitstream is not valid here: an error of the stream.
    #[error("the bitstream is damaged")]
    Bitstream,
    /// The picture would be larger than the user allows.
    #[error("the picture is larger than frame-size-limit")]
    TooLarge,
    /// It needs missing pictures, because of earlier damage or because the stream did
    /// not begin with a key frame. Not an error of this input.
    #[error("it refers to pictures that were lost")]
    Unreferenced,
}
