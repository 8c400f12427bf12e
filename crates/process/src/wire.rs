// SPDX-License-Identifier: MPL-2.0
//! Messages as bytes: a length of four bytes, little-endian, then the message in
//! postcard's format. Pure; what comes from the other process is checked here.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::structure;

/// Largest message in bytes. A coded picture of the largest size that AV1 has a level
/// for, hardly compressed, is smaller.
pub const LARGEST_MESSAGE: usize = 64 << 20;

const HEADER: usize = 4;

/// The other process has broken the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl Broken {
    /// With this reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Appends a message to `bytes`.
///
/// # Errors
/// It is too large. Then `bytes` is as before.
pub fn encode(bytes: &mut Vec<u8>, message: &impl Serialize) -> Result<(), Broken> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER]);
    if let Err(error) = postcard::to_io(message, &mut *bytes) {
        bytes.truncate(start);
        return Err(Broken::new(format!("message not writable: {error}")));
    }
    let len = bytes.len() - start - HEADER;
    if len > LARGEST_MESSAGE {
        bytes.truncate(start);
        return Err(Broken::new(format!(
            "a message of {len} bytes is larger than {LARGEST_MESSAGE}"
        )));
    }
    // Checked above: it fits.
    bytes[start..start + HEADER].copy_from_slice(&(len as u32).to_le_bytes());
    Ok(())
}

/// Takes messages out of a stream of bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Where the next message begins.
    start: usize,
}

impl Decoder {
    /// Adds bytes that have come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > LARGEST_KEPT {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether no byte is left.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn take<M: DeserializeOwned>(&mut self) -> Result<Option<M>, Broken> {
        let rest = &self.bytes[self.start..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let len = u32::from_le_bytes(*header) as usize;
        if len > LARGEST_MESSAGE {
            return Err(Broken::new(format!(
                "a message of {len} bytes is announced, at most {LARGEST_MESSAGE} are allowed"
            )));
        }
        let Some(message) = rest.get(..len) else {
            return Ok(None);
        };
        let message = structure::read(message)?;
        self.start += HEADER + len;
        Ok(Some(message))
    }
}

/// Bytes of messages that were taken and are kept until the next are added.
const LARGEST_KEPT: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Message {
        Empty,
        Number(u64),
        Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    }

    fn message() -> impl Strategy<Value = Message> {
        prop_oneof![
            Just(Message::Empty),
            any::<u64>().prop_map(Message::Number),
            proptest::collection::vec(any::<u8>(), 0..20_000).prop_map(Message::Bytes),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn messages_come_out_whole_however_their_bytes_are_cut(
            messages in proptest::collection::vec(message(), 0..6),
            piece in 1_usize..10_000,
        ) {
            let mut bytes = Vec::new();
            for message in &messages {
                encode(&mut bytes, message).unwrap();
            }
            let mut decoder = Decoder::default();
            let mut came = Vec::new();
            for piece in bytes.chunks(piece) {
                decoder.push(piece);
                while let Some(message) = decoder.take::<Message>().unwrap() {
                    came.push(message);
                }
            }
            prop_assert_eq!(came, messages);
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.take::<Message>() {}
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_kept_for_it() {
        let mut decoder = Decoder::default();
        decoder.push(&(LARGEST_MESSAGE as u32 + 1).to_le_bytes());
        assert!(decoder.take::<Message>().is_err());
    }

    #[test]
    fn bytes_after_a_message_are_an_error() {
        let mut bytes = Vec::new();
        encode(&mut bytes, &(Message::Empty, 0_u8)).unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        let error = decoder.take::<Message>().unwrap_err();
        assert!(error.0.contains("1 bytes too many"), "{error}");
    }
}
