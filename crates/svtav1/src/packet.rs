// SPDX-License-Identifier: MPL-2.0
//! The output of a session.

use serde::{Deserialize, Serialize};

use codecwatch_av1::SequenceHeader;

/// One output of a session: first one header, when the first packet is ready, and then
/// one packet per picture, in the order of the pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The sequence header. The first packet contains it too.
    Header(SequenceHeader),
    /// One coded picture.
    Packet(Packet),
}

/// One temporal unit: the OBUs, with sizes, that show one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Begins with a temporal delimiter.
    pub data: Vec<u8>,
    /// The id of the picture.
    pub id: u64,
    /// How it is coded.
    pub kind: FrameKind,
}

/// How a picture is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameKind {
    /// A key frame: decoding can begin here.
    Key,
    /// A key frame that was sent earlier and is shown now.
    ForwardKey,
    /// Refers to no other picture, but later ones may refer to pictures before it.
    IntraOnly,
    /// Refers to others.
    Inter,
    /// Refers to others and is never referred to: may be dropped.
    NonReference,
    /// A point where a decoder can switch between streams of several sizes.
    Switch,
}

impl FrameKind {
    /// Whether decoding can begin at the temporal unit that shows it. It cannot if that
    /// is a forward key frame, which was sent earlier (AV1-ISOBMFF, 2.5).
    pub fn is_sync_point(self) -> bool {
        self == Self::Key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_begins_at_key_frames_that_are_shown_where_they_are_sent() {
        use FrameKind::{ForwardKey, Inter, IntraOnly, Key, NonReference, Switch};
        assert!(Key.is_sync_point());
        for kind in [ForwardKey, IntraOnly, Inter, NonReference, Switch] {
            assert!(!kind.is_sync_point(), "{kind:?}");
        }
    }
}
