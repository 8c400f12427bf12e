// SPDX-License-Identifier: MPL-2.0
//! What a child says of its stream: what passes can be shown to whoever reads caps and
//! packets.

use codecwatch_process::protocol::{FromChild, encode, hear};
use codecwatch_process::{Hello, VERSION};
use codecwatch_supervisor::Amount;
use proptest::prelude::*;

use super::*;

type Says = FromChild<PackedOutput, ()>;

/// The output that the parent has heard; `None` if it was refused.
fn heard(output: PackedOutput) -> Option<Output> {
    let mut bytes = Vec::new();
    let hello = Hello {
        version: VERSION.to_owned(),
        kind: RemoteSvtAv1::KIND.to_owned(),
    };
    encode(&mut bytes, &Says::Ready(hello)).unwrap();
    encode(&mut bytes, &Says::Output(output, Amount::ONE_FRAME)).unwrap();
    let heard = hear::<RemoteSvtAv1>((), [], &bytes, &[]).unwrap();
    assert_eq!(heard.outputs.is_empty(), heard.mistake.is_some());
    heard.outputs.into_iter().next()
}

/// Of a stream of SVT-AV1.
const HEADER: [u8; 12] = [
    0x0a, 0x0a, 0x00, 0x00, 0x00, 0x03, 0x2d, 0xff, 0xcf, 0xbf, 0x90, 0x04,
];

fn packet(data: Vec<u8>, id: u64) -> PackedOutput {
    let kind = FrameKind::Key;
    PackedOutput::Packet { data, id, kind }
}

#[test]
fn a_header_is_what_its_bytes_say() {
    let header = SequenceHeader::parse(&HEADER).unwrap();
    let came = heard(PackedOutput::Header(header.obu()));
    assert_eq!(came, Some(Output::Header(header)));
    let long = [&HEADER[..], &[0; LARGEST_HEADER]].concat();
    for none in [Vec::new(), HEADER[..5].to_vec(), long] {
        assert_eq!(heard(PackedOutput::Header(none)), None);
    }
}

proptest! {
    #[test]
    fn whatever_a_child_says_can_be_shown(
        mut header in prop::collection::vec(any::<u8>(), 0..60),
        is_begun: bool,
        at in 0..HEADER.len(),
        other: u8,
        data: Vec<u8>,
        id: u64,
    ) {
        if is_begun {
            header = HEADER.to_vec();
            header[at] = other;
        }
        if let Some(Output::Header(header)) = heard(PackedOutput::Header(header)) {
            prop_assert!(header.profile < 8 && header.bit_depth() <= 12);
            prop_assert!((1..=1 << 16).contains(&header.max_frame_width));
            prop_assert!((1..=1 << 16).contains(&header.max_frame_height));
            prop_assert!(header.level().is_none_or(|(major, _)| major < 10));
            // What the element puts into caps is read again.
            let record = header.av1c();
            prop_assert_eq!(SequenceHeader::parse(&record[4..]), Some(header));
        }
        heard(packet(data, id));
    }
}
