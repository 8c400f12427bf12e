// SPDX-License-Identifier: MPL-2.0
//! IVF: a 32 byte file header, then frames with a 12 byte header each.

/// The frames of a file: in AV1, temporal units. What is cut off is left out.
pub fn read(file: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    let mut rest = file.get(32..).unwrap_or_default();
    while let Some((header, after)) = rest.split_at_checked(12) {
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let Some((unit, next)) = after.split_at_checked(len as usize) else {
            break;
        };
        units.push(unit.to_vec());
        rest = next;
    }
    units
}

/// A file of these temporal units, one 25th of a second apart.
pub fn write(units: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"DKIF\0\0\x20\0AV01".to_vec();
    file.extend([0; 4]); // size of the picture: the stream knows
    file.extend(25_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend((units.len() as u32).to_le_bytes());
    file.extend([0; 4]);
    for (time, unit) in units.iter().enumerate() {
        file.extend((unit.len() as u32).to_le_bytes());
        file.extend((time as u64).to_le_bytes());
        file.extend(unit);
    }
    file
}
