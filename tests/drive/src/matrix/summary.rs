// SPDX-License-Identifier: MPL-2.0
//! The figures of a matrix.

use std::fmt::Write;

use super::expect::{Expected, expected};
use super::judge::{DETECT_SLACK, STOP_SLACK, leaves_open};
use super::plan::{BUDGET, CLOSE};
use super::{Fault, Shown};

/// Least, middle and greatest of some milliseconds.
fn spread(mut figures: Vec<f64>) -> Option<String> {
    figures.sort_by(f64::total_cmp);
    let (least, greatest) = (figures.first()?, figures.last()?);
    let middle = figures[figures.len() / 2];
    Some(format!(
        "{least:.0} | {middle:.0} | {greatest:.0} | {}",
        figures.len()
    ))
}

/// The tables of times and of what is left.
pub(super) fn figures(shown: &[Shown]) -> String {
    let hangs: Vec<&Shown> = shown
        .iter()
        .filter(|one| one.cell.fault == Fault::Hang && one.result.is_ok())
        .collect();
    let detected = |restarts: bool| {
        hangs
            .iter()
            .filter(|one| match expected(&one.cell) {
                Expected::Error(_) => !restarts,
                Expected::Restarted { .. } => restarts,
                _ => false,
            })
            .filter_map(|one| one.times().0)
            .collect()
    };
    let stopped = |stops: bool| {
        hangs
            .iter()
            .filter(|one| matches!(expected(&one.cell), Expected::Stopped { .. }) == stops)
            .filter_map(|one| one.times().1)
            .collect()
    };
    let busy = shown
        .iter()
        .filter(|one| one.cell.fault == Fault::Busy)
        .filter(|one| matches!(expected(&one.cell), Expected::Stopped(_)))
        .filter_map(|one| one.times().1)
        .collect();
    let left = shown
        .iter()
        .filter(|one| one.life().is_some_and(|life| life.after.abandoned > 0))
        .filter_map(|one| one.result.as_ref().ok()?.left_in)
        .collect();
    let threads = shown
        .iter()
        .filter(|one| !leaves_open(&one.cell))
        .filter_map(|one| Some(&one.life()?.after))
        .filter(|after| after.abandoned == after.reclaimed)
        .map(|after| after.codec_threads as f64)
        .collect();
    let rows = [
        (
            format!(
                "hang: from the strike to the error, bound {}",
                (BUDGET + DETECT_SLACK).as_millis()
            ),
            spread(detected(false)),
        ),
        (
            "hang: from the strike to the restart, the same bound".to_owned(),
            spread(detected(true)),
        ),
        (
            format!(
                "hang: NULL while the call hangs, bound {}",
                (CLOSE + STOP_SLACK).as_millis()
            ),
            spread(stopped(true)),
        ),
        (
            "hang: NULL after the verdict, the same bound".to_owned(),
            spread(stopped(false)),
        ),
        (
            "busy: NULL, the same bound".to_owned(),
            spread(busy),
        ),
        (
            "end of a process with an abandoned worker, from its last step, bound 1000".to_owned(),
            spread(left),
        ),
        (
            "threads of the codec left where nothing is outstanding (not ms), bound 0; without the \
             cells whose close was not made at all"
                .to_owned(),
            spread(threads),
        ),
    ];
    let mut text =
        "| in ms | least | median | greatest | cells |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (name, figures) in rows {
        if let Some(figures) = figures {
            let _ = writeln!(text, "| {name} | {figures} |");
        }
    }
    text
}
