// SPDX-License-Identifier: MPL-2.0
//! The shared properties, by what they do to an element whose codec misbehaves. Each is
//! set before the start and while the element plays, in a process of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use support::{Launch, is_child};

use crate::rig::{self, Element, Rig, When};

/// What the codec does, for each element.
struct Scripts {
    encoder: &'static str,
    decoder: &'static str,
}

const NONE: Scripts = Scripts {
    encoder: "svt_av1_enc_init:trace",
    decoder: "dav1d_open:trace",
};
const HANGS_WHILE_OPENING: Scripts = Scripts {
    encoder: "svt_av1_enc_init:hang",
    decoder: "dav1d_open:hang",
};
const HANGS: Scripts = Scripts {
    encoder: "svt_av1_enc_send_picture:hang@5",
    decoder: "dav1d_send_data:hang@5",
};
const HANGS_TWICE: Scripts = Scripts {
    encoder: "svt_av1_enc_send_picture:hang@5,svt_av1_enc_send_picture:hang@20",
    decoder: "dav1d_send_data:hang@5,dav1d_send_data:hang@20",
};
const SPINS: Scripts = Scripts {
    encoder: "svt_av1_enc_send_picture:spin@5",
    decoder: "dav1d_send_data:spin@5",
};
const HANGS_WHILE_DRAINING: Scripts = Scripts {
    encoder: "svt_av1_enc_get_packet:hang@flush",
    decoder: "dav1d_get_picture:hang@flush",
};
const HANGS_WHILE_CLOSING: Scripts = Scripts {
    encoder: "svt_av1_enc_deinit:hang",
    decoder: "dav1d_close:hang",
};
const FAILS_TWICE: Scripts = Scripts {
    encoder: "svt_av1_enc_send_picture:fail@5,svt_av1_enc_send_picture:fail@20",
    decoder: "dav1d_send_data:fail=-12@5,dav1d_send_data:fail=-12@20",
};

impl Scripts {
    fn of(&self, element: Element) -> &'static str {
        match element {
            Element::Encoder => self.encoder,
            Element::Decoder => self.decoder,
        }
    }

    /// The call that misbehaves.
    fn call(&self, element: Element) -> &'static str {
        self.of(element).split(':').next().unwrap()
    }
}

/// A test for each property, and the list of those that have one.
macro_rules! cases {
    ($($test:ident: $property:literal, $scripts:expr, $show:expr;)*) => {
        /// The properties that have a case.
        pub(crate) const PROPERTIES: &[&str] = &[$($property),*];

        $(
            #[test]
            fn $test() {
                show(stringify!($test), $property, &$scripts, $show);
            }
        )*
    };
}

const CASE: &str = "CODECWATCH_TEST_CASE";

fn show(test: &str, property: &'static str, scripts: &Scripts, show: fn(Case)) {
    let may_be_set = |element: Element, when: When| match when {
        When::BeforeTheStart => true,
        When::WhilePlaying => {
            property == "stats" || rig::is_mutable_while_playing(element, property)
        }
    };
    let mut cases = Element::ALL
        .into_iter()
        .flat_map(|element| When::ALL.map(|when| (element, when)))
        .filter(|(element, when)| may_be_set(*element, *when));
    if is_child() {
        let wanted = std::env::var(CASE).unwrap();
        let (element, when) = cases
            .find(|case| format!("{case:?}") == wanted)
            .expect("a case");
        let call = scripts.call(element);
        return show(Case {
            property,
            element,
            when,
            call,
        });
    }
    for case in cases {
        let run = Launch::this_test(&format!("shared::{test}"))
            .env(CASE, format!("{case:?}"))
            .rehearse(scripts.of(case.0))
            .bound(Duration::from_secs(60))
            .run();
        assert_eq!(run.code(), 0, "{case:?}: {}", run.text());
    }
}

/// In a child: what is to be shown of which element.
struct Case {
    property: &'static str,
    element: Element,
    when: When,
    call: &'static str,
}

/// So long that nothing but what is shown ends the stream.
const FAR_AWAY: &str = "watchdog-timeout=600000000000 drain-timeout=600000000000 \
                        open-timeout=600000000000 close-timeout=600000000000 \
                        slow-limit=1200000000000";
/// A watchdog that finds a wedge soon.
const SOON: &str = "watchdog-timeout=400000000 drain-timeout=400000000 open-timeout=20000000000 \
                    close-timeout=400000000";

impl Case {
    fn rig(&self, properties: &str) -> Rig {
        Rig::new(self.element, self.when, properties)
    }

    /// Plays, and sets the property before that or when the codec misbehaves.
    fn plays_with(&self, properties: &str, value: &'static str) -> Rig {
        let rig = self.rig(properties);
        if self.when == When::BeforeTheStart {
            rig.codec.set_property_from_str(self.property, value);
        }
        rig.play();
        rig.await_call(self.call);
        if self.when == When::WhilePlaying {
            rig.codec.set_property_from_str(self.property, value);
        }
        rig
    }

    /// A wedge in this phase is found within this budget and no other.
    fn is_the_budget(&self, phase: &str) {
        // Frames have to be inside when the drain begins.
        let holds_back = match (self.element, phase) {
            (Element::Encoder, "draining") => "low-latency=false",
            (Element::Decoder, "draining") => "n-threads=4",
            _ => "",
        };
        let rig = self.plays_with(&format!("{FAR_AWAY} {holds_back}"), "700000000");
        let failed = rig.fails();
        assert_eq!(failed.detail("phase"), phase);
        assert!(failed.text().contains("within 0.7 s"), "{}", failed.text());
        rig.codec.set_property("close-timeout", 1_u64);
    }
}

cases! {
    watchdog_timeout_is_the_budget_while_running:
        "watchdog-timeout", HANGS, |case| case.is_the_budget("running");
    drain_timeout_is_the_budget_while_draining:
        "drain-timeout", HANGS_WHILE_DRAINING, |case| case.is_the_budget("draining");
    open_timeout_is_the_budget_while_opening:
        "open-timeout", HANGS_WHILE_OPENING, |case| case.is_the_budget("opening");
    close_timeout_is_the_budget_while_closing:
        "close-timeout", HANGS_WHILE_CLOSING, close_timeout;
    slow_limit_is_how_long_work_excuses: "slow-limit", SPINS, slow_limit;
    restart_limit_is_how_many_restarts_there_are: "restart-limit", FAILS_TWICE, restart_limit;
    restart_window_is_how_long_a_restart_counts: "restart-window", FAILS_TWICE, restart_window;
    max_abandoned_is_how_many_workers_may_be_abandoned:
        "max-abandoned", HANGS_TWICE, max_abandoned;
    eos_after_failure_lets_eos_follow_the_error:
        "eos-after-failure", FAILS_TWICE, eos_after_failure;
    max_duration_is_how_long_a_stream_may_last: "max-duration", NONE, max_duration;
    max_frames_is_how_many_frames_a_stream_may_have: "max-frames", NONE, max_frames;
    isolate_puts_the_codec_into_a_child: "isolate", NONE, isolate;
    isolate_policy_is_what_the_child_is_kept_from: "isolate-policy", NONE, isolate_policy;
    isolate_max_memory_is_what_the_child_may_use: "isolate-max-memory", NONE, isolate_max_memory;
    isolate_dump_takes_the_stacks_of_the_child: "isolate-dump", HANGS, isolate_dump;
    evidence_dir_is_where_a_fault_leaves_a_folder: "evidence-dir", HANGS, evidence_dir;
    stats_speak_of_the_session: "stats", NONE, stats;
}

fn close_timeout(case: Case) {
    let rig = case.plays_with(FAR_AWAY, "700000000");
    // Where more than that has passed when it is set, EOS does not wait for the verdict.
    let kinds = [gst::MessageType::Warning, gst::MessageType::Eos];
    let mut messages = [rig.message(&kinds), rig.message(&kinds)];
    messages.sort_by_key(|message| message.type_() == gst::MessageType::Eos);
    let gst::MessageView::Warning(warning) = messages[0].view() else {
        panic!("no warning: {messages:?}");
    };
    let (text, details) = (warning.error().to_string(), warning.details().unwrap());
    assert_eq!(details.get::<&str>("phase"), Ok("closing"));
    assert!(text.contains("within 0.7 s"), "{text}");
    assert_eq!(messages[1].type_(), gst::MessageType::Eos);
}

fn slow_limit(case: Case) {
    let properties = format!("{FAR_AWAY} watchdog-timeout=400000000");
    let rig = case.plays_with(&properties, "1500000000");
    let begin = Instant::now();
    rig.fails();
    // It was found spinning a few milliseconds after it had begun to.
    assert!(begin.elapsed() > Duration::from_millis(800));
    rig.codec.set_property("close-timeout", 1_u64);
}

fn restarts(rig: &Rig) -> u32 {
    rig.stats().get::<u32>("restarts").unwrap()
}

fn restart_limit(case: Case) {
    for (limit, restarted) in [("1", 1), ("2", 2)] {
        // The calls of a process are counted, so each has a child of its own.
        if (limit == "2") != (case.when == When::WhilePlaying) {
            continue;
        }
        let rig = case.rig("restart-limit=0");
        rig.set(case.property, limit);
        rig.play();
        match restarted {
            1 => drop(rig.fails()),
            _ => rig.ends_well(),
        }
        assert_eq!(restarts(&rig), restarted);
    }
}

/// Two failures, half a second apart or more.
fn restart_window(case: Case) {
    let rig = case.rig("restart-limit=1 restart-window=10000000000");
    // 200 ms forget the first failure, 40 s do not.
    let forgets = case.when == When::WhilePlaying;
    let window = if forgets { "200000000" } else { "40000000000" };
    rig.set(case.property, window);
    rig.at_frame(8, |codec| {
        let begin = Instant::now();
        while rig::stats(codec).get::<u32>("restarts") != Ok(1) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no restart");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(500));
    });
    rig.play();
    if forgets {
        rig.ends_well();
        assert_eq!(restarts(&rig), 2);
    } else {
        rig.fails();
        assert_eq!(restarts(&rig), 1);
    }
}

fn max_abandoned(case: Case) {
    let rig = case.rig(&format!("{SOON} restart-limit=5"));
    rig.set(case.property, "2");
    rig.play();
    let failed = rig.fails();
    assert!(failed.error.matches(gst::ResourceError::NoSpaceLeft));
    assert_eq!(failed.detail("outcome"), "Refused");
    assert!(
        failed.text().contains("max-abandoned allows 2"),
        "{}",
        failed.text()
    );
    assert_eq!(restarts(&rig), 2);
}

fn eos_after_failure(case: Case) {
    let rig = case.rig("");
    let (told, eos) = mpsc::channel();
    let pad = rig.codec.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info
            .event()
            .is_some_and(|e| e.type_() == gst::EventType::Eos)
        {
            let _ = told.send(());
        }
        gst::PadProbeReturn::Ok
    });
    rig.set(case.property, "true");
    rig.play();
    rig.fails();
    eos.recv_timeout(Duration::from_secs(20)).expect("EOS");
    assert!(rig.frames() < 60, "the stream was complete");
}

/// 200 ms are five frames behind the first.
fn max_duration(case: Case) {
    let rig = case.rig("");
    rig.set(case.property, "200000000");
    rig.play();
    let failed = rig.fails();
    assert!(failed.error.matches(gst::StreamError::Format));
    assert!(failed.text().contains("max-duration allows 200ms"));
    assert_eq!(rig.frames(), 7);
}

fn max_frames(case: Case) {
    let rig = case.rig("");
    rig.set(case.property, "5");
    rig.play();
    let failed = rig.fails();
    assert!(failed.error.matches(gst::StreamError::Format));
    assert!(failed.text().contains("max-frames"), "{}", failed.text());
    assert_eq!(rig.frames(), 6);
}

fn isolate(case: Case) {
    let rig = case.rig("");
    rig.set(case.property, "true");
    rig.play();
    rig.ends_well();
    let process = rig.stats().get::<u32>("process").unwrap();
    assert!(process != 0 && process != std::process::id());
}

fn isolate_policy(case: Case) {
    let sandbox = |policy| {
        let rig = case.rig("isolate=true");
        rig.set(case.property, policy);
        rig.play();
        rig.ends_well();
        rig.stats().get::<String>("sandbox").unwrap()
    };
    assert_ne!(sandbox("open"), sandbox("auto"));
}

/// Less than the stacks of a few threads.
fn isolate_max_memory(case: Case) {
    let rig = case.rig("isolate=true");
    rig.set(case.property, "4000000");
    rig.play();
    rig.fails();
}

/// The folder that a fault has left, whose writing nothing waits for.
fn evidence(place: &Path) -> PathBuf {
    let begin = Instant::now();
    loop {
        let entries = std::fs::read_dir(place).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let whole = paths.find(|path| !path.to_string_lossy().ends_with(".partial"));
        if let Some(folder) = whole {
            return folder;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "no evidence");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn isolate_dump(case: Case) {
    let place = tempfile::tempdir().unwrap();
    let evidence_dir = place.path().display();
    let rig = case.rig(&format!("{SOON} isolate=true evidence-dir={evidence_dir}"));
    rig.set(case.property, "minidump");
    rig.play();
    rig.fails();
    let folder = evidence(place.path());
    let contents = std::fs::read_to_string(folder.join("fault.json")).unwrap();
    // Where the kernel allows nobody to look, that is noted.
    assert!(folder.join("stacks.dmp").exists() || contents.contains("stacks.dmp: "));
}

fn evidence_dir(case: Case) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().to_str().unwrap().to_owned();
    let rig = case.rig(SOON);
    rig.set(case.property, path.leak());
    rig.play();
    let failed = rig.fails();
    let folder = evidence(place.path());
    assert_eq!(failed.detail("evidence-path"), folder.display().to_string());
    assert!(folder.join("fault.json").exists());
}

fn stats(case: Case) {
    let rig = case.rig("");
    rig.play();
    rig.ends_well();
    let stats = rig.stats();
    assert_eq!(stats.get::<u64>("frames-in"), Ok(rig.frames()));
    assert_eq!(stats.get::<u64>("frames-out"), Ok(rig.frames()));
    assert_eq!(stats.get::<&str>("outcome"), Ok("Completed"));
    let worst = stats.get::<gst::Structure>("worst-calls").unwrap();
    assert!(worst.get::<u64>(case.call).unwrap() > 0, "{worst}");
}
