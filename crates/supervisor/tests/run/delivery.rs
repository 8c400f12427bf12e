// SPDX-License-Identifier: MPL-2.0
//! Waits for downstream to take what has come out.

use std::sync::mpsc;

use codecwatch_supervisor::{DrainResult, WaitResult};

use crate::fake::{Call, Fake, Fault, Gate};
use crate::support::{AMPLE, BOUND, MS, Sink, eventually, feed, outcome, start};

#[test]
fn a_close_behind_the_end_ends_the_wait_for_an_output_that_nobody_fetches_any_more() {
    let run = start(&Fake::new("last-push"), AMPLE);
    let gate = Gate::default();
    let _sink = Sink::blocked_after(0, &gate, &run);
    assert_eq!(feed(&run, 0..1), WaitResult::Ready);
    let ticket = run.request_drain(true);
    eventually("it closes", || run.is_closed());
    let waiting = run.clone();
    let (sender, drained) = mpsc::channel();
    std::thread::spawn(move || sender.send(waiting.wait_drained(ticket)));
    std::thread::sleep(50 * MS);
    assert!(drained.try_recv().is_err(), "its output is on its way");
    run.request_close();
    assert_eq!(drained.recv_timeout(BOUND), Ok(DrainResult::Cancelled));
    gate.open();
}

#[test]
fn what_came_out_before_a_fault_is_delivered_or_dropped_by_a_close() {
    for closes in [false, true] {
        let fake = Fake::new("deliver").with_delay(Some(0));
        let run = start(&fake.with(Call::Send, 3, Fault::Fail), AMPLE);
        let gate = Gate::default();
        let sink = Sink::blocked_after(0, &gate, &run);
        assert_eq!(feed(&run, 0..3), WaitResult::Ready);
        eventually("it fails", || outcome(&run).is_some());
        let waiting = run.clone();
        let (sender, delivered) = mpsc::channel();
        std::thread::spawn(move || {
            waiting.wait_delivered();
            sender.send(())
        });
        std::thread::sleep(50 * MS);
        assert!(delivered.try_recv().is_err(), "downstream has not taken it");
        match closes {
            true => run.request_close(),
            false => gate.open(),
        }
        assert_eq!(delivered.recv_timeout(BOUND), Ok(()));
        let frames = sink.frames().len();
        assert!(closes || frames == 2, "{frames}");
        gate.open();
    }
}
