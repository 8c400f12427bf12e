// SPDX-License-Identifier: MPL-2.0
//! Converts sink caps and buffers to the codec's input.

use codecwatch_av1 as av1;
use codecwatch_dav1d as dav1d;
use codecwatch_element::RecordedInput;

use crate::CAT;

/// The framings of AV1 that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The low-overhead format (AV1 specification, section 5): dav1d's own.
    Obus,
    /// The length-delimited format (annex B); a buffer is a temporal unit.
    AnnexB,
}

/// What the sink caps say about the bitstream. When one of these fields changes, the
/// session has to end and another has to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitstream {
    framing: Framing,
    /// OBUs that the container stores outside of the stream.
    pub(super) headers: Vec<u8>,
}

impl Bitstream {
    pub(super) fn of(caps: &gst::CapsRef) -> Self {
        let structure = caps.structure(0);
        let format = structure.and_then(|s| s.get::<&str>("stream-format").ok());
        let record = structure.and_then(|s| s.get::<gst::Buffer>("codec_data").ok());
        Self {
            framing: match format {
                Some("annexb") => Framing::AnnexB,
                _ => Framing::Obus,
            },
            headers: record.as_deref().map(headers).unwrap_or_default(),
        }
    }

    /// The bytes of a buffer in the codec's framing.
    ///
    /// # Errors
    /// Describes what is wrong with the bytes.
    pub(super) fn bytes(&self, buffer: gst::Buffer) -> Result<dav1d::Bytes, String> {
        if buffer.flags().contains(gst::BufferFlags::CORRUPTED) {
            return Err("upstream has marked it as corrupted".to_owned());
        }
        let map = buffer
            .into_mapped_buffer_readable()
            .map_err(|_| "the memory of a buffer cannot be read".to_owned())?;
        match self.framing {
            Framing::Obus => Ok(Box::new(map)),
            Framing::AnnexB => Ok(Box::new(from_annex_b(&map).map_err(|e| e.to_string())?)),
        }
    }

    /// A buffer as it is recorded, with the bytes that the codec gets for it.
    pub(super) fn recorded(&self, buffer: gst::Buffer, bytes: &[u8]) -> RecordedInput {
        let summary = av1::summarize(bytes, false);
        let has_header = summary.sequence_header.is_some();
        let begins = summary.start.is_some() && (has_header || !self.headers.is_empty());
        let buffer = match self.framing {
            Framing::Obus => buffer,
            Framing::AnnexB => {
                let mut obus = gst::Buffer::from_slice(bytes.to_vec());
                if let Some(obus) = obus.get_mut() {
                    obus.set_pts(buffer.pts());
                }
                obus
            }
        };
        RecordedInput::new(buffer, None, begins).with_needs_headers(!has_header)
    }
}

/// A buffer holds whole temporal units, usually one.
fn from_annex_b(bytes: &[u8]) -> Result<Vec<u8>, av1::AnnexBError> {
    let mut parser = av1::AnnexB::new();
    let mut obus = Vec::with_capacity(bytes.len());
    parser.push(bytes, |unit| obus.extend(unit))?;
    parser.finish()?;
    Ok(obus)
}

/// The OBUs of an AV1 configuration record. Streams usually repeat them, so an
/// unreadable record is not an error.
fn headers(record: &gst::BufferRef) -> Vec<u8> {
    let Ok(map) = record.map_readable() else {
        return Vec::new();
    };
    match av1::config_obus(&map) {
        Ok(obus) => obus.to_vec(),
        Err(error) => {
            gst::warning!(CAT, "codec_data is not used: {error}");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> gst::Caps {
        gst::init().unwrap();
        text.parse().unwrap()
    }

    #[test]
    fn the_configuration_record_is_taken_off_codec_data() {
        let with = |data: &str| {
            Bitstream::of(&caps(&format!(
                "video/x-av1,stream-format=obu-stream,codec_data=(buffer){data}"
            )))
        };
        assert_eq!(with("81004c000a0100").headers, [0x0a, 0x01, 0x00]);
        assert!(with("00010203").headers.is_empty());
        assert!(with("81").headers.is_empty());
    }

    #[test]
    fn annex_b_is_turned_into_what_dav1d_takes() {
        let bitstream = Bitstream::of(&caps("video/x-av1,stream-format=annexb,alignment=tu"));
        assert_eq!(bitstream.framing, Framing::AnnexB);
        // One temporal unit of one frame unit of one OBU: a delimiter without a size.
        let unit = gst::Buffer::from_slice([3, 2, 1, 0x10]);
        let bytes = bitstream.bytes(unit).unwrap();
        assert_eq!((*bytes).as_ref(), [0x12, 0]);
        let cut = gst::Buffer::from_slice([3, 2, 1]);
        assert!(bitstream.bytes(cut).is_err());
    }
}
