// SPDX-License-Identifier: MPL-2.0
//! Cells of the fault matrix that take little time: of each fault, call and
//! state some. `./dev faults` shows them all, and measures.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::Duration;

use drive::Runner;
use drive::elements::Element;
use drive::matrix::{self, Cell, How, Impossible, Where};

const CELLS: &[&str] = &[
    "svtav1watchenc open preroll non-live hang",
    "svtav1watchenc open playing live fail",
    "svtav1watchenc send playing live hang",
    "svtav1watchenc send paused non-live panic",
    "svtav1watchenc send NULL non-live hang",
    "svtav1watchenc get EOS non-live hang",
    "svtav1watchenc get playing live fail",
    "svtav1watchenc get playing live delay",
    "svtav1watchenc flush playing non-live hang",
    "svtav1watchenc drain EOS live late return",
    "svtav1watchenc drain EOS non-live slow x4",
    "svtav1watchenc caps change playing non-live hang",
    "svtav1watchenc seek paused live panic",
    "svtav1watchenc close EOS non-live hang",
    "svtav1watchenc get playing non-live abort",
    "svtav1watchenc send EOS non-live hang restart",
    "svtav1watchenc send EOS live fail restart",
    "svtav1watchenc get caps wait live hang",
    "svtav1watchenc get caps wait non-live hang restart",
    "svtav1watchenc send gap waits live panic restart",
    "svtav1watchenc get gap waits non-live late return restart",
    "svtav1watchenc send not linked live delay",
    "svtav1watchenc send not linked live hang restart",
    "svtav1watchenc get successor runs non-live hang",
    "svtav1watchenc get successor runs live hang restart",
    "svtav1watchenc flush full queue non-live hang",
    "svtav1watchenc flush-stop playing live delay",
    "svtav1watchenc flush-stop full queue non-live delay",
    "svtav1watchenc close EOS live busy",
    "dav1dwatchdec open playing non-live hang",
    "dav1dwatchdec open playing non-live panic",
    "dav1dwatchdec send playing live fail",
    "dav1dwatchdec send EOS non-live panic",
    "dav1dwatchdec get paused non-live hang",
    "dav1dwatchdec get playing non-live corrupt",
    "dav1dwatchdec flush paused live hang",
    "dav1dwatchdec drain preroll non-live hang",
    "dav1dwatchdec caps change EOS live hang",
    "dav1dwatchdec seek playing live hang",
    "dav1dwatchdec seek preroll non-live late return",
    "dav1dwatchdec close NULL live hang",
    "dav1dwatchdec close EOS live late return",
    "dav1dwatchdec send playing live segv",
    "dav1dwatchdec send EOS live hang restart",
    "dav1dwatchdec get caps wait live panic restart",
    "dav1dwatchdec send gap waits non-live hang",
    "dav1dwatchdec get gap waits live hang restart",
    "dav1dwatchdec send not linked non-live delay",
    "dav1dwatchdec send not linked non-live hang restart",
    "dav1dwatchdec seek full queue non-live late return",
    "dav1dwatchdec flush-stop paused live delay",
    "dav1dwatchdec flush-stop full queue non-live delay",
    "dav1dwatchdec close EOS non-live busy",
    // Of the codec in memory one of each call and of each kind of outcome; the whole of
    // it is shown where it is named.
    "memorywatchenc open playing non-live hang",
    "memorywatchenc send playing live panic",
    "memorywatchenc send EOS live hang restart",
    "memorywatchenc get EOS non-live hang",
    "memorywatchenc get playing live corrupt",
    "memorywatchenc get caps wait non-live fail restart",
    "memorywatchenc drain EOS non-live late return",
    "memorywatchenc caps change playing live busy",
    "memorywatchenc flush paused live hang",
    "memorywatchenc seek playing non-live fail",
    "memorywatchenc flush-stop full queue non-live delay",
    "memorywatchenc close EOS live hang",
    "memorywatchenc close NULL non-live late return",
    "svtav1watchenc-isolated open playing live segv",
    "svtav1watchenc-isolated send playing live hang",
    "svtav1watchenc-isolated send playing live overflow",
    "svtav1watchenc-isolated get playing live exit",
    "svtav1watchenc-isolated get playing live slow x4",
    "svtav1watchenc-isolated drain EOS non-live abort",
    "svtav1watchenc-isolated get EOS non-live segv restart",
    "svtav1watchenc-isolated flush playing live hang",
    "svtav1watchenc-isolated close EOS non-live hang",
    "svtav1watchenc-isolated close NULL live late return",
    "dav1dwatchdec-isolated open playing live hang",
    "dav1dwatchdec-isolated send playing live panic",
    "dav1dwatchdec-isolated send playing live exit restart",
    "dav1dwatchdec-isolated get playing live late return",
    "dav1dwatchdec-isolated get gap waits non-live segv",
    "dav1dwatchdec-isolated flush playing live segv",
    "dav1dwatchdec-isolated flush-stop playing live delay",
    "dav1dwatchdec-isolated seek paused non-live hang",
    "dav1dwatchdec-isolated drain EOS non-live exit",
    "dav1dwatchdec-isolated close EOS non-live segv",
    "hosted-vp8enc open playing live hang",
    "hosted-vp8enc send EOS non-live hang restart",
    "hosted-vp8enc get paused non-live late return",
    "hosted-vp8enc drain EOS non-live fail",
    "hosted-vp8enc flush playing live hang",
    "hosted-vp8enc close EOS non-live hang",
    "hosted-avdec send playing live busy",
    "hosted-avdec send gap waits non-live hang restart",
    "hosted-avdec seek paused non-live hang",
    "hosted-avdec close NULL live late return",
    "hosted-wedge start playing live hang",
    "hosted-wedge start NULL live late return",
    "hosted-wedge query playing live hang",
    "hosted-wedge query NULL live late return",
    "hosted-wedge caps change playing live hang restart",
    "hosted-wedge send gap waits non-live hang restart",
    "hosted-queue-wedge send playing live hang",
    "hosted-queue-wedge drain EOS non-live late return",
    "hosted-queue-wedge flush full queue non-live hang",
    "hosted-queue-wedge close EOS non-live hang",
];

/// What a noisy machine may add: a bound that is missed is a matter for the
/// figures, a wait that has none is not.
const PATIENCE: Duration = Duration::from_secs(8);

/// The cells of the list; of an element that is not on it, the first possible one of each
/// operation.
fn cells() -> Vec<Cell> {
    let all = Cell::all();
    let mut cells: Vec<Cell> = CELLS
        .iter()
        .map(|name| *all.iter().find(|cell| cell.to_string() == *name).unwrap())
        // From SVT-AV1 1.8 on there are none.
        .filter(|cell| matrix::plan(cell) != Err(Impossible::NoSuccessor))
        .collect();
    let listed = |element: &Element| {
        CELLS
            .iter()
            .any(|name| name.starts_with(&format!("{element:?} ")))
    };
    for element in Element::all().filter(|element| !listed(element)) {
        for at in Where::ALL {
            let first = all.iter().find(|cell| {
                (cell.element, cell.at) == (element, *at) && matrix::plan(cell).is_ok()
            });
            cells.extend(first);
        }
    }
    cells
}

#[test]
fn faults_end_as_the_contract_says() {
    let cells = cells();
    let runner = Runner::new(PathBuf::from(env!("CARGO_BIN_EXE_drive")));
    let how = How {
        patience: PATIENCE,
        ..How::default()
    };
    let shown = matrix::show(&runner, &cells, &how);
    let wrong: Vec<_> = shown
        .iter()
        .filter(|one| one.result.is_err() || !one.complaints.is_empty())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_combination_is_shown_or_has_a_reason_not_to_be() {
    let cells = Cell::all();
    let impossible = cells
        .iter()
        .filter(|cell| matrix::plan(cell).is_err())
        .count();
    assert!(impossible < cells.len() / 2, "{impossible}");
    for cell in cells {
        if let Ok(scenario) = matrix::plan(&cell) {
            assert_eq!(scenario.to_string().parse(), Ok(scenario), "{cell}");
        }
    }
}
