// SPDX-License-Identifier: MPL-2.0
//! What a child says of its pictures: planes that are read lie in the block, or the
//! picture is refused.

use codecwatch_av1::Color;
use codecwatch_process::protocol::{FromChild, blocks, encode, hear};
use codecwatch_process::{Hello, INPUTS, VERSION};
use codecwatch_supervisor::Amount;
use proptest::prelude::*;

use super::*;
use crate::Chroma;

type Says = FromChild<PackedOutput, Facts>;

fn ready() -> Vec<u8> {
    let mut bytes = Vec::new();
    let hello = Hello {
        version: VERSION.to_owned(),
        kind: "dav1d".to_owned(),
    };
    encode(&mut bytes, &Says::Ready(hello)).unwrap();
    bytes
}

fn shape() -> impl Strategy<Value = PictureShape> {
    let chroma = prop_oneof![
        Just(Chroma::Monochrome),
        Just(Chroma::Yuv420),
        Just(Chroma::Yuv422),
        Just(Chroma::Yuv444),
    ];
    let size = || prop_oneof![1..300_u32, Just(0), Just(1 << 16), Just(u32::MAX)];
    let depth = prop_oneof![4 => Just(8_u8), 4 => Just(10), 1 => any::<u8>()];
    (size(), size(), chroma, depth).prop_map(|(width, height, chroma, bit_depth)| PictureShape {
        width,
        height,
        chroma,
        bit_depth,
        color: Color::default(),
    })
}

/// How a number differs from the right one.
fn difference() -> impl Strategy<Value = usize> {
    prop_oneof![
        12 => Just(0),
        1 => Just(64),
        1 => Just(64_usize.wrapping_neg()),
        1 => Just(1),
        1 => any::<usize>(),
        1 => Just(usize::MAX / 2),
    ]
}

/// The sum of all samples of all rows.
fn read(picture: &Picture) -> u64 {
    let planes = (0..3).filter_map(|plane| picture.plane(plane));
    planes
        .flat_map(|plane| {
            let rows = 0..plane.rows;
            rows.map(move |row| &plane.bytes[row * plane.stride..][..plane.row_bytes])
        })
        .flatten()
        .map(|&sample| u64::from(sample))
        .sum()
}

/// Hears of a picture in a block of so many bytes; whether it was taken.
fn is_taken(shape: PictureShape, layout: PictureLayout, len: u64) -> bool {
    let mut bytes = ready();
    let block = codecwatch_process::protocol::block(blocks());
    encode(&mut bytes, &Says::NeedsBlock { len }).unwrap();
    let picture = PackedPicture {
        id: 3,
        mastering_display: None,
        content_light: None,
        t35: Vec::new(),
        shape,
        layout,
        block,
    };
    let output = PackedOutput::Picture(Box::new(picture));
    encode(&mut bytes, &Says::Output(output, Amount::ONE_FRAME)).unwrap();
    let heard = hear::<RemoteDav1d>((), [], &bytes, &[]).unwrap();
    for output in &heard.outputs {
        let Decoded::Picture(picture) = output else {
            panic!("{output:?}");
        };
        assert_eq!(read(picture), 0);
    }
    !heard.outputs.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn planes_of_a_picture_from_a_child_lie_in_its_block(
        shape in shape(),
        offsets in [difference(), difference(), difference()],
        strides in [difference(), difference(), difference()],
        less in 0..3_u64,
    ) {
        let mut layout = shape.layout().unwrap_or_default();
        for (number, difference) in layout.offsets.iter_mut().zip(offsets) {
            *number = number.wrapping_add(difference);
        }
        for (number, difference) in layout.strides.iter_mut().zip(strides) {
            *number = number.wrapping_add(difference);
        }
        // A block has whole pages, so a little less is as much.
        let len = (layout.size as u64).saturating_sub(less * 5000).clamp(1, 1 << 20);
        is_taken(shape, layout, len);
    }
}

#[test]
fn a_picture_as_it_has_to_be_is_taken_and_one_that_is_too_large_is_not() {
    let shape = PictureShape {
        width: 200,
        height: 100,
        chroma: Chroma::Yuv420,
        bit_depth: 8,
        color: Color::default(),
    };
    let layout = shape.layout().unwrap();
    assert!(is_taken(shape, layout, layout.size as u64));
    let taller = PictureShape {
        height: 300,
        ..shape
    };
    assert!(!is_taken(taller, layout, layout.size as u64));
}

#[test]
fn a_delay_that_dav1d_does_not_have_is_refused() {
    let is_heard = |frame_delay, held_back| {
        let mut bytes = ready();
        let facts = Facts {
            frame_delay,
            held_back,
        };
        encode(&mut bytes, &Says::Facts(facts)).unwrap();
        hear::<RemoteDav1d>((), [], &bytes, &[])
            .unwrap()
            .mistake
            .is_none()
    };
    assert!(is_heard(256, 256) && is_heard(1, 0));
    assert!(!is_heard(257, 1) && !is_heard(1, 2) && !is_heard(usize::MAX, usize::MAX));
}

#[test]
fn a_packet_more_than_of_other_inputs_is_on_its_way() {
    assert_eq!(RemoteDav1d::inputs(&Config::default()), INPUTS + 1);
}
