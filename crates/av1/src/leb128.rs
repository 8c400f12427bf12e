// SPDX-License-Identifier: MPL-2.0
//! Numbers of variable length (AV1 specification, section 4.10.5).

/// The most bytes that a number takes.
const MOST_BYTES: usize = 8;

/// The leb128 number at the start of `bytes`, and how many bytes it takes.
pub(crate) fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(MOST_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // Conformant numbers fit into 32 bits.
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// Appends `value` as leb128, in as few bytes as possible.
pub(crate) fn put_leb128(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_a_limit() {
        assert_eq!(leb128(&[0x0b, 9]), Some((11, 1)));
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26]), Some((624_485, 3)));
        assert_eq!(leb128(&[0x80]), None);
        assert_eq!(leb128(&[0xff; 9]), None);
        assert_eq!(leb128(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }

    proptest! {
        #[test]
        fn numbers_round_trip(value in 0..=u32::MAX as usize) {
            let mut bytes = Vec::new();
            put_leb128(value, &mut bytes);
            prop_assert_eq!(leb128(&bytes), Some((value, bytes.len())));
        }
    }
}
