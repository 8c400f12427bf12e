// SPDX-License-Identifier: MPL-2.0
//! The matrix as a page.

use std::fmt::Write;

use super::outcome::Kind;
use super::plan::{BUDGET, CLOSE, SLOW_LIMIT};
use super::{Fault, Impossible, Shown, elements, summary};
use crate::elements::Element;

/// The page. `machine`: what it was made on.
pub fn document(shown: &[Shown], machine: &str) -> String {
    let count = |kind| shown.iter().filter(|one| one.kind() == kind).count();
    let mut page = format!(
        "# The fault matrix\n\n\
         Made by `./dev faults`, on {machine}. Each cell is a process of its own in which the fault shim \
         makes one call of the real library go wrong, once, at a chosen moment.\n\n\
         {} cells: {} shown, of these {} not as the contract says; {} cannot be. \
         `./dev faults svtav1watchenc seek playing hang` shows those whose names have these words, and \
         prints of each that is not as it has to be the line that replays it. Such a cell is shown once more, alone, \
         and that is what counts: a machine that does something else as well misses a bound now and then.\n\n\
         Budgets: watchdog, drain and open {:.0} s, close {:.0} s, slow-limit {:.0} s. \"Late return\" is \
         a hang of 3 s, \"busy\" burns a processor for as long and has a slow-limit of its own. Where the same call \
         does several things, the state of the session decides. Where there is nothing in a table, a state is about \
         what waits, and shown with the faults that make a difference to that.\n\n\
         ![Each cell as a colour](faults.svg)\n\n\
         ## Times\n\n{}\n## Words\n\n",
        shown.len(),
        shown.len() - count(Kind::Impossible),
        count(Kind::Wrong),
        count(Kind::Impossible),
        BUDGET.as_secs_f64(),
        CLOSE.as_secs_f64(),
        SLOW_LIMIT.as_secs_f64(),
        summary::figures(shown),
    );
    page += "| in a cell | means |\n|---|---|\n\
             | error | one element error with complete details, no EOS; with a time: of a wedge, from the strike |\n\
             | restart | with `restart-limit=1`, one message that says how many frames were lost; everything else has come out, \
             gaps, new caps and EOS too, and what follows begins with a key frame; with a time: of a wedge, from the strike |\n\
             | whole | EOS and no error, as many frames out as in; \"warned\": a session that did not close was given up, and a warning says so |\n\
             | NULL | the change to NULL has ended after that time |\n\
             | SIGABRT, SIGSEGV | the process has ended by it, without EOS before it: codecs run in it |\n";
    for impossible in Impossible::ALL {
        let _ = writeln!(
            page,
            "| {} | cannot be: {} |",
            impossible.letter(),
            impossible.reason()
        );
    }
    page += "\nFor every cell this is checked: the element posts at most one error, and no EOS follows it; the process ends with \
             exit code 0 and does not crash; the change to NULL stays within its bound; the ledger has what was abandoned and, after a \
             late return, what was reclaimed; and where nothing is outstanding, no thread of the codec is left (a close that \
             panics, or that returns an error without doing its work, leaves its session open).\n";
    for element in elements(shown) {
        let _ = write!(page, "\n## {}\n\n{}", element.name, table(shown, element));
    }
    page
}

fn table(shown: &[Shown], element: Element) -> String {
    let mut table = "| call | state | restarts | source |".to_owned();
    for fault in Fault::ALL {
        let _ = write!(table, " {} |", fault.name());
    }
    table += "\n|---|---|---|---|";
    table += &"---|".repeat(Fault::ALL.len());
    let cells: Vec<_> = shown
        .iter()
        .filter(|one| one.cell.element == element)
        .collect();
    for row in cells.chunk_by(|one, other| one.cell.is_beside(&other.cell)) {
        let Some(first) = row.first().map(|one| one.cell) else {
            continue;
        };
        let _ = write!(
            table,
            "\n| {} `{}` | {} | {} | {} |",
            first.at.name(),
            first.call().name,
            first.state.name(),
            u8::from(first.restart),
            first.source.name()
        );
        for fault in Fault::ALL {
            let one = row.iter().find(|one| one.cell.fault == *fault);
            let _ = write!(
                table,
                " {} |",
                one.map(|one| one.word()).unwrap_or_default()
            );
        }
    }
    table + "\n"
}
