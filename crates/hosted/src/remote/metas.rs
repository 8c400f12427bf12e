// SPDX-License-Identifier: MPL-2.0
//! Metas of buffers on their way between parent and child.

use codecwatch_process::Broken;
use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo};
use serde::{Deserialize, Serialize};

use super::names;
use super::text::{self, structure};

/// The metas that travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum PackedMeta {
    Video {
        flags: u32,
        format: String,
        width: u32,
        height: u32,
        offsets: Vec<u64>,
        strides: Vec<i32>,
    },
    Crop([u32; 4]),
    Caption {
        kind: u32,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    Region {
        kind: String,
        rectangle: [u32; 4],
    },
    Audio {
        caps: String,
        samples: u64,
        offsets: Vec<u64>,
    },
    AudioClipping {
        format: i32,
        start: u64,
        end: u64,
    },
    UserData {
        uuid: [u8; 16],
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    ReferenceTimestamp {
        reference: String,
        timestamp: u64,
        duration: Option<u64>,
    },
    Custom {
        name: String,
        structure: String,
    },
}

pub(super) fn pack(buffer: &gst::BufferRef) -> Vec<PackedMeta> {
    let mut packed = Vec::new();
    if let Some(meta) = buffer.meta::<gst_video::VideoMeta>() {
        packed.push(PackedMeta::Video {
            flags: meta.video_frame_flags().bits(),
            format: meta.format().to_str().to_string(),
            width: meta.width(),
            height: meta.height(),
            offsets: meta.offset().iter().map(|&offset| offset as u64).collect(),
            strides: meta.stride().to_vec(),
        });
    }
    if let Some(meta) = buffer.meta::<gst_video::VideoCropMeta>() {
        let (x, y, width, height) = meta.rect();
        packed.push(PackedMeta::Crop([x, y, width, height]));
    }
    for meta in buffer.iter_meta::<gst_video::VideoCaptionMeta>() {
        packed.push(PackedMeta::Caption {
            kind: caption_number(meta.caption_type()),
            data: meta.data().to_vec(),
        });
    }
    for meta in buffer.iter_meta::<gst_video::VideoRegionOfInterestMeta>() {
        let (x, y, width, height) = meta.rect();
        packed.push(PackedMeta::Region {
            kind: meta.roi_type().to_owned(),
            rectangle: [x, y, width, height],
        });
    }
    if let Some(meta) = buffer.meta::<gst_audio::AudioMeta>()
        && let Ok(caps) = meta.info().to_caps()
    {
        packed.push(PackedMeta::Audio {
            caps: caps.to_string(),
            samples: meta.samples() as u64,
            offsets: meta.offsets().iter().map(|&offset| offset as u64).collect(),
        });
    }
    if let Some(meta) = buffer.meta::<gst_audio::AudioClippingMeta>() {
        let (start, end) = (meta.start(), meta.end());
        packed.push(PackedMeta::AudioClipping {
            format: format_number(start.format()),
            start: value(start),
            end: value(end),
        });
    }
    for meta in buffer.iter_meta::<gst::ReferenceTimestampMeta>() {
        packed.push(PackedMeta::ReferenceTimestamp {
            reference: meta.reference().to_string(),
            timestamp: meta.timestamp().nseconds(),
            duration: meta.duration().map(gst::ClockTime::nseconds),
        });
    }
    buffer.foreach_meta(|meta| {
        packed.extend(user_data(&meta));
        if let Some(custom) = meta.try_as_custom_meta() {
            let structure = custom.structure();
            packed.push(PackedMeta::Custom {
                name: structure.name().to_string(),
                structure: structure.to_string(),
            });
        }
        std::ops::ControlFlow::Continue(())
    });
    packed
}

/// Adds metas to a buffer that has its memory.
pub(super) fn unpack(
    mut metas: Vec<PackedMeta>,
    buffer: &mut gst::BufferRef,
) -> Result<(), Broken> {
    // The others lie in the picture.
    metas.sort_by_key(|meta| !matches!(meta, PackedMeta::Video { .. }));
    for meta in metas {
        add(meta, buffer)?;
    }
    Ok(())
}

fn add(meta: PackedMeta, buffer: &mut gst::BufferRef) -> Result<(), Broken> {
    let wrong = |what: &str| Broken::new(format!("a meta that is none: {what}"));
    match meta {
        PackedMeta::Video {
            flags,
            format,
            width,
            height,
            offsets,
            strides,
        } => {
            let format = VideoFormat::from_string(&format);
            let offsets: Result<Vec<_>, _> = offsets.into_iter().map(usize::try_from).collect();
            let offsets = offsets.map_err(|_| wrong("video"))?;
            check_planes(buffer.size(), format, width, height, &offsets, &strides)
                .ok_or_else(|| wrong("video"))?;
            let flags = VideoFrameFlags::from_bits_truncate(flags);
            gst_video::VideoMeta::add_full(
                buffer, flags, format, width, height, &offsets, &strides,
            )
            .map_err(|_| wrong("video"))?;
        }
        PackedMeta::Crop([x, y, width, height]) => {
            if lies_in_picture(buffer, [x, y, width, height]) {
                gst_video::VideoCropMeta::add(buffer, (x, y, width, height));
            }
        }
        PackedMeta::Caption { kind, data } => {
            if data.is_empty() {
                return Err(wrong("captions"));
            }
            let kind = CAPTIONS
                .into_iter()
                .find(|known| caption_number(*known) == kind);
            gst_video::VideoCaptionMeta::add(buffer, kind.ok_or_else(|| wrong("captions"))?, &data);
        }
        PackedMeta::Region { kind, rectangle } => {
            if kind.contains('\0') {
                return Err(wrong("region"));
            }
            let [x, y, width, height] = rectangle;
            // A kind of which there is one too many, nobody here looks for.
            if names::take(&kind) && lies_in_picture(buffer, rectangle) {
                gst_video::VideoRegionOfInterestMeta::add(buffer, &kind, (x, y, width, height));
            }
        }
        PackedMeta::Audio {
            caps,
            samples,
            offsets,
        } => {
            add_audio(buffer, &caps, samples, &offsets).ok_or_else(|| wrong("audio"))?;
        }
        PackedMeta::AudioClipping { format, start, end } => {
            let of = |value: u64| match format {
                TIME => Some(gst::GenericFormattedValue::from(Some(
                    gst::ClockTime::try_from(value).ok()?,
                ))),
                DEFAULT => Some(gst::GenericFormattedValue::from(Some(
                    gst::format::Default::try_from(value).ok()?,
                ))),
                _ => None,
            };
            let (Some(start), Some(end)) = (of(start), of(end)) else {
                return Err(wrong("clipping"));
            };
            add_clipping(buffer, start, end);
        }
        PackedMeta::UserData { uuid, data } => {
            // GStreamer copies none that is empty with a buffer.
            if data.is_empty() {
                return Err(wrong("user data"));
            }
            add_user_data(buffer, uuid, &data);
        }
        PackedMeta::ReferenceTimestamp {
            reference,
            timestamp,
            duration,
        } => {
            let time = |time: u64| gst::ClockTime::try_from(time).ok();
            let reference = text::caps(&reference).ok_or_else(|| wrong("reference"))?;
            let timestamp = time(timestamp).ok_or_else(|| wrong("reference"))?;
            let duration = duration.and_then(time);
            gst::ReferenceTimestampMeta::add(buffer, &reference, timestamp, duration);
        }
        PackedMeta::Custom {
            name,
            structure: text,
        } => {
            let structure = structure(Some(&text)).flatten();
            let structure = structure.ok_or_else(|| wrong("custom"))?;
            // A kind that this process does not know, nobody here uses.
            if gst::meta::CustomMeta::is_registered(&name)
                && let Ok(mut meta) = gst::meta::CustomMeta::add(buffer, &name)
            {
                let fields = meta.mut_structure();
                for (name, value) in structure.iter() {
                    fields.set_value(name, value.clone());
                }
            }
        }
    }
    Ok(())
}

/// Whether a rectangle lies in the picture of a buffer, as far as that says how large it is.
fn lies_in_picture(buffer: &gst::BufferRef, [x, y, width, height]: [u32; 4]) -> bool {
    let meta = buffer.meta::<gst_video::VideoMeta>();
    // Elements calculate with these as numbers with a sign.
    let most = (i32::MAX.unsigned_abs(), i32::MAX.unsigned_abs());
    let (all, rows) = meta.map_or(most, |meta| (meta.width(), meta.height()));
    let lies =
        |from: u32, length: u32, end: u32| from.checked_add(length).is_some_and(|it| it <= end);
    lies(x, width, all) && lies(y, height, rows)
}

/// The user data of an SEI message, for which the bindings have no type.
fn user_data(meta: &gst::MetaRef<'_, gst::Meta>) -> Option<PackedMeta> {
    if meta.api().name() != "GstVideoSEIUserDataUnregisteredMetaAPI" {
        return None;
    }
    let pointer: *const gst_video::ffi::GstVideoSEIUserDataUnregisteredMeta = meta.as_ptr().cast();
    // SAFETY: metas of this interface are of this type, and live as long as the buffer is
    // borrowed.
    let meta = unsafe { &*pointer };
    if meta.data.is_null() || meta.size == 0 {
        return None;
    }
    // SAFETY: the meta has so many bytes.
    let data = unsafe { std::slice::from_raw_parts(meta.data, meta.size) };
    Some(PackedMeta::UserData {
        uuid: meta.uuid,
        data: data.to_vec(),
    })
}

fn add_user_data(buffer: &mut gst::BufferRef, mut uuid: [u8; 16], data: &[u8]) {
    let mut data = data.to_vec();
    // SAFETY: the buffer is writable; both are copied, and have the lengths that are given.
    unsafe {
        gst_video::ffi::gst_buffer_add_video_sei_user_data_unregistered_meta(
            buffer.as_mut_ptr(),
            &mut uuid,
            data.as_mut_ptr(),
            data.len(),
        )
    };
}

/// Adds the meta of audio whose samples lie in the buffer.
fn add_audio(buffer: &mut gst::BufferRef, caps: &str, samples: u64, offsets: &[u64]) -> Option<()> {
    let caps = text::caps(caps).filter(|caps| caps.is_fixed())?;
    let info = gst_audio::AudioInfo::from_caps(&caps).ok()?;
    let samples = usize::try_from(samples).ok()?;
    let offsets: Vec<_> = offsets
        .iter()
        .map(|&offset| usize::try_from(offset))
        .collect();
    let offsets: Vec<_> = offsets.into_iter().collect::<Result<_, _>>().ok()?;
    let interleaved = info.layout() == gst_audio::AudioLayout::Interleaved;
    let frame = if interleaved { info.bpf() } else { info.bps() };
    let plane = samples.checked_mul(frame as usize)?;
    let planes: &[usize] = if interleaved { &[0] } else { &offsets };
    let fits = |offset: &usize| {
        offset
            .checked_add(plane)
            .is_some_and(|end| end <= buffer.size())
    };
    let are_all = interleaved == offsets.is_empty();
    if !are_all || !planes.iter().all(fits) {
        return None;
    }
    gst_audio::AudioMeta::add(buffer, &info, samples, &offsets).ok()?;
    Some(())
}

/// Whether the planes lie in the buffer: elements that read them do not check it.
fn check_planes(
    size: usize,
    format: VideoFormat,
    width: u32,
    height: u32,
    offsets: &[usize],
    strides: &[i32],
) -> Option<()> {
    if format == VideoFormat::Unknown {
        return None;
    }
    let info = VideoInfo::builder(format, width, height).build().ok()?;
    let format = info.format_info();
    if offsets.len() != strides.len() {
        return None;
    }
    let is_plain = (0..format.n_components()).all(|it| info.comp_pstride(it as u8) > 0)
        && !format.is_complex()
        && !format.is_tiled()
        && !format.has_palette();
    // What a stride means there is the format's own: only its usual layout is known.
    if !is_plain {
        let is_usual = offsets == info.offset() && strides == info.stride();
        return (is_usual && info.size() <= size).then_some(());
    }
    for (component, &plane) in format.plane().iter().enumerate() {
        let component = component as u8;
        let (&offset, &stride) = (offsets.get(plane as usize)?, strides.get(plane as usize)?);
        let stride = usize::try_from(stride).ok()?;
        let rows = info.comp_height(component) as usize;
        let step = usize::try_from(info.comp_pstride(component)).ok()?;
        let row = (info.comp_width(component) as usize).checked_mul(step)?;
        let end = stride
            .checked_mul(rows.checked_sub(1)?)?
            .checked_add(row)?
            .checked_add(offset)?;
        if end > size || (rows > 1 && stride < row) {
            return None;
        }
    }
    Some(())
}

const CAPTIONS: [gst_video::VideoCaptionType; 4] = [
    gst_video::VideoCaptionType::Cea608Raw,
    gst_video::VideoCaptionType::Cea608S3341a,
    gst_video::VideoCaptionType::Cea708Raw,
    gst_video::VideoCaptionType::Cea708Cdp,
];

fn caption_number(kind: gst_video::VideoCaptionType) -> u32 {
    let at = CAPTIONS.iter().position(|known| *known == kind);
    at.map_or(u32::MAX, |at| at as u32)
}

const DEFAULT: i32 = 1;
const TIME: i32 = 3;

fn format_number(format: gst::Format) -> i32 {
    match format {
        gst::Format::Default => DEFAULT,
        gst::Format::Time => TIME,
        _ => 0,
    }
}

fn value(value: gst::GenericFormattedValue) -> u64 {
    u64::try_from(value.value()).unwrap_or(0)
}

fn add_clipping(
    buffer: &mut gst::BufferRef,
    start: gst::GenericFormattedValue,
    end: gst::GenericFormattedValue,
) {
    use gst::GenericFormattedValue as Value;
    match (start, end) {
        (Value::Time(Some(start)), Value::Time(Some(end))) => {
            gst_audio::AudioClippingMeta::add(buffer, start, end);
        }
        (Value::Default(Some(start)), Value::Default(Some(end))) => {
            gst_audio::AudioClippingMeta::add(buffer, start, end);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(size: usize, offsets: &[usize], strides: &[i32]) -> bool {
        check_planes(size, VideoFormat::I420, 64, 64, offsets, strides).is_some()
    }

    #[test]
    fn planes_that_lie_beyond_the_buffer_are_refused() {
        gst::init().unwrap();
        let size = 64 * 64 * 3 / 2;
        assert!(checked(size, &[0, 4096, 5120], &[64, 32, 32]));
        assert!(!checked(size - 1, &[0, 4096, 5120], &[64, 32, 32]));
        assert!(!checked(size, &[0, 4096, 5121], &[64, 32, 32]));
        assert!(!checked(size, &[0, 4096, 5120], &[65, 32, 33]));
        assert!(!checked(size, &[0, 4096, 5120], &[63, 32, 32]));
        assert!(!checked(size, &[0, 4096, 5120], &[-64, 32, 32]));
        assert!(!checked(size, &[0, 4096], &[64, 32]));
        assert!(!checked(size, &[0, usize::MAX, 5120], &[64, 32, 32]));
    }

    #[test]
    fn formats_whose_pixels_have_no_size_are_taken_as_they_usually_lie() {
        gst::init().unwrap();
        use VideoFormat as F;
        for format in [F::V210, F::Uyvp, F::Nv1264z32, F::Rgb8p, F::Iyu1] {
            let info = VideoInfo::builder(format, 64, 64).build().unwrap();
            let (offsets, strides) = (info.offset(), info.stride());
            let fits = |size, offsets: &[usize], strides: &[i32]| {
                check_planes(size, format, 64, 64, offsets, strides).is_some()
            };
            assert!(fits(info.size(), offsets, strides), "{format:?}");
            assert!(!fits(info.size() - 1, offsets, strides), "{format:?}");
            let nothing = vec![0; strides.len()];
            assert!(!fits(info.size(), offsets, &nothing), "{format:?}");
        }
    }

    #[test]
    fn rectangles_lie_in_their_picture() {
        gst::init().unwrap();
        let video = PackedMeta::Video {
            flags: 0,
            format: "GRAY8".to_owned(),
            width: 64,
            height: 32,
            offsets: vec![0],
            strides: vec![64],
        };
        let all = |rectangle| {
            let region = PackedMeta::Region {
                kind: "face".to_owned(),
                rectangle,
            };
            let mut buffer = gst::Buffer::with_size(64 * 32).unwrap();
            // However they are ordered.
            let metas = vec![region, PackedMeta::Crop(rectangle), video.clone()];
            unpack(metas, buffer.get_mut().unwrap()).unwrap();
            pack(&buffer).len()
        };
        assert_eq!(all([0, 0, 64, 32]), 3);
        for outside in [[1, 0, 64, 32], [0, 31, 1, 2], [u32::MAX, 0, 1, 1]] {
            assert_eq!(all(outside), 1, "{outside:?}");
        }
        let mut buffer = gst::Buffer::new();
        let crop = PackedMeta::Crop([u32::MAX, 0, 1, 1]);
        add(crop, buffer.get_mut().unwrap()).unwrap();
        assert!(pack(&buffer).is_empty());
    }

    #[test]
    fn data_that_is_empty_is_no_meta() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        for meta in [
            PackedMeta::UserData {
                uuid: [0; 16],
                data: Vec::new(),
            },
            PackedMeta::Caption {
                kind: 1,
                data: Vec::new(),
            },
        ] {
            assert!(add(meta, buffer.get_mut().unwrap()).is_err());
        }
    }

    #[test]
    fn metas_come_across() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::with_size(64 * 64 * 3 / 2).unwrap();
        let add = buffer.get_mut().unwrap();
        gst_video::VideoMeta::add(add, VideoFrameFlags::empty(), VideoFormat::I420, 64, 64)
            .unwrap();
        gst_video::VideoCropMeta::add(add, (1, 2, 3, 4));
        gst_video::VideoCaptionMeta::add(add, gst_video::VideoCaptionType::Cea708Cdp, b"caption");
        let info = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::S16le, 48000, 2);
        gst_audio::AudioMeta::add(add, &info.build().unwrap(), 100, &[]).unwrap();
        gst_audio::AudioClippingMeta::add(
            add,
            gst::format::Default::from_u64(3),
            gst::format::Default::from_u64(4),
        );
        let reference: gst::Caps = "timestamp/x-unix".parse().unwrap();
        gst::ReferenceTimestampMeta::add(add, &reference, gst::ClockTime::SECOND, None);
        let packed = pack(&buffer);
        assert_eq!(packed.len(), 6, "{packed:?}");
        let mut there = gst::Buffer::with_size(buffer.size()).unwrap();
        unpack(packed.clone(), there.get_mut().unwrap()).unwrap();
        assert_eq!(pack(&there), packed);
    }
}
