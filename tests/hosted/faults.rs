// SPDX-License-Identifier: MPL-2.0
//! A hosted codec that hangs, fails or panics, wherever it does: one error, no EOS, no
//! state change that waits for it, and the ledger is right.

use std::time::{Duration, Instant};

use codecwatch_supervisor::Account;
use gst::prelude::*;

use crate::record::Record;
use crate::rig::{Item, Rig, produce};

/// What a state change may take with budgets of one second.
pub(crate) const STOP: Duration = Duration::from_millis(1200);
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// An encoder's element whose chain does what the script says; budgets of one second.
fn struck(script: &str) -> Rig {
    hosted(&format!("wedge {script}"))
}

pub(crate) fn hosted(codec: &str) -> Rig {
    support::init();
    gstwedge::plugin_register_static().unwrap();
    let mut builder = gst::ElementFactory::make("codecwatch").property("codec", codec);
    for budget in [
        "watchdog-timeout",
        "drain-timeout",
        "open-timeout",
        "close-timeout",
    ] {
        builder = builder.property(budget, 1_000_000_000_u64);
    }
    let element = builder
        .property("slow-limit", 2_000_000_000_u64)
        .property("max-abandoned", 0_u32)
        .build();
    Rig::around(element.unwrap(), codec.to_owned())
}

fn input() -> Vec<Item> {
    support::init();
    produce(
        "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=64,framerate=25/1",
    )
}

/// The first error, and its details.
pub(crate) fn error(rig: &Rig) -> (gst::glib::Error, gst::Structure) {
    let kinds = [gst::MessageType::Error];
    let wait = gst::ClockTime::try_from(BOUND).unwrap();
    let message = rig.bus.timed_pop_filtered(wait, &kinds);
    let message = message.unwrap_or_else(|| panic!("{}: no error", rig.name()));
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!()
    };
    let details = error.details().map(ToOwned::to_owned);
    (error.error(), details.expect("an error without details"))
}

/// Stops the element, and says how long that took.
pub(crate) fn stop(rig: &Rig) -> Duration {
    let begun = Instant::now();
    rig.element.set_state(gst::State::Null).unwrap();
    begun.elapsed()
}

pub(crate) fn has_eos(records: &[Record]) -> bool {
    let eos = |record: &Record| matches!(record, Record::Event(text) if text.starts_with("eos"));
    records.iter().any(eos)
}

/// The account of a chain. Each of these tests runs in a process of its own, or has a
/// chain of its own.
pub(crate) fn account(codec: &str) -> Account {
    let factories: Vec<_> = codec
        .split('!')
        .filter_map(|part| part.split_whitespace().next())
        .collect();
    Account::of(&factories.join(" ! "))
}

/// Waits until it holds.
pub(crate) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < BOUND, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Plays everything into a codec that does not survive it.
fn assert_one_error(script: &str, call: &str) {
    let rig = struck(script);
    let abandoned = account("wedge").abandoned;
    let records = rig.play_on(&input());
    let (error, details) = error(&rig);
    let code = error.kind::<gst::StreamError>();
    assert_eq!(code, Some(gst::StreamError::Encode), "{script}: {error}");
    assert_eq!(
        details.get("outcome"),
        Ok("WatchdogAbandoned"),
        "{script}: {details}"
    );
    assert!(
        details.get::<&str>("call").unwrap().contains(call),
        "{script}: {details}"
    );
    assert!(!has_eos(&records), "{script}: {records:?}");
    assert!(stop(&rig) < STOP, "{script}");
    assert!(rig.errors().is_empty(), "{script}: a second error");
    // Other tests of this process may have abandoned some of the same name.
    assert!(account("wedge").abandoned > abandoned, "{script}");
}

#[test]
fn a_chain_that_hangs_with_a_buffer_ends_in_one_error() {
    assert_one_error("at=chain how=sleep number=5", ": chain");
}

#[test]
fn a_chain_that_hangs_in_an_event_ends_in_one_error() {
    assert_one_error("at=event kind=caps how=sleep", ": caps event");
}

#[test]
fn a_chain_that_hangs_at_the_end_of_the_stream_ends_in_one_error() {
    assert_one_error("at=event kind=eos how=sleep", ": eos event");
}

#[test]
fn a_chain_that_spins_is_slow_and_then_wedged() {
    let rig = struck("at=chain how=spin number=5 time=6000");
    rig.play_on(&input());
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Encode), "{error}");
    let evidence = details.get::<&str>("evidence").unwrap();
    assert!(matches!(evidence, "busy" | "starved"), "{details}");
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_chain_whose_own_thread_hangs_ends_in_one_error() {
    // The worker's call returns; the queue's thread is inside.
    let rig = hosted("queue max-size-buffers=2 ! wedge at=chain how=sleep number=5");
    let records = rig.play_on(&input());
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Encode), "{error}");
    assert_eq!(details.get("outcome"), Ok("WatchdogAbandoned"), "{details}");
    assert!(!has_eos(&records));
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_chain_that_takes_frames_and_gives_none_ends_in_an_error() {
    let rig = hosted("valve drop=true");
    rig.element.set_property("max-inside", 10_u32);
    let rig = {
        // Read when a session is opened.
        rig.element.set_state(gst::State::Ready).unwrap();
        rig.element.set_state(gst::State::Playing).unwrap();
        rig
    };
    let mut items = input();
    items.pop();
    rig.play_on(&items);
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Failed), "{error}");
    assert!(
        error.message().contains("produced no output"),
        "{error}: {details}"
    );
}

#[test]
fn a_query_that_hangs_is_answered_without_the_chain() {
    let rig = struck("at=query kind=accept-caps how=sleep");
    rig.settle_open();
    let begun = Instant::now();
    let caps = gst::Caps::new_empty_simple("video/x-raw");
    let sink = rig.element.static_pad("sink").unwrap();
    assert!(
        sink.query_accept_caps(&caps),
        "by the template of the chain's pad"
    );
    assert!(
        begun.elapsed() < Duration::from_millis(1800),
        "{:?}",
        begun.elapsed()
    );
    let (error, details) = error(&rig);
    assert!(
        error.message().contains("did not answer a question"),
        "{error}"
    );
    assert!(
        details
            .get::<&str>("call")
            .unwrap()
            .contains("accept-caps query"),
        "{details}"
    );
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_chain_that_hangs_while_it_opens_is_an_error_of_opening() {
    let rig = struck("at=ReadyToPaused how=sleep");
    let (error, details) = error(&rig);
    assert!(error.matches(gst::LibraryError::Init), "{error}");
    let call = details.get::<&str>("call").unwrap();
    assert!(call.ends_with(": READY to PAUSED"), "{call}");
    assert!(stop(&rig) < STOP);
}

#[test]
fn a_chain_that_hangs_while_it_closes_is_a_warning_and_the_stream_is_whole() {
    for at in ["PausedToReady", "ReadyToNull", "dispose"] {
        let rig = struck(&format!("at={at} how=sleep"));
        let records = rig.play_on(&input());
        assert!(has_eos(&records), "{at}: {records:?}");
        assert_eq!(
            records
                .iter()
                .filter(|r| matches!(r, Record::Buffer { .. }))
                .count(),
            30
        );
        let wait = gst::ClockTime::try_from(BOUND).unwrap();
        let kinds = [gst::MessageType::Warning, gst::MessageType::Error];
        // On a loaded machine it comes when the close has been judged in the background.
        let message = rig.bus.timed_pop_filtered(wait, &kinds).expect(at);
        let gst::MessageView::Warning(warning) = message.view() else {
            panic!("{at}: {message:?}")
        };
        assert!(
            warning.error().matches(gst::LibraryError::Shutdown),
            "{at}: {message:?}"
        );
        assert!(stop(&rig) < STOP, "{at}");
    }
}

#[test]
fn a_late_return_is_reclaimed_and_the_chain_is_disposed_of() {
    let rig = hosted("wedge at=chain how=sleep number=5 time=2500 ! identity");
    rig.play_on(&input());
    let (_, details) = error(&rig);
    assert_eq!(details.get("outcome"), Ok("WatchdogAbandoned"), "{details}");
    assert!(stop(&rig) < STOP);
    let now = account("wedge ! identity");
    assert_eq!((now.abandoned, now.reclaimed), (1, 0));
    eventually("it is reclaimed", || {
        account("wedge ! identity").reclaimed == 1
    });
}

#[test]
fn an_error_of_an_inner_element_is_the_error_with_its_words() {
    let rig = struck("at=chain how=message number=5");
    let records = rig.play_on(&input());
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Encode), "{error}");
    assert_eq!(details.get("outcome"), Ok("CodecFailed"), "{details}");
    for words in ["wedge", "made up", "on purpose"] {
        assert!(error.message().contains(words), "{error}");
    }
    assert!(!has_eos(&records));
    assert!(rig.errors().is_empty());
}

#[test]
fn a_flow_error_without_words_is_an_error_too() {
    let rig = struck("at=chain how=error number=5");
    let records = rig.play_on(&input());
    let (error, details) = error(&rig);
    assert_eq!(details.get("outcome"), Ok("CodecFailed"), "{details}");
    assert!(error.message().contains("wedge"), "{error}");
    assert!(!has_eos(&records));
}

#[test]
fn events_that_waited_behind_a_wedge_come_after_the_restart_and_once() {
    let rig = struck("at=chain how=sleep number=5");
    rig.element.set_property("restart-limit", 1_u32);
    let items = input();
    let first = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap();
    // The sixth wedges; these wait behind it.
    let mut script = items[..first + 6].to_vec();
    let at = gst::ClockTime::from_mseconds(240);
    script.push(Item::Event(gst::event::Gap::new(at, None)));
    let custom = gst::Structure::new_empty("custom");
    script.push(Item::Event(gst::event::CustomDownstream::new(custom)));
    script.extend_from_slice(&items[first + 6..first + 9]);
    script.push(Item::Event(gst::event::Eos::new()));
    let records = rig.play_on(&script);
    assert!(has_eos(&records), "{records:?}");
    for kind in ["gap", "custom-downstream"] {
        let is_it =
            |record: &&Record| matches!(record, Record::Event(text) if text.starts_with(kind));
        assert_eq!(
            records.iter().filter(is_it).count(),
            1,
            "{kind}: {records:?}"
        );
    }
}

#[test]
fn an_event_that_waited_behind_a_wedge_does_not_outlive_a_flush() {
    let rig = struck("at=chain how=sleep number=5 time=1500");
    rig.element.set_property("restart-limit", 1_u32);
    let items = input();
    let first = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap();
    let mut script = items[..first + 6].to_vec();
    let at = gst::ClockTime::from_mseconds(240);
    script.push(Item::Event(gst::event::Gap::new(at, None)));
    script.push(Item::Event(gst::event::FlushStart::new()));
    script.push(Item::Event(gst::event::FlushStop::new(true)));
    script.extend_from_slice(&items[..first + 3]);
    script.push(Item::Event(gst::event::Eos::new()));
    let records = rig.play_on(&script);
    assert!(has_eos(&records), "{records:?}");
    let is_gap = |record: &Record| matches!(record, Record::Event(text) if text.starts_with("gap"));
    assert!(!records.iter().any(is_gap), "{records:?}");
}

#[test]
fn a_frame_of_which_nothing_comes_out_is_told_before_eos() {
    // As an encoder that fails when it is drained, or a decoder that drops a frame.
    let rig = struck("at=chain how=drop number=5");
    let records = rig.play_on(&input());
    assert!(has_eos(&records), "{records:?}");
    let skipped = rig.bus.pop_filtered(&[gst::MessageType::Element]);
    let skipped = skipped.expect("no message");
    let structure = skipped.structure().unwrap();
    assert_eq!(structure.name(), "codecwatch-skipped", "{structure}");
    assert_eq!(structure.get("buffers"), Ok(1_u64), "{structure}");
    let time = gst::ClockTime::from_mseconds(200);
    assert_eq!(structure.get("first-pts"), Ok(time), "{structure}");
    assert_eq!(structure.get("last-pts"), Ok(time), "{structure}");
    assert!(rig.errors().is_empty());
}

#[test]
fn where_everything_comes_out_nothing_is_said_to_be_left_out() {
    let video = "videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=64,height=64";
    let audio = "audiotestsrc num-buffers=30 ! audio/x-raw,rate=48000,channels=2";
    for (input, codec) in [
        (video, "vp8enc deadline=1 lag-in-frames=6"),
        (video, "x264enc"),
        (video, "videorate ! video/x-raw,framerate=10/1"),
        (audio, "opusenc"),
        (audio, "lamemp3enc"),
        (audio, "flacenc"),
    ] {
        let rig = hosted(codec);
        let records = rig.play_on(&produce(input));
        assert!(has_eos(&records), "{codec}: {records:?}");
        let message = rig.bus.pop_filtered(&[gst::MessageType::Element]);
        assert!(message.is_none(), "{codec}: {message:?}");
    }
}

#[test]
fn a_restart_loses_what_was_inside_and_nothing_else() {
    let rig = struck("at=chain how=sleep number=5");
    rig.element.set_property("restart-limit", 1_u32);
    // Each session strikes at its sixth buffer: the second ends before.
    let items = input();
    let end = items
        .iter()
        .position(|item| matches!(item, Item::Buffer(_)))
        .unwrap()
        + 10;
    let mut script = items[..end].to_vec();
    script.push(Item::Event(gst::event::Eos::new()));
    let records = rig.play_on(&script);
    assert!(has_eos(&records), "{records:?}");
    let restarted = rig.bus.pop_filtered(&[gst::MessageType::Element]);
    let restarted = restarted.expect("no message");
    let structure = restarted.structure().unwrap();
    assert_eq!(structure.name(), "codecwatch-restarted", "{structure}");
    let lost = structure.get::<u64>("frames-lost").unwrap();
    let out = records
        .iter()
        .filter(|r| matches!(r, Record::Buffer { .. }))
        .count() as u64;
    assert_eq!(lost + out, 10, "{structure}");
    let caps = |record: &&Record| matches!(record, Record::Event(text) if text.starts_with("caps"));
    assert!(records.iter().filter(caps).count() >= 1);
}
