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
