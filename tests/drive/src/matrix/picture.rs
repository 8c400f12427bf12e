// SPDX-License-Identifier: MPL-2.0
//! The matrix as a picture: a square for each cell.

use std::fmt::Write;

use super::outcome::Kind;
use super::{Fault, Shown};
use crate::scenario::Element;

const SQUARE: usize = 13;
/// Room for the names of rows and of columns.
const LEFT: usize = 190;
const TOP: usize = 84;
const LINE: usize = 16;

/// An SVG.
pub fn picture(shown: &[Shown]) -> String {
    let rows = shown.len() / 2 / Fault::ALL.len();
    let panel = LEFT + Fault::ALL.len() * SQUARE + 30;
    let bottom = TOP + rows * SQUARE + 20;
    let (width, height) = (2 * panel, bottom + Kind::ALL.len() * LINE + 10);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <!-- SPDX-License-Identifier: MPL-2.0 -->\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, element) in [Element::Encoder, Element::Decoder].into_iter().enumerate() {
        let cells: Vec<_> = shown
            .iter()
            .filter(|one| one.cell.element == element)
            .collect();
        panel_of(&mut svg, element, &cells, number * panel);
    }
    for (number, kind) in Kind::ALL.iter().enumerate() {
        let y = bottom + number * LINE;
        let count = shown.iter().filter(|one| one.kind() == *kind).count();
        let _ = writeln!(
            svg,
            "<rect x=\"10\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{}\"/>\
             <text x=\"28\" y=\"{}\">{} ({count} cells)</text>",
            kind.colour(),
            y + 10,
            kind.meaning()
        );
    }
    svg + "</svg>\n"
}

fn panel_of(svg: &mut String, element: Element, cells: &[&Shown], left: usize) {
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"16\" font-size=\"13\" font-weight=\"bold\">{}</text>",
        left + 10,
        element.name()
    );
    for (column, fault) in Fault::ALL.iter().enumerate() {
        let (x, y) = (left + LEFT + column * SQUARE + 9, TOP - 5);
        let _ = writeln!(
            svg,
            "<text transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
            fault.name()
        );
    }
    for (row, cells) in cells.chunks(Fault::ALL.len()).enumerate() {
        let y = TOP + row * SQUARE;
        if let Some(first) = cells.first() {
            let cell = first.cell;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\">{}, {}, {}</text>",
                left + 10,
                y + 10,
                cell.at.name(),
                cell.state.name(),
                cell.source.name()
            );
        }
        for (column, one) in cells.iter().enumerate() {
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{}\"><title>{}: {}</title></rect>",
                left + LEFT + column * SQUARE,
                one.kind().colour(),
                one.cell,
                one.word(),
                side = SQUARE - 1,
            );
        }
    }
}
