// SPDX-License-Identifier: MPL-2.0
//! What the driver draws. A picture shows what it was decoded from: its first eight
//! luma samples are the hash of its slices, the next eight its lineage (that hash with
//! the lineages of the pictures that it refers to), and all others follow from these
//! two. So a test can tell which input a picture belongs to, and whether it was decoded
//! with the right references.

/// FNV-1a, of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Of these bytes after those before.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// As a number.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The hash of the slices.
    pub slices: u64,
    /// The same with the lineages of the pictures that it refers to.
    pub lineage: u64,
}

impl Origin {
    /// The origin that a picture shows, by the beginning of its first row.
    #[must_use]
    pub fn shown(row: &[u8]) -> Option<Self> {
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        Some(Self {
            slices: number(row.get(..8)?)?,
            lineage: number(row.get(8..16)?)?,
        })
    }

    /// The sample in this place of a row of a plane.
    #[must_use]
    pub fn sample(self, plane: usize, row: usize, column: usize) -> u8 {
        let place = plane << 40 | row << 20 | column;
        match place {
            0..8 => self.slices.to_le_bytes()[place],
            8..16 => self.lineage.to_le_bytes()[place - 8],
            // One step of splitmix64.
            _ => {
                let step = (place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mixed = self.slices.wrapping_add(self.lineage.rotate_left(32)) ^ step;
                (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
            }
        }
    }
}
