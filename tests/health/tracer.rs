// SPDX-License-Identifier: MPL-2.0
//! The parameters of the tracer, and what the service is for the program.

use std::net::TcpListener;

use support::{Launch, http};

use crate::rig::{LIVE, Stage};

const PROGRAM: &str = "videotestsrc num-buffers=3 ! capsfilter ! fakesink";

/// The warnings of a program with these tracers, which runs to its end whatever they are.
fn warnings(tracers: &str) -> (Vec<String>, String) {
    let run = Launch::pipeline(PROGRAM).env("GST_TRACERS", tracers).run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert!(run.says("EOS"), "{}", run.text());
    let lines = run
        .lines
        .iter()
        .filter(|line| line.text.contains("WARNING"));
    (lines.map(|line| line.text.clone()).collect(), run.text())
}

#[test]
fn what_cannot_be_served_is_one_warning_and_the_program_runs_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (tracers, said) in [
        ("codecwatch(listen=here)".to_owned(), "'here' is no address"),
        ("codecwatch(listen=)".to_owned(), "'' is no address"),
        (
            "codecwatch(listen=127.0.0.1)".to_owned(),
            "'127.0.0.1' is no address",
        ),
        (
            "codecwatch(listen=127.0.0.1:99999)".to_owned(),
            "is no address",
        ),
        (format!("codecwatch(listen={taken})"), "choose another port"),
        (
            "codecwatch(listen=192.0.2.1:80)".to_owned(),
            "no address of this machine",
        ),
        (
            "codecwatch(listen=0,port-file=/none/port)".to_owned(),
            "/none/port",
        ),
        (
            "codecwatch(listens=0)".to_owned(),
            "there is no parameter 'listens'",
        ),
        (
            "codecwatch(port-file=/tmp/port)".to_owned(),
            "ignored without 'listen'",
        ),
        (
            "codecwatch(drain-file=/tmp/drain)".to_owned(),
            "ignored without 'listen'",
        ),
        (
            "codecwatch(wrap=none,listen=0)".to_owned(),
            "none is not wrapped",
        ),
    ] {
        let (warnings, _) = warnings(&tracers);
        assert_eq!(warnings.len(), 1, "{tracers}: {warnings:?}");
        assert!(warnings[0].contains(said), "{tracers}: {warnings:?}");
    }
}

#[test]
fn any_port_is_printed_and_a_given_one_is_not() {
    let (complaints, text) = warnings("codecwatch(listen=127.0.0.1:0)");
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(
        text.contains("codecwatch: health at http://127.0.0.1:"),
        "{text}"
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (complaints, text) = warnings(&format!("codecwatch(listen={port})"));
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(!text.contains("health at"), "{text}");
}

#[test]
fn health_is_served_beside_wrapped_elements_and_other_tracers() {
    let pipeline = format!("{LIVE} ! jpegenc name=enc ! fakesink");
    for parameters in ["wrap=jpegenc,", "wrap=jpegenc;vp8enc,"] {
        let stage = Stage::with(&[&pipeline], parameters, |launch| launch);
        stage.until("frames", |stage| {
            stage.element("enc")["frames"]["out"].as_u64() > Some(5)
        });
        assert_eq!(stage.element("enc")["factory"], "jpegenc");
        assert_eq!(stage.element("enc")["codec"], "jpegenc");
        stage.quit();
    }
}

#[test]
fn the_port_is_closed_when_gstreamer_is_deinitialised() {
    let stage = Stage::new(&[]);
    let port = stage.port;
    assert_eq!(stage.get("/readyz").status, 200);
    let ended = stage.quit();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.says("ended"), "{}", ended.text());
    assert!(!http::listens(port));
}

#[test]
fn a_program_drains_while_its_drain_file_is_there() {
    let stage = Stage::new(&[]);
    assert_eq!(stage.get("/readyz").status, 200);
    std::fs::write(stage.drain_file(), "").unwrap();
    let ready = stage.get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert_eq!(ready.body, "shutdown: the process drains for shutdown\n");
    assert_eq!(stage.health()["reasons"][0]["kind"], "shutdown");
    assert_eq!(stage.metric("codecwatch_ready"), Some(0.0));
    assert_eq!(stage.get("/livez").status, 200);
    std::fs::remove_file(stage.drain_file()).unwrap();
    assert_eq!(stage.get("/readyz").status, 200);
    stage.quit();
}

#[test]
fn several_processes_have_their_own() {
    let stages = [0, 1, 2].map(|_| Stage::new(&[]));
    for stage in &stages {
        assert_eq!(stage.health()["pid"], stage.running.id());
    }
    for stage in stages {
        stage.quit();
    }
}

#[test]
fn the_name_that_an_element_gets_later_is_the_one_that_is_shown() {
    // gst_parse_launch sets it after the element was made.
    let named = format!("{LIVE} ! codecwatch codec=identity name=first ! fakesink");
    let mut stage = Stage::new(&[&named]);
    stage.element("first");
    stage.tell("ready 0");
    stage.element("first");
    stage.quit();
}

/// A program that is served, with its port file, until its service closes.
fn served(listen: u16, file: &std::path::Path) -> support::Running {
    let tracers = format!("codecwatch(listen={listen},port-file={})", file.display());
    let launch = Launch::program(env!("CARGO_BIN_EXE_codecwatch-stage"));
    let mut running = launch.env("GST_TRACERS", tracers).told().start();
    running.wait_for("playing");
    running
}

fn quit(mut running: support::Running) -> support::Finished {
    running.tell("quit");
    running.finish()
}

fn port(file: &std::path::Path) -> u16 {
    let text = std::fs::read_to_string(file).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_process_that_cannot_listen_leaves_the_port_file_of_the_one_that_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let first = served(0, &file);
    let listens = port(&file);
    let ended = quit(served(listens, &file));
    assert!(ended.says("choose another port"), "{}", ended.text());
    assert_eq!(port(&file), listens);
    assert_eq!(http::get(listens, "/livez").unwrap().status, 200);
    quit(first);
    assert!(!file.exists());
}

#[test]
fn a_process_that_ends_leaves_the_port_file_of_its_successor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let first = served(0, &file);
    let before = port(&file);
    let second = served(0, &file);
    let listens = port(&file);
    assert_ne!(listens, before);
    quit(first);
    assert_eq!(port(&file), listens);
    assert_eq!(http::get(listens, "/livez").unwrap().status, 200);
    quit(second);
    assert!(!file.exists());
}

#[test]
fn several_entries_count_as_one() {
    let pipeline = format!(
        "{LIVE} ! tee name=t t. ! queue ! jpegenc name=first ! fakesink \
         t. ! queue ! vp8enc name=second deadline=1 ! fakesink"
    );
    for parameters in [
        "wrap=jpegenc;vp8enc);codecwatch(",
        "wrap=jpegenc);stats;codecwatch(wrap=vp8enc,",
        "wrap=vp8enc;jpegenc;vp8enc);codecwatch;codecwatch(wrap=jpegenc;vp8enc,",
    ] {
        let stage = Stage::with(&[&pipeline], parameters, |launch| launch);
        for (name, codec) in [("first", "jpegenc"), ("second", "vp8enc")] {
            stage.until("frames", |stage| {
                stage.element(name)["frames"]["out"].as_u64() > Some(2)
            });
            assert_eq!(stage.element(name)["codec"], codec, "{parameters}");
        }
        let ended = stage.quit();
        assert!(!ended.says("WARNING"), "{parameters}: {}", ended.text());
    }
}

#[test]
fn what_two_entries_say_differently_is_one_warning_and_one_service() {
    let tracers = "codecwatch(listen=0);codecwatch(listen=127.0.0.1:0)";
    let (warnings, text) = warnings(tracers);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let said = "'listen' is given more than once";
    assert!(warnings[0].contains(said), "{warnings:?}");
    assert_eq!(text.matches("health at").count(), 1, "{text}");
    // The element has its name as ever.
    let run = Launch::pipeline("videotestsrc num-buffers=3 ! codecwatch codec=identity ! fakesink");
    let run = run.env("GST_TRACERS", tracers).run();
    assert_eq!(run.code(), 0, "{}", run.text());
}

#[test]
fn a_missing_parenthesis_is_one_warning_that_says_where() {
    for (tracers, entry) in [
        (
            "codecwatch(wrap=jpegenc;vp8enc,listen=0",
            "'codecwatch(wrap=jpegenc;vp8enc,listen=0': only 'wrap=jpegenc' is used",
        ),
        // Names that GStreamer must not take for those of tracers.
        (
            "codecwatch(wrap=jpegenc;vp8enc;tee",
            "'codecwatch(wrap=jpegenc;vp8enc;tee': only 'wrap=jpegenc' is used",
        ),
        ("codecwatch(listen=0", "'codecwatch(listen=0'"),
        (
            "codecwatch(wrap=jpegenc;codecwatch(listen=0)",
            "'codecwatch(wrap=jpegenc'",
        ),
        (
            "codecwatch(wrap=jpegenc;stats;capsfilter;codecwatch(listen=0)",
            "'codecwatch(wrap=jpegenc;stats;capsfilter': only 'wrap=jpegenc' is used",
        ),
    ] {
        let (mut warnings, text) = warnings(tracers);
        // From 1.24 on GStreamer says itself that a piece with a comma in it is no tracer.
        warnings.retain(|line| !line.contains("no tracer named 'vp8enc,listen=0'"));
        assert_eq!(warnings.len(), 1, "{tracers}: {warnings:?}");
        let said = format!("')' is missing in {entry}");
        assert!(warnings[0].contains(&said), "{tracers}: {warnings:?}");
        let serves = tracers.contains("(listen=0");
        assert_eq!(text.contains("health at"), serves, "{tracers}: {text}");
    }
}
