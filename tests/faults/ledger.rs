// SPDX-License-Identifier: MPL-2.0
//! The ledger of a process that loads the plugins as an application does, from their
//! files: each test is a process of its own, in which no plugin is linked in.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use gst::glib;
use gst::prelude::*;
use support::{Finished, Launch, is_child, media};

/// The name under which an application finds the ledger.
const LEDGER: &str = "GstCodecwatchLedger1";
/// For a child to know what it is for.
const PART: &str = "CODECWATCH_TEST_PART";
/// Budget of the sessions.
const BUDGET: Duration = Duration::from_secs(1);

const ENCODER: &str = "svtav1watchenc";
const DECODER: &str = "dav1dwatchdec";

/// A pipeline around an element, with the codec that the ledger knows it by.
fn pipeline(element: &str) -> (String, &'static str) {
    let budget = BUDGET.as_nanos();
    let budgets = format!("watchdog-timeout={budget} close-timeout={budget}");
    if element == ENCODER {
        let description = format!(
            "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=64 \
             ! {ENCODER} name=codec preset=12 {budgets} ! fakesink"
        );
        (description, "SVT-AV1")
    } else {
        let clip = media::clip();
        let description = format!(
            "filesrc location={} ! matroskademux ! av1parse \
             ! {DECODER} name=codec n-threads=1 {budgets} ! fakesink",
            clip.display()
        );
        (description, "dav1d")
    }
}

/// Plays to EOS or an error; returns the session's number, from `stats`, and the name
/// of the outcome.
fn play(element: &str) -> (u64, String) {
    let (description, codec) = pipeline(element);
    let pipeline = gst::parse::launch(&description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let patience = gst::ClockTime::from_seconds(60);
    let end = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(patience, &ends)
        .expect("an end");
    let stats = pipeline
        .by_name("codec")
        .unwrap()
        .property::<gst::Structure>("stats");
    let session = stats.get::<u64>("session").unwrap();
    if let gst::MessageView::Error(error) = end.view() {
        let details = error.details().expect("details");
        assert_eq!(details.get::<u64>("session"), Ok(session));
        assert_eq!(details.get::<&str>("library"), Ok(codec));
    }
    let outcome = stats.get::<String>("outcome").unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    (session, outcome)
}

/// What the application sees of the ledger.
fn accounts() -> gst::Structure {
    let type_ = glib::Type::from_name(LEDGER).expect("a type of this name");
    glib::Object::with_type(type_).emit_by_name("accounts", &[])
}

/// What the ledger says of a codec.
fn count(codec: &str, what: &str) -> u64 {
    let account = accounts().get::<gst::Structure>(codec);
    account.map_or(0, |account| account.get(what).unwrap())
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        let waited = begin.elapsed();
        assert!(waited < Duration::from_secs(30), "{what}: {:?}", accounts());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs the test of this name in a child.
fn child(this: &str, part: &str) -> Launch {
    Launch::this_test(this)
        .env(PART, part)
        .env("GST_DEBUG", "codecwatch:WARNING")
        .bound(Duration::from_secs(120))
}

fn passes(run: Finished) -> Finished {
    assert_eq!(run.code(), 0, "{}", run.text());
    run
}

/// In a child: loads the plugins' files.
fn load_files() {
    gst::init().unwrap();
    for element in [ENCODER, DECODER] {
        let factory = gst::ElementFactory::find(element).unwrap();
        let factory = factory.load().unwrap();
        let plugin = factory.plugin().unwrap();
        let file = plugin.filename().expect("the plugin is linked in");
        assert!(file.extension().is_some_and(|so| so == "so"), "{file:?}");
    }
}

#[test]
fn two_plugin_files_that_each_abandon_a_worker_have_one_ledger_that_says_two() {
    let this = "two_plugin_files_that_each_abandon_a_worker_have_one_ledger_that_says_two";
    if !is_child() {
        for first in [ENCODER, DECODER] {
            let script = "svt_av1_enc_send_picture:hang=8s@5,dav1d_send_data:hang=8s@5";
            let run = passes(child(this, first).rehearse(script).run());
            let keeps = run.says("uses a separate ledger");
            assert!(!keeps, "{}", run.text());
        }
        return;
    }
    load_files();
    let first = std::env::var(PART).unwrap();
    let second = if first == ENCODER { DECODER } else { ENCODER };
    let (one, outcome) = play(&first);
    assert_eq!(outcome, "WatchdogAbandoned");
    let (another, outcome) = play(second);
    assert_eq!(outcome, "WatchdogAbandoned");
    let sum = |what| count("SVT-AV1", what) + count("dav1d", what);
    assert_eq!(sum("abandoned"), 2, "{:?}", accounts());
    assert_eq!(
        [count("SVT-AV1", "opened"), count("dav1d", "opened")],
        [1, 1]
    );
    eventually("both come back", || sum("reclaimed") == 2);
    // Sessions of both files, in turn: each has a number of its own.
    let mut sessions = vec![one, another];
    for element in [&*first, second, &first] {
        let (session, outcome) = play(element);
        assert_eq!(outcome, "Completed");
        sessions.push(session);
    }
    assert!(
        sessions.is_sorted_by(|earlier, later| earlier < later),
        "{sessions:?}"
    );
    assert_eq!(sum("completed"), 3, "{:?}", accounts());
}

#[test]
fn stats_says_what_the_ledger_says_of_the_codec() {
    let this = "stats_says_what_the_ledger_says_of_the_codec";
    if !is_child() {
        for first in [ENCODER, DECODER] {
            passes(child(this, first).run());
        }
        return;
    }
    load_files();
    let first = std::env::var(PART).unwrap();
    // Who is first keeps the ledger; here, it is asked of both.
    let _keeper = gst::ElementFactory::make(&first).build().unwrap();
    for element in [ENCODER, DECODER] {
        let (description, codec) = pipeline(element);
        let pipeline = gst::parse::launch(&description).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let element = pipeline.by_name("codec").unwrap();
        let ledger = || {
            let stats = element.property::<gst::Structure>("stats");
            stats.get::<gst::Structure>("ledger").ok()
        };
        eventually("it is open", || count(codec, "opened") == 1);
        let eos = pipeline.bus().unwrap().timed_pop_filtered(
            gst::ClockTime::from_seconds(60),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        assert_eq!(eos.unwrap().type_(), gst::MessageType::Eos);
        let account = accounts().get::<gst::Structure>(codec).unwrap();
        assert_eq!(account.get::<u64>("completed"), Ok(1));
        assert_eq!(ledger(), Some(account));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn sessions_of_both_files_that_come_and_go_at_once_are_all_counted() {
    let this = "sessions_of_both_files_that_come_and_go_at_once_are_all_counted";
    if !is_child() {
        for first in [ENCODER, DECODER] {
            passes(child(this, first).run());
        }
        return;
    }
    load_files();
    let first = std::env::var(PART).unwrap();
    let _keeper = gst::ElementFactory::make(&first).build().unwrap();
    const EACH: u64 = 3;
    let threads = [ENCODER, DECODER, ENCODER, DECODER].map(|element| {
        std::thread::spawn(move || {
            let plays = (0..EACH).map(|_| {
                let (session, outcome) = play(element);
                assert_eq!(outcome, "Completed", "{element}");
                session
            });
            Vec::from_iter(plays)
        })
    });
    // Somebody reads all the while.
    while !threads.iter().all(|thread| thread.is_finished()) {
        let accounts = accounts();
        assert!(accounts.n_fields() <= 2, "{accounts:?}");
    }
    let sessions = threads.map(|thread| thread.join().unwrap()).concat();
    let mut sorted = sessions.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, Vec::from_iter(1..=4 * EACH), "{sessions:?}");
    for codec in ["SVT-AV1", "dav1d"] {
        let counts = ["opened", "completed", "abandoned"].map(|what| count(codec, what));
        assert_eq!(counts, [2 * EACH, 2 * EACH, 0], "{codec}");
        eventually("all are closed", || count(codec, "retiring") == 0);
    }
}

#[test]
fn a_restart_is_in_the_ledger_when_its_message_comes() {
    let this = "a_restart_is_in_the_ledger_when_its_message_comes";
    if !is_child() {
        for second in [ENCODER, DECODER] {
            let script = "svt_av1_enc_send_picture:hang@5,dav1d_send_data:hang@5";
            passes(child(this, second).rehearse(script).run());
        }
        return;
    }
    load_files();
    let second = std::env::var(PART).unwrap();
    let first = if second == ENCODER { DECODER } else { ENCODER };
    let _keeper = gst::ElementFactory::make(first).build().unwrap();
    let (description, codec) = pipeline(&second);
    let pipeline = gst::parse::launch(&description).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let element = pipeline.by_name("codec").unwrap();
    element.set_property("restart-limit", 1_u32);
    let (tell, told) = std::sync::mpsc::channel();
    pipeline.bus().unwrap().set_sync_handler(move |_, message| {
        if let gst::MessageView::Element(_) = message.view() {
            tell.send(count(codec, "restarts")).unwrap();
        }
        gst::BusSyncReply::Drop
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(1));
    let stats = element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u32>("restarts"), Ok(1));
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn first_elements_of_two_plugin_files_may_be_made_at_the_same_time() {
    let this = "first_elements_of_two_plugin_files_may_be_made_at_the_same_time";
    if !is_child() {
        for _ in 0..5 {
            let run = passes(child(this, "").run());
            let keeps = run.says("uses a separate ledger");
            assert!(!keeps, "{}", run.text());
        }
        return;
    }
    load_files();
    const THREADS: usize = 8;
    let together = Arc::new(Barrier::new(THREADS));
    let threads = [ENCODER, DECODER].into_iter().cycle().take(THREADS);
    let threads = threads.map(|element| {
        let together = together.clone();
        std::thread::spawn(move || {
            let factory = gst::ElementFactory::find(element).unwrap();
            together.wait();
            factory.create().build().unwrap()
        })
    });
    let threads = Vec::from_iter(threads);
    let elements = Vec::from_iter(threads.into_iter().map(|thread| thread.join().unwrap()));
    assert_eq!(elements.len(), THREADS);
    let (one, another) = (play(ENCODER).0, play(DECODER).0);
    assert_eq!((one, another), (1, 2));
    assert_eq!(accounts().n_fields(), 2, "{:?}", accounts());
}

/// A type of the ledger's name whose signals are others.
mod stranger {
    use std::sync::LazyLock;

    use gst::glib;
    use gst::glib::subclass::Signal;
    use gst::subclass::prelude::*;

    glib::wrapper! {
        pub(crate) struct Stranger(ObjectSubclass<imp::Stranger>);
    }

    pub(crate) mod imp {
        use super::*;

        #[derive(Debug, Default)]
        pub(crate) struct Stranger;

        #[glib::object_subclass]
        impl ObjectSubclass for Stranger {
            const NAME: &'static str = crate::LEDGER;
            type Type = super::Stranger;
        }

        impl ObjectImpl for Stranger {
            fn signals() -> &'static [Signal] {
                static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
                    [Signal::builder("change")
                        .param_types([glib::Type::STRING])
                        .action()
                        .build()]
                });
                &*SIGNALS
            }
        }
    }
}

#[test]
fn beside_a_type_of_that_name_which_is_something_else_each_file_keeps_its_own_ledger() {
    let this = "beside_a_type_of_that_name_which_is_something_else_each_file_keeps_its_own_ledger";
    if !is_child() {
        let run = passes(child(this, "").run());
        let complaints = run.lines.iter().filter(|line| {
            let text = &line.text;
            text.contains("uses a separate ledger") && text.contains("no signal \"change\"")
        });
        assert_eq!(complaints.count(), 2, "{}", run.text());
        return;
    }
    gst::init().unwrap();
    assert!(stranger::Stranger::static_type().is_valid());
    load_files();
    for element in [ENCODER, DECODER] {
        let (session, outcome) = play(element);
        assert_eq!((session, &*outcome), (1, "Completed"));
        assert_eq!(play(element).0, 2);
    }
}

#[test]
fn a_python_program_reads_the_ledger_as_the_documentation_says() {
    const PYTHON: &str = "/usr/bin/python3";
    const BEFORE: &str = "
import gi
gi.require_version('Gst', '1.0')
from gi.repository import GObject, Gst
Gst.init(None)
";
    let python = |program: &str| Launch::program(PYTHON).args(["-c", program]);
    if !std::path::Path::new(PYTHON).exists() || python(BEFORE).run().code() != 0 {
        return support::skip("ledger", "no GStreamer for Python");
    }
    let documentation = include_str!("../../docs/ELEMENTS.md");
    let (_, after) = documentation.split_once("```python\n").unwrap();
    let (example, _) = after.split_once("```").unwrap();
    let play = [ENCODER, DECODER].map(|element| {
        format!(
            "
pipeline = Gst.parse_launch('{}')
pipeline.set_state(Gst.State.PLAYING)
end = pipeline.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS)
print('ended' if end else 'hangs')
pipeline.set_state(Gst.State.NULL)
",
            pipeline(element).0
        )
    });
    let run = passes(python(&[BEFORE, &play[0], &play[1], example].concat()).run());
    assert!(!run.says("hangs"), "{}", run.text());
    for codec in ["SVT-AV1", "dav1d"] {
        let says = run.lines.iter().any(|line| {
            let text = &line.text;
            text.starts_with(codec) && text.contains("completed=(guint64)1")
        });
        assert!(says, "{codec}: {}", run.text());
    }
}
