// SPDX-License-Identifier: MPL-2.0
//! `AV1CodecConfigurationRecord`, which mp4 (`av1C`), Matroska (`CodecPrivate`) and
//! GStreamer (`codec_data`) store outside of the stream: AV1 Codec ISO Media File
//! Format Binding, section 2.3.

/// The parts of the record before the OBUs.
const FIXED_BYTES: usize = 4;

/// Marker and version, the first byte of a record.
pub(crate) const MARKER_AND_VERSION: u8 = 0x81;

/// Not a supported configuration record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Av1cError {
    /// Shorter than the fixed part.
    #[error("the AV1 configuration record has {0} bytes, too few")]
    TooShort(usize),
    /// The first byte is not marker and version 1.
    #[error("the AV1 configuration record begins with {0:#04x} instead of 0x81")]
    UnknownVersion(u8),
}

/// The OBUs of a record, which apply to the whole stream: at most a sequence
/// header, then metadata, each with its size. May be empty.
///
/// # Errors
/// [`Av1cError`] when it is not a record. Streams usually repeat its content.
pub fn config_obus(record: &[u8]) -> Result<&[u8], Av1cError> {
    let Some((&[version, ..], config_obus)) = record.split_first_chunk::<FIXED_BYTES>() else {
        return Err(Av1cError::TooShort(record.len()));
    };
    if version != MARKER_AND_VERSION {
        return Err(Av1cError::UnknownVersion(version));
    }
    Ok(config_obus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_follow_the_fixed_part() {
        let record = [0x81, 0x28, 0b1110_1100, 0b0001_0011, 0x0a, 0x00];
        assert_eq!(config_obus(&record), Ok(&[0x0a, 0x00][..]));
        assert_eq!(config_obus(&record[..4]), Ok(&[][..]));
    }

    #[test]
    fn another_version_is_refused() {
        let refused = config_obus(&[0x82, 0, 0, 0]);
        assert_eq!(refused, Err(Av1cError::UnknownVersion(0x82)));
        assert_eq!(config_obus(&[0x81, 0, 0]), Err(Av1cError::TooShort(3)));
    }
}
