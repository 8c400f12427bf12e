// SPDX-License-Identifier: MPL-2.0
//! ITU-T T.35 messages as metadata of buffers: closed captions in GStreamer's own
//! form, and every message as it was in the stream, in a meta called
//! `ITU-T-T35`, so that none is lost (HDR10+, and future kinds).

use codecwatch_dav1d::T35;
use gst::prelude::*;

/// A custom meta; its structure has one field, `messages`: an array of
/// structures `message` with the fields `country-code` (uint),
/// `country-code-extension` (uint) and `payload` (buffer).
const META: &str = "ITU-T-T35";

/// The country code of the United States.
const USA: u8 = 0xb5;

/// Provider code of the ATSC, `GA94`, and the type of caption data: ATSC A/53
/// part 4, section 6.2.3.
const CAPTIONS: &[u8] = &[0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];

/// The caller must call this once per process, before the first buffer.
pub(super) fn register() {
    if !gst::meta::CustomMeta::is_registered(META) {
        gst::meta::CustomMeta::register(META, &["video"]);
    }
}

/// Adds the messages to a buffer. `captioned`: the frame already has captions, which
/// an element upstream has extracted.
pub(super) fn attach(buffer: &mut gst::BufferRef, messages: &[T35], captioned: bool) {
    if messages.is_empty() {
        return;
    }
    let captions = messages.iter().filter_map(captions);
    for triplets in captions.filter(|_| !captioned) {
        gst_video::VideoCaptionMeta::add(buffer, gst_video::VideoCaptionType::Cea708Raw, triplets);
    }
    let messages = messages.iter().map(|message| {
        gst::Structure::builder("message")
            .field("country-code", u32::from(message.country_code))
            .field(
                "country-code-extension",
                u32::from(message.country_code_extension),
            )
            .field("payload", gst::Buffer::from_slice(message.payload.clone()))
            .build()
            .to_send_value()
    });
    if let Ok(mut meta) = gst::meta::CustomMeta::add(buffer, META) {
        meta.mut_structure()
            .set("messages", gst::Array::from_values(messages));
    }
}

/// The caption triplets of a message, if it contains any.
fn captions(message: &T35) -> Option<&[u8]> {
    if message.country_code != USA {
        return None;
    }
    let data = message.payload.strip_prefix(CAPTIONS)?;
    // process_em_data_flag, process_cc_data_flag, additional_data_flag,
    // cc_count (5 bits); em_data (8 bits); the triplets
    let (&[flags, _em_data], triplets) = data.split_first_chunk()?;
    let has_captions = flags & 0x40 != 0;
    let count = usize::from(flags & 0x1f);
    triplets
        .get(..3 * count)
        .filter(|triplets| has_captions && !triplets.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(country_code: u8, payload: &[&[u8]]) -> T35 {
        T35 {
            country_code,
            country_code_extension: 0,
            payload: payload.concat(),
        }
    }

    #[test]
    fn captions_become_a_caption_meta_and_everything_is_kept_as_it_was() {
        gst::init().unwrap();
        register();
        let cc = [0xfc, 0x94, 0x2c, 0xfd, 0x80, 0x80];
        let captions = message(USA, &[CAPTIONS, &[0xc2, 0xff], &cc, &[0xff]]);
        let hdr10_plus = message(USA, &[&[0x00, 0x3c, 0x00, 0x01, 4, 1]]);
        let mut buffer = gst::Buffer::new();
        let buffer = buffer.get_mut().unwrap();
        attach(buffer, &[captions.clone(), hdr10_plus], false);

        let metas: Vec<_> = buffer.iter_meta::<gst_video::VideoCaptionMeta>().collect();
        assert_eq!(metas.len(), 1);
        assert_eq!(metas[0].data(), cc);
        drop(metas);
        let meta = gst::meta::CustomMeta::from_buffer(buffer, META).unwrap();
        let kept = meta.structure().get::<gst::Array>("messages").unwrap();
        assert_eq!(kept.len(), 2);
        let first = kept[0].get::<gst::Structure>().unwrap();
        let payload = first.get::<gst::Buffer>("payload").unwrap();
        assert_eq!(*payload.map_readable().unwrap(), *captions.payload);
    }

    #[test]
    fn captions_that_are_cut_short_are_none() {
        let cut = message(USA, &[CAPTIONS, &[0xc2, 0xff], &[0xfc, 0x94]]);
        assert_eq!(super::captions(&cut), None);
        let other = message(0x26, &[CAPTIONS, &[0xc1, 0xff], &[1, 2, 3]]);
        assert_eq!(super::captions(&other), None);
    }
}
