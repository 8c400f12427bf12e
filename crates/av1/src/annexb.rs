// SPDX-License-Identifier: MPL-2.0
//! Converts the length-delimited format (AV1 specification, annex B) to the
//! low-overhead format.

use crate::{
    leb128::{leb128, put_leb128},
    obu::{HAS_SIZE, header_len, obus},
};

/// The largest temporal unit that is collected. The stream's length field decides how
/// much memory is used, so it is bounded: 64 MiB is an uncompressed 8K picture.
pub const LARGEST_TEMPORAL_UNIT: usize = 64 << 20;

/// The bytes are not in the format of Annex B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnexBError {
    /// A length is no leb128 number.
    #[error("Annex B: a length is malformed")]
    MalformedLength,
    /// A part is longer than what contains it.
    #[error("Annex B: a unit is longer than the unit that contains it")]
    Overrun,
    /// The length of an OBU is 0 or contradicts its own size.
    #[error("Annex B: the length of a unit contradicts the unit")]
    Contradiction,
    /// The temporal unit is larger than [`LARGEST_TEMPORAL_UNIT`].
    #[error("Annex B: a temporal unit of {0} bytes is too large")]
    TooLarge(usize),
    /// The stream ended inside a temporal unit.
    #[error("Annex B: the stream ends inside a temporal unit")]
    Truncated,
}

/// Takes an Annex B stream in pieces of any size and returns whole temporal
/// units.
#[derive(Debug, Default)]
pub struct AnnexB {
    pending: Vec<u8>,
}

impl AnnexB {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; each temporal unit that it completes is passed to `unit`
    /// in the low-overhead format.
    ///
    /// # Errors
    /// [`AnnexBError`] at the first malformed unit; what has not been passed on by
    /// then is dropped. The stream has no sync marker: the next piece has to begin with
    /// a temporal unit.
    pub fn push(&mut self, piece: &[u8], mut unit: impl FnMut(Vec<u8>)) -> Result<(), AnnexBError> {
        self.pending.extend_from_slice(piece);
        let mut rest = &self.pending[..];
        let result = loop {
            match next_unit(rest) {
                Ok(Some((bytes, after))) => {
                    match convert(bytes) {
                        Ok(converted) => unit(converted),
                        Err(error) => break Err(error),
                    }
                    rest = after;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let kept = if result.is_ok() { rest.len() } else { 0 };
        self.pending.drain(..self.pending.len() - kept);
        result
    }

    /// Must be called at the end of the stream, and before a jump.
    ///
    /// # Errors
    /// [`AnnexBError::Truncated`] when a temporal unit is incomplete; it is dropped.
    pub fn finish(&mut self) -> Result<(), AnnexBError> {
        let whole = self.pending.is_empty();
        self.pending.clear();
        if whole {
            Ok(())
        } else {
            Err(AnnexBError::Truncated)
        }
    }
}

/// The first temporal unit, without its length, and what follows it; `None`
/// while it is incomplete.
#[allow(clippy::type_complexity, reason = "two halves of one slice")]
fn next_unit(bytes: &[u8]) -> Result<Option<(&[u8], &[u8])>, AnnexBError> {
    let Some((len, field)) = leb128(bytes) else {
        // Eight bytes are enough for any length, whatever follows.
        let whole = bytes.iter().take(8).any(|byte| byte & 0x80 == 0) || bytes.len() >= 8;
        return if whole {
            Err(AnnexBError::MalformedLength)
        } else {
            Ok(None)
        };
    };
    if len > LARGEST_TEMPORAL_UNIT {
        return Err(AnnexBError::TooLarge(len));
    }
    Ok(bytes
        .get(field..)
        .and_then(|unit| unit.split_at_checked(len)))
}

/// temporal_unit() without its length: frame units of OBUs, each with a length.
fn convert(mut unit: &[u8]) -> Result<Vec<u8>, AnnexBError> {
    let mut out = Vec::with_capacity(unit.len());
    while !unit.is_empty() {
        let mut frame = take(&mut unit)?;
        while !frame.is_empty() {
            append(take(&mut frame)?, &mut out)?;
        }
    }
    Ok(out)
}

/// Splits off a length and that many bytes.
fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], AnnexBError> {
    let (len, field) = leb128(bytes).ok_or(AnnexBError::MalformedLength)?;
    let after = bytes
        .get(field..)
        .and_then(|rest| rest.split_at_checked(len));
    let (taken, rest) = after.ok_or(AnnexBError::Overrun)?;
    *bytes = rest;
    Ok(taken)
}

/// Appends an OBU, giving it a size field if it has none.
fn append(obu: &[u8], out: &mut Vec<u8>) -> Result<(), AnnexBError> {
    let Some(&first) = obu.first() else {
        return Err(AnnexBError::Contradiction);
    };
    if first & HAS_SIZE != 0 {
        let sized = obus(obu).next().and_then(Result::ok);
        if sized.is_none_or(|sized| sized.bytes.len() != obu.len()) {
            return Err(AnnexBError::Contradiction);
        }
        out.extend_from_slice(obu);
        return Ok(());
    }
    let (header, payload) = obu
        .split_at_checked(header_len(first))
        .ok_or(AnnexBError::Overrun)?;
    out.push(first | HAS_SIZE);
    out.extend_from_slice(&header[1..]);
    put_leb128(payload.len(), out);
    out.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obu::obus;
    use proptest::prelude::*;

    /// The inverse, with each frame unit holding one OBU.
    fn to_annex_b(section_5: &[u8], sizes: bool) -> Vec<u8> {
        let mut frames = Vec::new();
        for obu in obus(section_5).flatten() {
            let mut bytes = obu.bytes.to_vec();
            if !sizes {
                bytes = vec![obu.bytes[0] & !HAS_SIZE];
                bytes.extend_from_slice(&obu.bytes[1..header_len(obu.bytes[0])]);
                bytes.extend_from_slice(obu.payload);
            }
            let mut unit = Vec::new();
            put_leb128(bytes.len(), &mut unit);
            unit.extend(bytes);
            put_leb128(unit.len(), &mut frames);
            frames.extend(unit);
        }
        let mut out = Vec::new();
        put_leb128(frames.len(), &mut out);
        out.extend(frames);
        out
    }

    fn obu() -> impl Strategy<Value = Vec<u8>> {
        let not_a_delimiter = (0..16_u8).prop_filter("holds nothing", |kind| *kind != 2);
        (
            not_a_delimiter,
            any::<Option<u8>>(),
            proptest::collection::vec(any::<u8>(), 0..300),
        )
            .prop_map(|(kind, extension, payload)| {
                let mut bytes = vec![kind << 3 | HAS_SIZE];
                if let Some(extension) = extension {
                    bytes[0] |= 0b100;
                    bytes.push(extension);
                }
                put_leb128(payload.len(), &mut bytes);
                bytes.extend(payload);
                bytes
            })
    }

    #[test]
    fn an_overlong_part_is_an_error() {
        let mut units = Vec::new();
        let broken = [3, 9, 1, 0x10];
        assert_eq!(
            AnnexB::new().push(&broken, |unit| units.push(unit)),
            Err(AnnexBError::Overrun)
        );
        assert!(units.is_empty());
    }

    #[test]
    fn a_length_that_contradicts_its_unit_is_an_error() {
        // No OBU; an OBU whose own size is smaller; one whose own size is larger.
        for broken in [
            &[2, 1, 0][..],
            &[5, 4, 3, 0x7a, 0, 0],
            &[5, 4, 3, 0x7a, 2, 0],
        ] {
            let result = AnnexB::new().push(broken, |unit| panic!("{unit:?}"));
            assert_eq!(result, Err(AnnexBError::Contradiction), "{broken:?}");
        }
    }

    #[test]
    fn an_end_inside_a_unit_is_an_error() {
        let mut stream = AnnexB::new();
        stream.push(&[5, 1], |_| panic!("not whole")).unwrap();
        assert_eq!(stream.finish(), Err(AnnexBError::Truncated));
        assert_eq!(stream.finish(), Ok(()));
    }

    #[test]
    fn a_length_is_not_believed_beyond_the_limit() {
        let piece = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let error = AnnexB::new().push(&piece, |_| ()).unwrap_err();
        assert_eq!(error, AnnexBError::TooLarge(u32::MAX as usize));
        for (length, result) in [
            (LARGEST_TEMPORAL_UNIT, Ok(())),
            (
                LARGEST_TEMPORAL_UNIT + 1,
                Err(AnnexBError::TooLarge(LARGEST_TEMPORAL_UNIT + 1)),
            ),
        ] {
            let mut bytes = Vec::new();
            put_leb128(length, &mut bytes);
            assert_eq!(AnnexB::new().push(&bytes, |_| ()), result);
        }
    }

    #[test]
    fn a_length_without_end_is_an_error() {
        assert_eq!(
            AnnexB::new().push(&[0x80; 8], |_| ()),
            Err(AnnexBError::MalformedLength)
        );
        assert_eq!(AnnexB::new().push(&[0x80; 7], |_| ()), Ok(()));
        // One that ends, but does not fit into 32 bits.
        assert_eq!(
            AnnexB::new().push(&[0xff, 0xff, 0xff, 0xff, 0x7f], |_| ()),
            Err(AnnexBError::MalformedLength)
        );
    }

    proptest! {
        #[test]
        fn units_round_trip_whatever_the_pieces(
            units in proptest::collection::vec(proptest::collection::vec(obu(), 1..5), 1..4),
            sizes: bool, piece in 1..64_usize,
        ) {
            let units: Vec<Vec<u8>> = units.into_iter().map(|obus| obus.concat()).collect();
            let stream: Vec<u8> = units.iter().flat_map(|unit| to_annex_b(unit, sizes)).collect();
            let mut back = Vec::new();
            let mut annex_b = AnnexB::new();
            for piece in stream.chunks(piece) {
                annex_b.push(piece, |unit| back.push(unit)).unwrap();
            }
            prop_assert_eq!(annex_b.finish(), Ok(()));
            prop_assert_eq!(back, units);
        }

        #[test]
        fn arbitrary_bytes_never_panic(pieces: Vec<Vec<u8>>) {
            let mut annex_b = AnnexB::new();
            for piece in &pieces {
                let _ = annex_b.push(piece, |_| ());
            }
        }
    }
}
