// SPDX-License-Identifier: MPL-2.0
//! The matrix as a picture: a square for each cell.

use std::fmt::Write;

use super::outcome::Kind;
use super::{Fault, Shown, elements};
use crate::elements::Element;

const SQUARE: usize = 13;
/// Room for the names of rows and of columns.
const LEFT: usize = 230;
const TOP: usize = 84;
const LINE: usize = 16;

/// A line of the picture: cells that differ by their fault alone.
fn rows(shown: &[Shown], element: Element) -> Vec<Vec<&Shown>> {
    let cells: Vec<_> = shown
        .iter()
        .filter(|one| one.cell.element == element)
        .collect();
    cells
        .chunk_by(|one, other| one.cell.is_beside(&other.cell))
        .map(<[_]>::to_vec)
        .collect()
}

/// An SVG.
pub fn picture(shown: &[Shown]) -> String {
    let panels: Vec<_> = elements(shown)
        .map(|element| (element, rows(shown, element)))
        .collect();
    let longest = panels.iter().map(|(_, rows)| rows.len()).max();
    let panel = LEFT + Fault::ALL.len() * SQUARE + 30;
    let bottom = TOP + longest.unwrap_or(0) * SQUARE + 20;
    let (width, height) = (panels.len() * panel, bottom + Kind::ALL.len() * LINE + 10);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <!-- SPDX-License-Identifier: MPL-2.0 -->\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, (element, rows)) in panels.iter().enumerate() {
        panel_of(&mut svg, *element, rows, number * panel);
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

fn panel_of(svg: &mut String, element: Element, rows: &[Vec<&Shown>], left: usize) {
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"16\" font-size=\"13\" font-weight=\"bold\">{}</text>",
        left + 10,
        element.name
    );
    for (column, fault) in Fault::ALL.iter().enumerate() {
        let (x, y) = (left + LEFT + column * SQUARE + 9, TOP - 5);
        let _ = writeln!(
            svg,
            "<text transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
            fault.name()
        );
    }
    for (row, cells) in rows.iter().enumerate() {
        let y = TOP + row * SQUARE;
        if let Some(first) = cells.first() {
            let cell = first.cell;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\">{}, {}, {}{}</text>",
                left + 10,
                y + 10,
                cell.at.name(),
                cell.state.name(),
                cell.source.name(),
                if cell.restart { ", restart" } else { "" }
            );
        }
        for one in cells {
            let column = Fault::ALL.iter().position(|fault| *fault == one.cell.fault);
            let _ = writeln!(
                svg,
                "<rect x=\"{}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" fill=\"{}\"><title>{}: {}</title></rect>",
                left + LEFT + column.unwrap_or(0) * SQUARE,
                one.kind().colour(),
                one.cell,
                one.word(),
                side = SQUARE - 1,
            );
        }
    }
}
