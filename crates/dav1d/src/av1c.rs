// SPDX-License-Identifier: MPL-2.0
//! `AV1CodecConfigurationRecord`, which mp4 (`av1C`), Matroska
//! (`CodecPrivate`) and GStreamer (`codec_data`) keep beside the stream: AV1
//! Codec ISO Media File Format Binding, section 2.3.

/// The parts of the record before the OBUs.
const FIXED_BYTES: usize = 4;

/// What the record says. Nothing that follows is checked against the OBUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Av1c<'a> {
    /// `seq_profile`.
    pub profile: u8,
    /// `seq_level_idx` of operating point 0.
    pub level: u8,
    /// `seq_tier` of operating point 0.
    pub tier: u8,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// Luma only.
    pub monochrome: bool,
    /// Whether chroma has half the width, half the height.
    pub subsampling: (bool, bool),
    /// Frames that a player should decode before it shows the first.
    pub initial_delay: Option<u8>,
    /// The OBUs that apply to the whole stream: at most a sequence header, then
    /// metadata, each with its size. May be empty. A session takes them as its
    /// [`headers`](crate::Dav1d::headers).
    pub config_obus: &'a [u8],
}

/// No configuration record that this library knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Av1cError {
    /// Shorter than the fixed part.
    #[error("the AV1 configuration record has {0} bytes, too few")]
    TooShort(usize),
    /// The first byte is not marker and version 1.
    #[error("the AV1 configuration record begins with {0:#04x} instead of 0x81")]
    UnknownVersion(u8),
}

impl<'a> Av1c<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Av1cError`] when it is none.
    pub fn parse(record: &'a [u8]) -> Result<Self, Av1cError> {
        let Some((&[version, profile, format, delay], config_obus)) =
            record.split_first_chunk::<FIXED_BYTES>()
        else {
            return Err(Av1cError::TooShort(record.len()));
        };
        if version != 0x81 {
            return Err(Av1cError::UnknownVersion(version));
        }
        let bit = |byte: u8, bit: u8| byte >> bit & 1 != 0;
        Ok(Self {
            profile: profile >> 5,
            level: profile & 0x1f,
            tier: format >> 7,
            bit_depth: match (bit(format, 6), bit(format, 5)) {
                (false, _) => 8,
                (true, false) => 10,
                (true, true) => 12,
            },
            monochrome: bit(format, 4),
            subsampling: (bit(format, 3), bit(format, 2)),
            initial_delay: bit(delay, 4).then_some((delay & 0xf) + 1),
            config_obus,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_field_is_read() {
        let record = [0x81, 0x28, 0b1110_1100, 0b0001_0011, 0x0a, 0x00];
        let read = Av1c::parse(&record).unwrap();
        let expected = Av1c {
            profile: 1,
            level: 8,
            tier: 1,
            bit_depth: 12,
            monochrome: false,
            subsampling: (true, true),
            initial_delay: Some(4),
            config_obus: &[0x0a, 0x00],
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(
            Av1c::parse(&[0x82, 0, 0, 0]),
            Err(Av1cError::UnknownVersion(0x82))
        );
        assert_eq!(Av1c::parse(&[0x81, 0, 0]), Err(Av1cError::TooShort(3)));
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic(record: Vec<u8>) {
            let _ = Av1c::parse(&record);
        }
    }
}
