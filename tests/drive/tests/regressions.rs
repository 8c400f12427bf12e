// SPDX-License-Identifier: MPL-2.0
//! What the soak and the matrix have found, each as the scenario that showed it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use drive::elements::Element;
use drive::facts::Life;
use drive::{Runner, Scenario};

/// The last life of a scenario, which has to end by itself.
fn act(scenario: &str) -> Life {
    act_all(scenario).pop().unwrap()
}

/// All of its lives.
fn act_all(scenario: &str) -> Vec<Life> {
    let runner = Runner::new(PathBuf::from(env!("CARGO_BIN_EXE_drive")));
    let report = runner.run(&scenario.parse::<Scenario>().unwrap());
    assert_eq!(report.hung, None, "{report:#?}");
    assert_eq!(report.code, Some(0), "{report:#?}");
    report.facts.unwrap().lives
}

/// Budgets of a second.
const BUDGETS: &str = "watchdog-timeout=1000000000 drain-timeout=1000000000 \
                       open-timeout=1000000000 close-timeout=1000000000";

/// Frames that the decoder may pass over until the next key frame.
fn passed_over(element: &str) -> u64 {
    Element::named(element).unwrap().passed_over()
}

/// One restart was said, and everything else came out, EOS too.
fn assert_restarted(life: &Life, element: &str) {
    assert!(life.errors.is_empty(), "{life:#?}");
    assert!(life.vain.is_empty(), "{life:#?}");
    let [restart] = &life.restarts[..] else {
        panic!("{life:#?}");
    };
    assert!(!restart.after_eos, "{life:#?}");
    assert_ne!(restart.begins_with_key, Some(false), "{life:#?}");
    let stream = life.stream().unwrap();
    assert!(stream.eos, "{life:#?}");
    assert_eq!(stream.imbalance(passed_over(element)), None, "{life:#?}");
}

/// The element was asked to stop while it drained for new caps. It refused them,
/// and the source took that for a stream that cannot be negotiated.
#[test]
fn a_state_change_while_new_caps_wait_for_a_drain_is_no_error() {
    for scenario in [
        "dav1dwatchdec non-live n-threads=1 script=dav1d_get_picture:delay=700ms@armed \
         : play push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null",
        "svtav1watchenc non-live preset=12 script=svt_av1_enc_get_packet:delay=700ms@armed \
         : play push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null",
    ] {
        let life = act(scenario);
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.eos(), "{life:#?}");
    }
}

/// The same, with buffers behind the caps that are smaller than those of the format
/// that the element still knew: they were said to be cut short.
#[test]
fn buffers_behind_caps_that_were_passed_over_are_not_held_against_the_old_format() {
    let life = act("svtav1watchenc non-live size=64x64 preset=10 \
         script=svt_av1_enc_get_packet:delay=700ms@armed \
         : play caps push:9 settle arm caps push:9 await-strike ready play push:9 eos await-end null");
    assert!(life.errors.is_empty(), "{life:#?}");
    assert!(life.eos(), "{life:#?}");
}

/// Running time begins anew with a flush; every frame was dropped for lying
/// before the last one of the time before it.
#[test]
fn after_a_flush_no_frame_is_dropped_for_its_time() {
    for flush in ["flush", "seek"] {
        let life = act(&format!(
            "svtav1watchenc non-live preset=12 : play push:30 settle {flush} push:9 eos await-end null"
        ));
        // The first 30 were all inside.
        assert_eq!(life.taken, 9, "{life:#?}");
    }
}

/// The last frame wedged the codec while EOS was on its way; EOS was swallowed, and
/// nobody was told.
#[test]
fn eos_that_waited_behind_a_wedge_comes_after_the_restart() {
    for (element, properties, call) in [
        ("svtav1watchenc", "preset=12", "svt_av1_enc_send_picture"),
        ("dav1dwatchdec", "n-threads=1", "dav1d_send_data"),
    ] {
        let life = act(&format!(
            "{element} non-live {properties} {BUDGETS} restart-limit=1 script={call}:hang@30 \
             : play push:30 eos await-end null"
        ));
        assert_restarted(&life, element);
    }
}

/// The same with new caps, which were taken and never took effect.
#[test]
fn caps_that_waited_behind_a_wedge_take_effect_after_the_restart() {
    for (element, properties, call) in [
        (
            "svtav1watchenc",
            // So that packets of the first format come out before it hangs.
            "size=320x240 preset=12 low-latency=true",
            "svt_av1_enc_send_picture",
        ),
        ("dav1dwatchdec", "n-threads=1", "dav1d_send_data"),
    ] {
        let life = act(&format!(
            "{element} non-live {properties} {BUDGETS} restart-limit=1 script={call}:hang@28 \
             : play push:30 caps push:30 eos await-end null"
        ));
        assert_restarted(&life, element);
        let formats = &life.stream().unwrap().formats;
        let [one, other] = &formats[..] else {
            panic!("{life:#?}");
        };
        assert_ne!(one.size, other.size, "{life:#?}");
        assert!(other.taken >= 30 - passed_over(element), "{life:#?}");
    }
}

/// The frame that was being handed over while those of the old session were
/// forgotten was counted among them; where it was the key frame, the rest of the
/// stream was worth nothing.
#[test]
fn a_restart_forgets_no_frame_of_the_new_session() {
    for (element, properties, call) in [
        (
            "svtav1watchenc",
            "preset=12 low-latency=true logical-processors=1",
            "svt_av1_enc_send_picture",
        ),
        ("dav1dwatchdec", "n-threads=1", "dav1d_send_data"),
    ] {
        // A panic leaves nothing behind that the next life would have to wait for.
        for life in act_all(&format!(
            "{element} non-live lives=20 {properties} {BUDGETS} restart-limit=1 \
             script={call}:panic@armed : play push:9 settle arm push:60 eos await-end null"
        )) {
            assert_restarted(&life, element);
            assert_eq!(life.restarts[0].begins_with_key, Some(true), "{life:#?}");
        }
    }
}

/// A session that had taken over for a key frame went on after the error, and
/// nobody watched it: a push into it waited for twelve seconds.
#[test]
fn after_a_fatal_fault_no_other_session_goes_on() {
    for second_fault in ["", ",svt_av1_enc_init:hang=12s@2"] {
        let life = act(&format!(
            "svtav1watchenc non-live preset=12 low-latency=true {BUDGETS} \
             script=svt_av1_enc_get_packet:hang@armed{second_fault} \
             : play push:9 settle arm burst:3 idle:50 key burst:60 await-end await-source \
             idle:500 null"
        ));
        assert!(life.vain.is_empty(), "{life:#?}");
        assert!(!life.eos_out(), "{life:#?}");
        let own: Vec<_> = life.errors.iter().filter(|error| error.own).collect();
        assert_eq!(own.len(), 1, "{life:#?}");
        // What had come out of the codec by then may still be pushed.
        assert!(life.taken_after_error <= 5, "{life:#?}");
        assert!(life.answered.unwrap() - own[0].at < 5.0, "{life:#?}");
    }
}

/// It waited for the output task, which nobody had woken, for ever.
#[test]
fn a_flush_stop_without_a_flush_start_is_bounded_and_the_stream_goes_on() {
    for (element, properties) in [
        ("svtav1watchenc", "preset=12 low-latency=true"),
        ("dav1dwatchdec", "n-threads=1"),
    ] {
        for (queue, steps) in [
            (200, "push:9 settle flush-stop"),
            (200, "push:9 settle pause push:3 settle flush-stop play"),
            (1, "push:9 settle pause push:6 settle flush-stop play"),
        ] {
            let life = act(&format!(
                "{element} non-live queue={queue} {properties} {BUDGETS} \
                 : play {steps} push:20 eos await-end null"
            ));
            assert!(life.errors.is_empty(), "{life:#?}");
            assert!(life.vain.is_empty(), "{life:#?}");
            assert!(life.flush_stopped_in.unwrap() < 5000.0, "{life:#?}");
            let stream = life.stream().unwrap();
            assert!(stream.eos, "{life:#?}");
            assert_eq!(stream.imbalance(0), None, "{life:#?}");
        }
    }
}

/// Downstream answered NOT_LINKED once, and nothing came out ever again.
#[test]
fn what_comes_after_a_late_link_comes_out() {
    for (element, properties) in [
        ("svtav1watchenc", "preset=12 low-latency=true"),
        ("svtav1watchenc", "preset=12 low-latency=false"),
        ("dav1dwatchdec", "n-threads=1"),
        ("dav1dwatchdec", "n-threads=4"),
    ] {
        let life = act(&format!(
            "{element} non-live {properties} {BUDGETS} \
             : play push:9 settle unlink push:30 idle:300 link push:30 eos await-end null"
        ));
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.vain.is_empty(), "{life:#?}");
        let stream = life.stream().unwrap();
        assert!(stream.eos, "{life:#?}");
        assert_eq!(stream.imbalance(0), None, "{life:#?}");
    }
}

/// A flow error between the look at the flow and the start of a session left a
/// session that nobody cancelled: EOS waited for it without a bound.
#[test]
fn eos_is_answered_where_nothing_is_linked_while_a_session_takes_over() {
    for life in act_all(&format!(
        "svtav1watchenc non-live lives=8 preset=12 low-latency=true {BUDGETS} \
         script=svt_av1_enc_init:delay=50ms \
         : play push:9 settle unlink key burst:3 key burst:3 eos await-source null"
    )) {
        assert!(life.vain.is_empty(), "{life:#?}");
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.stopped_in().unwrap() < 5000.0, "{life:#?}");
    }
}

/// Frames that step back in time were dropped with a line in the log, and EOS said
/// that the stream was complete.
#[test]
fn frames_whose_times_go_back_come_out() {
    for (element, properties) in [
        ("svtav1watchenc", "preset=12"),
        ("dav1dwatchdec", "n-threads=1"),
    ] {
        let life = act(&format!(
            "{element} non-live {properties} {BUDGETS} \
             : play push:30 back:20 push:30 eos await-end null"
        ));
        assert!(life.errors.is_empty(), "{life:#?}");
        let stream = life.stream().unwrap();
        assert!(stream.eos, "{life:#?}");
        assert_eq!((stream.entered, stream.taken), (60, 60), "{life:#?}");
    }
}

/// A close that is busy was taken for a wedge as soon as its time was over.
#[test]
fn a_close_that_is_slow_goes_on_in_the_background() {
    for (element, properties, call) in [
        (
            "svtav1watchenc",
            "preset=12 low-latency=true",
            "svt_av1_enc_deinit",
        ),
        ("dav1dwatchdec", "n-threads=1", "dav1d_close"),
    ] {
        let scenario = |fault: &str, and_then: &str| {
            format!(
                "{element} non-live {properties} watchdog-timeout=1000000000 \
                 drain-timeout=1000000000 open-timeout=20000000000 close-timeout=1000000000 \
                 script={call}:{fault}@armed \
                 : play push:9 settle arm null {and_then} play push:9 eos await-end null"
            )
        };
        let life = act(&scenario("spin=3s", ""));
        assert!(life.vain.is_empty(), "{life:#?}");
        assert!(life.errors.is_empty(), "{life:#?}");
        // What the library makes of the preset is another matter.
        let mut warnings = life.warnings.iter();
        assert!(
            warnings.all(|warning| warning.code == "LIBRARY/Settings"),
            "{life:#?}"
        );
        assert!(life.stopped_in().unwrap() < 2500.0, "{life:#?}");
        assert!(life.eos(), "{life:#?}");
        assert_eq!(life.after.abandoned, 0, "{life:#?}");

        // Asleep for as long: that is a wedge.
        let life = act(&scenario("hang=3s", "await-reclaim"));
        assert!(life.vain.is_empty(), "{life:#?}");
        assert!(life.errors.is_empty(), "{life:#?}");
        assert_eq!(life.warnings.len(), 1, "{life:#?}");
        assert!(life.stopped_in().unwrap() < 2500.0, "{life:#?}");
        assert!(life.eos(), "{life:#?}");
        let account = (life.after.abandoned, life.after.reclaimed);
        assert_eq!(account, (1, 1), "{life:#?}");
    }
}

/// What had been given up was taken for a session that still had something to do, until
/// the next input.
#[test]
fn after_a_restart_the_element_is_at_rest_without_another_input() {
    for (element, properties, call, steps) in [
        ("memorywatchenc", "delay=1", "memory_receive", "push:7"),
        ("dav1dwatchdec", "n-threads=1", "dav1d_send_data", "push:3"),
        (
            "dav1dwatchdec",
            "n-threads=3 max-frame-delay=3",
            "dav1d_picture_unref",
            "push:3 caps",
        ),
    ] {
        let life = act(&format!(
            "{element} non-live {properties} {BUDGETS} restart-limit=1 script={call}:hang@1 \
             : play {steps} settle push:20 eos await-end null"
        ));
        assert_restarted(&life, element);
    }
}

/// The session that a flush had ended closed unwatched until the next input: nobody was
/// told that it hung, and `stats` said that it was working. So did one that was complete
/// when the flush ended the wait for its output.
#[test]
fn a_close_after_a_flush_is_judged_without_another_input() {
    for (queue, steps) in [
        (200, "play push:9 settle flush settle"),
        (1, "pause push:6 caps idle:1500 flush settle"),
    ] {
        let life = act(&format!(
            "svtav1watchenc non-live queue={queue} preset=12 low-latency=true {BUDGETS} \
             script=svt_av1_enc_deinit:hang@1 : {steps} idle:100 null"
        ));
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.vain.is_empty(), "{life:#?}");
        let stuck = life
            .warnings
            .iter()
            .find(|one| one.code == "LIBRARY/SHUTDOWN");
        let stuck = stuck.unwrap_or_else(|| panic!("{life:#?}"));
        assert!(stuck.at < life.stops[0].at - 0.1, "{life:#?}");
    }
}

/// New caps drained in a paused pipeline, and FLUSH_STOP alone, ordered behind them, was
/// waited for.
#[test]
fn a_flush_stop_behind_new_caps_of_a_paused_pipeline_is_left_out() {
    let life = act(&format!(
        "dav1dwatchdec non-live queue=2 {BUDGETS} \
         : play push:3 settle pause push:4 caps key push:1 idle:300 flush-stop \
         play push:11 eos await-end null"
    ));
    assert!(life.vain.is_empty(), "{life:#?}");
    assert!(life.flush_stopped_in.is_none(), "{life:#?}");
    assert!(life.eos(), "{life:#?}");
}

/// A chain that asked whether its new caps are taken was answered by what the pad had
/// before, where nothing was linked to ask: it failed with "not negotiated".
#[test]
fn a_hosted_codec_takes_new_caps_while_nothing_is_linked() {
    for element in ["hosted-vp8enc", "hosted-avdec", "hosted-queue-wedge"] {
        let life = act(&format!(
            "{element} non-live \
             : play push:5 settle unlink caps push:5 idle:300 link push:9 eos await-end null"
        ));
        assert!(life.errors.is_empty(), "{life:#?}");
        assert!(life.eos(), "{life:#?}");
        let sizes: Vec<_> = life.streams[0].formats.iter().map(|f| f.size).collect();
        assert_eq!(sizes.last(), Some(&(160, 96)), "{life:#?}");
    }
}
