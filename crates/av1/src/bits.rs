// SPDX-License-Identifier: MPL-2.0
//! Reads the bit fields of an AV1 header (AV1 specification, section 4.10).

/// Bits of a byte string, most significant first. Every read past the end
/// returns `None`.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// f(1).
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// f(n), up to 32 bits.
    pub(crate) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0_u32, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    /// f(n), up to 8 bits.
    pub(crate) fn small(&mut self, bits: u32) -> Option<u8> {
        u8::try_from(self.number(bits)?).ok()
    }

    /// Skips this many bits.
    pub(crate) fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.flag().map(drop))
    }

    /// Skips uvlc().
    pub(crate) fn skip_uvlc(&mut self) -> Option<()> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        // With 32 zeros or more the value is 2^32 - 1 and has no further bits.
        if zeros < 32 {
            self.skip(zeros)
        } else {
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_the_top_bit_down() {
        let mut bits = Bits::new(&[0b1010_0011, 0xff]);
        assert_eq!(bits.number(3), Some(5));
        assert_eq!(bits.flag(), Some(false));
        assert_eq!(bits.number(8), Some(0b0011_1111));
        assert_eq!(bits.skip(4), Some(()));
        assert_eq!(bits.flag(), None);
        assert_eq!(bits.number(0), Some(0));
    }

    #[test]
    fn uvlc_is_passed_over_whole() {
        // 00110 is the code of 5; then 1.
        let mut bits = Bits::new(&[0b0011_0100]);
        assert_eq!(bits.skip_uvlc(), Some(()));
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(Bits::new(&[0; 8]).skip_uvlc(), None);
    }

    #[test]
    fn a_uvlc_of_32_zeros_has_no_further_bits_and_one_of_31_has() {
        let mut bits = Bits::new(&[0, 0, 0, 0, 0b1100_0000]);
        assert_eq!(bits.skip_uvlc(), Some(()));
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0, 0, 0]).skip_uvlc(), None);
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0, 0, 0, 0]).skip_uvlc(), Some(()));
    }
}
