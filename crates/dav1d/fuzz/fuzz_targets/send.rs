// SPDX-License-Identifier: MPL-2.0
//! Fuzzes the way from bytes to pictures: framing, recovery, dav1d itself.
//!
//!     cargo fuzz run send --sanitizer none       (from the folder above)
//!
//! The first byte chooses the settings; then come inputs, each with a length of
//! two bytes. Good seeds are IVF files without their headers, so cut.
#![no_main]

use codecwatch_av1::{AnnexB, config_obus};
use codecwatch_dav1d::{Chunk, Config, Dav1d, Decoded, Environment};
use codecwatch_supervisor::{Codec, Lane, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let _ = config_obus(rest);
    let _ = AnnexB::new().push(rest, drop);

    let config = Config {
        n_threads: u32::from(choice & 3) + 1,
        operating_point: choice >> 5,
        frame_size_limit: 1 << 18,
        ..Config::default()
    };
    let (lane, outputs) = Lane::detached();
    let mut session = Dav1d::new(config, Environment::default()).open(&lane).expect("a decoder opens");
    let mut id = 0;
    while let Some((len, after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes(*len)).min(after.len());
        let (unit, next) = after.split_at(len);
        session.send(&lane, Chunk::new(id, unit.to_vec())).expect("damage is no error");
        id += 1;
        rest = next;
    }
    session.drain(&lane).expect("damage is no error");
    session.close(&lane).expect("dav1d closes");

    let mut settled = 0;
    for output in outputs.try_iter() {
        match output {
            Decoded::NoPicture { .. } | Decoded::Damaged(_) => settled += 1,
            Decoded::Picture(picture) => {
                for plane in (0..3).filter_map(|plane| picture.plane(plane)) {
                    std::hint::black_box(plane.rows().flatten().copied().max());
                }
            }
        }
    }
    assert!(settled <= id, "an input is settled once");
});
