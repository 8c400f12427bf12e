// SPDX-License-Identifier: MPL-2.0
//! Ways to damage a stream.

use super::Random;

/// Damages `units`, in one to three ways. `other`: units of another stream, to
/// splice in.
pub fn damage(units: &mut Vec<Vec<u8>>, other: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(3) {
        if units.is_empty() {
            return;
        }
        let unit = random.below(units.len());
        match random.below(9) {
            0 | 1 => flip(&mut units[unit], 1 + random.below(4), random),
            2 => flip(&mut units[unit], 1 + random.below(200), random),
            3 => {
                let kept = random.below(units[unit].len() + 1);
                units[unit].truncate(kept);
            }
            4 => {
                units.remove(unit);
            }
            5 => {
                let with = random.below(units.len());
                units.swap(unit, with);
            }
            6 => {
                let copy = units[unit].clone();
                units.insert(random.below(units.len() + 1), copy);
            }
            7 if !other.is_empty() => units[unit] = other[random.below(other.len())].clone(),
            8 if !other.is_empty() => {
                cross(&mut units[unit], &other[random.below(other.len())], random)
            }
            _ => overwrite(&mut units[unit], random),
        }
    }
}

/// Flips bits.
fn flip(unit: &mut [u8], count: usize, random: &mut Random) {
    if unit.is_empty() {
        return;
    }
    for _ in 0..count {
        let byte = random.below(unit.len());
        unit[byte] ^= 1 << random.below(8);
    }
}

/// The beginning of one unit with the end of another.
fn cross(unit: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let from = random.below(other.len() + 1);
    unit.truncate(random.below(unit.len() + 1));
    unit.extend_from_slice(&other[from..]);
}

/// Noise over a stretch, or at the front, where the headers are.
fn overwrite(unit: &mut [u8], random: &mut Random) {
    let from = if random.below(2) == 0 {
        0
    } else {
        random.below(unit.len() + 1)
    };
    let len = random.below(24);
    for byte in unit.iter_mut().skip(from).take(len) {
        *byte = random.next() as u8;
    }
}
