// SPDX-License-Identifier: MPL-2.0
//! EOS means that everything is out, and an error is told, also where a chain has
//! threads of its own and the worker's call has returned long before.

use gst::prelude::*;

use crate::record::Record;
use crate::rig::{Item, Rig, produce};

fn input() -> Vec<Item> {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    produce("videotestsrc num-buffers=30 ! video/x-raw,width=64,height=64,framerate=25/1")
}

fn is_eos(record: &Record) -> bool {
    matches!(record, Record::Event(text) if text.starts_with("eos"))
}

#[test]
fn eos_waits_for_what_a_thread_of_the_chain_still_has() {
    let items = input();
    // Everything waits in the queue when EOS enters the chain.
    let rig = Rig::hosted("queue ! identity sleep-time=10000");
    let records = rig.play(&items);
    let buffers = records.iter().filter_map(Record::size).count();
    assert_eq!(buffers, 30);
    assert!(is_eos(records.last().unwrap()), "{:?}", records.last());
    assert!(rig.errors().is_empty());
}

#[test]
fn an_error_on_a_thread_of_the_chain_needs_no_further_input_to_be_told() {
    let items = input();
    let rig = Rig::hosted("queue ! wedge at=chain how=message number=29");
    let eos = items.len() - 1;
    rig.play_on(&items[..eos]);
    let wait = gst::ClockTime::from_seconds(20);
    let kinds = [gst::MessageType::Error];
    let message = rig.bus.timed_pop_filtered(wait, &kinds).expect("no error");
    assert!(format!("{message:?}").contains("made up"), "{message:?}");
    let records = rig.play_on(&items[eos..]);
    assert!(!records.iter().any(is_eos), "{records:?}");
}

#[test]
fn a_thread_of_the_chain_that_works_is_evidence_of_work() {
    let items = input();
    let rig = Rig::hosted("queue max-size-buffers=2 ! wedge at=chain how=spin number=3 time=4000");
    for budget in ["watchdog-timeout", "close-timeout"] {
        rig.element.set_property(budget, 500_000_000_u64);
    }
    rig.element.set_property("slow-limit", 20_000_000_000_u64);
    let records = rig.play(&items);
    assert!(is_eos(records.last().unwrap()), "{:?}", rig.errors());
    let slow = std::iter::from_fn(|| rig.bus.pop()).any(|message| {
        let structure = message.structure();
        structure.is_some_and(|structure| structure.name() == "codecwatch-slow")
    });
    assert!(slow, "it was not even noticed");
}
