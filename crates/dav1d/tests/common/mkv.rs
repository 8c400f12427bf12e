// SPDX-License-Identifier: MPL-2.0
//! As much of Matroska as the bundled clip needs: one track, no lacing.

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;

/// The blocks of a file, in order.
pub fn blocks(file: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    elements(file, &mut blocks);
    blocks
}

fn elements(mut bytes: &[u8], blocks: &mut Vec<Vec<u8>>) {
    while let Some((id, body, rest)) = element(bytes) {
        bytes = rest;
        match id {
            SEGMENT | CLUSTER | BLOCK_GROUP => elements(body, blocks),
            // a one-byte track number, a time of two bytes, flags
            SIMPLE_BLOCK | BLOCK => blocks.push(body[4..].to_vec()),
            _ => {}
        }
    }
}

/// The first element: its name, its body, and what follows it. A body of
/// unknown size goes on to the end.
fn element(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let id_len = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes
        .get(..id_len)?
        .iter()
        .fold(0, |id, byte| id << 8 | u32::from(*byte));
    let bytes = &bytes[id_len..];
    let size_len = bytes.first()?.leading_zeros() as usize + 1;
    let size = bytes
        .get(..size_len)?
        .iter()
        .fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
    let body = &bytes[size_len..];
    let size = size & !(1 << (7 * size_len));
    let unknown = size == (1 << (7 * size_len)) - 1;
    let len = if unknown {
        body.len()
    } else {
        (size as usize).min(body.len())
    };
    Some((id, &body[..len], &body[len..]))
}
