// SPDX-License-Identifier: MPL-2.0
//! Inputs for which a session has no room yet.

use std::sync::Arc;

use codecwatch_supervisor::{AskResult, CodecError, DrainResult};

use crate::fake::{Fake, FakeSession, Room};
use crate::support::{AMPLE, BOUND, MS, Sink, bounded, close, drain, eventually, feed, start};

#[test]
fn an_input_without_room_stays_in_line_where_a_restart_finds_it() {
    let room = Arc::new(Room::default());
    let run = start(&Fake::new("room-none").that_takes_inputs_in(&room), AMPLE);
    feed(&run, 0..3);
    // The worker has had the time to take one.
    std::thread::sleep(50 * MS);
    let asked = run.clone();
    let answer = bounded(move || {
        asked.ask(BOUND, |session: &mut FakeSession, lane| {
            let sent = session.sent();
            lane.outlet()
                .fail(CodecError::Settings("no more".to_owned()));
            sent
        })
    });
    assert_eq!(answer, AskResult::Answered(0));
    eventually("it has failed", || run.outcome().is_some());
    assert_eq!(run.take_untaken(), [0, 1, 2]);
    let _ = close(&run);
}

#[test]
fn a_worker_that_waits_for_room_is_not_woken_by_inputs() {
    let room = Arc::new(Room::default());
    let run = start(&Fake::new("room-wake").that_takes_inputs_in(&room), AMPLE);
    feed(&run, 0..1);
    eventually("it has asked", || room.asked() > 0);
    std::thread::sleep(50 * MS);
    let asked = room.asked();
    feed(&run, 1..3);
    std::thread::sleep(50 * MS);
    assert_eq!(room.asked(), asked);
    let _ = close(&run);
}

#[test]
fn whoever_makes_room_wakes_the_worker() {
    let room = Arc::new(Room::default());
    let fake = Fake::new("room-made").reusable();
    let run = start(&fake.that_takes_inputs_in(&room), AMPLE);
    let sink = Sink::of(&run);
    feed(&run, 0..3);
    // Long enough for the worker to wait.
    std::thread::sleep(50 * MS);
    room.make();
    feed(&run, 3..20);
    assert_eq!(drain(&run, true), DrainResult::Complete);
    sink.returns();
    assert_eq!(sink.frames(), (0..20).collect::<Vec<_>>());
    let _ = close(&run);
}
