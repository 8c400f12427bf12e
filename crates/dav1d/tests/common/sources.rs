// SPDX-License-Identifier: MPL-2.0
//! Raw video to encode: shapes that move over a noisy gradient, so that there
//! is something to predict, to filter and to grain.

use super::Random;

/// A format of raw video, by its y4m name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub width: usize,
    pub height: usize,
    pub frames: usize,
    pub chroma: &'static str,
    pub depth: u32,
}

impl Source {
    pub const fn new(width: usize, height: usize, frames: usize) -> Self {
        Self {
            width,
            height,
            frames,
            chroma: "420",
            depth: 8,
        }
    }

    /// The whole file.
    pub fn y4m(&self) -> Vec<u8> {
        let Self {
            width,
            height,
            frames,
            chroma,
            depth,
        } = *self;
        let format = match (chroma, depth) {
            ("420", 8) => "420jpeg".to_owned(),
            (chroma, 8) => chroma.to_owned(),
            (chroma, depth) => format!("{chroma}p{depth} XYSCSS={chroma}P{depth}"),
        };
        let mut file =
            format!("YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C{format}\n").into_bytes();
        let mut noise = Random(7);
        for frame in 0..frames {
            file.extend(b"FRAME\n");
            for plane in 0..3 {
                self.plane(plane, frame, &mut noise, &mut file);
            }
        }
        file
    }

    fn plane(&self, plane: usize, frame: usize, noise: &mut Random, file: &mut Vec<u8>) {
        let (x_shift, y_shift) = match (plane, self.chroma) {
            (0, _) | (_, "444") => (0, 0),
            (_, "422") => (1, 0),
            _ => (1, 1),
        };
        let (width, height) = (
            (self.width + x_shift) >> x_shift,
            (self.height + y_shift) >> y_shift,
        );
        let (box_x, box_y) = (frame * 3 % width, frame * 2 % height);
        for y in 0..height {
            for x in 0..width {
                let inside = x.abs_diff(box_x) < 12 && y.abs_diff(box_y) < 10;
                let base = if inside {
                    200 - 50 * plane
                } else {
                    40 + (x * 100 / width) + (y * 60 / height)
                };
                let sample = (base as u64 + noise.next() % 6) << (self.depth - 8);
                if self.depth > 8 {
                    file.extend((sample as u16).to_le_bytes());
                } else {
                    file.push(sample as u8);
                }
            }
        }
    }
}
