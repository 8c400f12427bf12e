// SPDX-License-Identifier: MPL-2.0
//! What the probes and the numbers say while codecs work, wedge, fail and come back.

use std::time::Duration;

use crate::rig::{LIVE, Stage, going_wrong};

#[test]
fn a_trip_is_told_within_a_second_and_until_the_element_works_again() {
    let wedged = going_wrong("stuck", "how=sleep", "");
    let mut stage = Stage::new(&[&wedged]);
    assert_eq!(stage.get("/readyz").status, 200);
    let tripped = stage.running.wait_for("error: ");
    let ready = stage.get("/readyz");
    let asked = stage.running.elapsed();
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(
        asked - tripped < Duration::from_secs(1),
        "{tripped:?} {asked:?}"
    );
    assert!(
        ready.body.contains("GstCodecWatch:stuck is wedged"),
        "{}",
        ready.body
    );
    assert!(ready.body.contains(", in wedge"), "no call: {}", ready.body);
    assert_eq!(stage.get("/livez").status, 200);
    let health = stage.health();
    let element = stage.element("stuck");
    assert_eq!(element["verdict"], "wedged");
    assert_eq!(element["failed"], true);
    assert!(element["call"]["age_seconds"].as_f64().unwrap() > 0.9);
    assert_eq!(health["faults"][0]["kind"], "failed");
    assert_eq!(health["faults"][0]["outcome"], "WatchdogAbandoned");
    assert_eq!(health["faults"][0]["element"], "stuck");
    // The next session hosts an element that does not wedge.
    stage.tell("ready 0");
    stage.tell("heal stuck");
    assert_eq!(stage.get("/readyz").status, 200, "{}", stage.health());
    stage.tell("play 0");
    stage.until("working again", |stage| {
        stage.element("stuck")["frames"]["out"].as_u64() > Some(60)
    });
    assert_eq!(stage.get("/readyz").status, 200);
    stage.quit();
}

#[test]
fn a_codec_in_a_child_process_is_seen_as_one_here() {
    let wedged = going_wrong("stuck", "how=sleep", "isolate=true");
    let killed = format!("{LIVE} ! codecwatch name=dead codec=identity isolate=true ! fakesink");
    let here = format!("{LIVE} ! codecwatch name=here codec=identity ! fakesink");
    let mut stage = Stage::new(&[&wedged, &killed, &here]);
    stage.until("both have a child", |stage| {
        ["stuck", "dead"].map(|name| stage.element(name)["process"].is_u64()) == [true, true]
    });
    let child = stage.element("stuck")["process"].as_u64().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{child}")).exists());
    assert_eq!(stage.element("here")["process"], serde_json::Value::Null);
    let dead = stage.element("dead")["process"].as_u64().unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-9", &dead.to_string()])
        .status();
    assert!(killed.unwrap().success());
    stage.until("both have failed", |stage| {
        ["stuck", "dead"].map(|name| stage.element(name)["failed"] == true) == [true, true]
    });
    let ready = stage.get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    let says = |text: &str| assert!(ready.body.contains(text), "{}", ready.body);
    says("GstCodecWatch:stuck is wedged");
    says("in wedge0: chain for ");
    says("GstCodecWatch:dead has failed");
    assert_eq!(stage.element("stuck")["outcome"], "WatchdogAbandoned");
    assert_eq!(stage.element("dead")["outcome"], "CodecCrashed");
    let crashes = "codecwatch_runs_total{codec=\"identity\",outcome=\"CodecCrashed\"}";
    assert_eq!(stage.metric(crashes), Some(1.0));
    // The child was killed, and what it held is not outstanding.
    stage.until("reclaimed", |stage| {
        stage.metric("codecwatch_workers_outstanding{codec=\"wedge\"}") == Some(0.0)
    });
    assert_eq!(stage.element("here")["failed"], false);
    for number in 0..2 {
        stage.tell(&format!("drop {number}"));
    }
    assert_eq!(stage.get("/readyz").status, 200, "{}", stage.health());
    stage.quit();
}

#[test]
fn an_element_that_refuses_to_start_is_told_until_it_starts_or_is_gone() {
    let missing = format!("{LIVE} ! codecwatch name=missing codec=nosuchenc ! fakesink");
    let wrong = format!("{LIVE} ! codecwatch name=wrong codec=\"jpegenc quality=500\" ! fakesink");
    let mut stage = Stage::new(&[&missing, &wrong]);
    let ready = stage.get("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.body);
    let says = |text: &str| assert!(ready.body.contains(text), "{}", ready.body);
    says("GstCodecWatch:missing has failed (no element 'nosuchenc' is installed");
    says("GstCodecWatch:wrong has failed (property 'quality' of 'jpegenc' does not take '500'");
    for name in ["missing", "wrong"] {
        assert_eq!(stage.element(name)["failed"], true, "{}", stage.health());
    }
    let health = stage.health();
    assert_eq!(health["faults"].as_array().unwrap().len(), 2, "{health}");
    assert_eq!(health["faults"][1]["kind"], "failed");
    assert_eq!(health["faults"][1]["outcome"], "Refused");
    // Each attempt is one more fault.
    stage.tell("play 1");
    assert_eq!(stage.health()["faults"].as_array().unwrap().len(), 3);
    assert_eq!(stage.element("wrong")["failed"], true);
    stage.tell("set wrong codec jpegenc");
    stage.tell("ready 1");
    assert_eq!(stage.element("wrong")["failed"], false);
    stage.tell("play 1");
    stage.until("working", |stage| {
        stage.element("wrong")["frames"]["out"].as_u64() > Some(3)
    });
    assert_eq!(stage.element("missing")["failed"], true);
    stage.tell("drop 0");
    assert_eq!(stage.get("/readyz").status, 200, "{}", stage.health());
    stage.quit();
}

#[test]
fn an_element_that_is_gone_is_no_reason_any_more_and_the_ledger_at_its_limit_is() {
    let wedged = going_wrong("stuck", "how=sleep", "max-abandoned=1");
    let healthy =
        format!("{LIVE} ! codecwatch name=well codec=identity max-abandoned=1 ! fakesink");
    let mut stage = Stage::new(&[&wedged, &healthy]);
    stage.until("wedged", |stage| stage.get("/readyz").status == 503);
    stage.tell("drop 0");
    let health = stage.health();
    assert_eq!(health["elements"].as_array().unwrap().len(), 1, "{health}");
    // Its worker is still out there.
    let ready = stage.get("/readyz");
    assert_eq!(ready.status, 503, "{health}");
    assert!(
        ready.body.starts_with("ledger: 1 workers of "),
        "{}",
        ready.body
    );
    assert_eq!(ready.body.lines().count(), 1, "{}", ready.body);
    stage.quit();
}

#[test]
fn elements_of_all_plugin_files_are_seen_with_what_they_do() {
    let encoder = format!(
        "{LIVE} ! svtav1watchenc name=enc preset=12 low-latency=true ! av1parse ! dav1dwatchdec \
         name=dec ! memorywatchenc name=mem ! fakesink"
    );
    let hosted = format!("{LIVE} ! bin.( codecwatch name=host codec=identity ) ! fakesink");
    let stage = Stage::new(&[&encoder, &hosted]);
    for (name, factory, codec) in [
        ("enc", "svtav1watchenc", "SVT-AV1"),
        ("dec", "dav1dwatchdec", "dav1d"),
        ("mem", "memorywatchenc", "memory"),
        ("host", "codecwatch", "identity"),
    ] {
        stage.until("enough frames", |stage| {
            stage.element(name)["frames"]["out"].as_u64() > Some(30)
        });
        let element = stage.element(name);
        assert_eq!(element["factory"], factory, "{element}");
        assert_eq!(element["codec"], codec, "{element}");
        assert_eq!(element["phase"], "running", "{element}");
        assert_eq!(element["failed"], false, "{element}");
        let path = element["path"].as_str().unwrap();
        assert!(path.starts_with("/GstPipeline:pipeline"), "{path}");
        assert!(path.ends_with(name), "{path}");
        let of_codec = format!("codecwatch_frames_out_total{{codec=\"{codec}\"}}");
        assert!(stage.metric(&of_codec) > Some(30.0));
        let lag = format!("codecwatch_lag_seconds_count{{codec=\"{codec}\"}}");
        assert!(stage.metric(&lag) > Some(30.0));
    }
    let call = "codecwatch_call_duration_seconds_count{codec=\"SVT-AV1\",call=\"svt_av1_enc_send_picture\"}";
    assert!(
        stage.metric(call) > Some(30.0),
        "{}",
        stage.get("/metrics").body
    );
    let health = stage.health();
    let ids = health["elements"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|element| element["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    stage.quit();
}

#[test]
fn calls_in_a_child_take_as_long_as_they_take_there() {
    const SLEEP: f64 = 0.01;
    let stage = Stage::new(&[&format!(
        "{LIVE} ! codecwatch name=host isolate=true codec=\"identity sleep-time=10000\" ! fakesink"
    )]);
    stage.until("enough frames", |stage| {
        stage.element("host")["frames"]["out"].as_u64() > Some(30)
    });
    let metrics = stage.get("/metrics").body;
    let of = |what: &str| -> f64 {
        let name = format!("codecwatch_call_duration_seconds_{what}{{");
        let mut calls = metrics.lines().filter(|line| line.starts_with(&name));
        let pushes = calls.find(|line| line.contains("chain\""));
        let (_, value) = pushes.expect(&metrics).rsplit_once(' ').unwrap();
        value.parse().unwrap()
    };
    // The parent learns of many a call when it has ended.
    assert!(of("count") > 30.0, "{metrics}");
    // The latest may be counted and not yet summed up.
    assert!(of("sum") >= (of("count") - 1.0) * SLEEP, "{metrics}");
    stage.quit();
}

#[test]
fn counters_never_run_backwards_whatever_comes_and_goes() {
    let again = going_wrong("again", "how=error", "restart-limit=1000");
    let passing = format!("{LIVE} ! codecwatch name=passing codec=identity ! fakesink");
    let mut stage = Stage::new(&[&again, &passing]);
    let counters = |stage: &Stage| {
        let text = stage.get("/metrics").body;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let counters = lines.filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            ["_total", "_count", "_bucket", "_sum"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        let pairs = counters.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse::<f64>().unwrap())
        });
        pairs.collect::<std::collections::BTreeMap<_, _>>()
    };
    let mut before = counters(&stage);
    let mut check = |stage: &Stage, step: &str| {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(50));
            let now = counters(stage);
            for (series, value) in &before {
                // A series of an element ends with it; one of a codec stays.
                match now.get(series) {
                    Some(now) => assert!(now >= value, "{step}: {series} {value} -> {now}"),
                    None => assert!(series.contains("element_"), "{step}: {series} is gone"),
                }
            }
            before = now;
        }
    };
    check(&stage, "restarts");
    let restarts = "codecwatch_restarts_total{codec=\"wedge\"}";
    assert!(
        stage.metric(restarts) >= Some(1.0),
        "{}",
        stage.get("/metrics").body
    );
    stage.tell("ready 0");
    check(&stage, "stopped");
    stage.tell("play 0");
    check(&stage, "again");
    stage.tell("drop 0");
    stage.tell("drop 1");
    check(&stage, "gone");
    assert_eq!(stage.health()["elements"].as_array().unwrap().len(), 0);
    assert!(stage.metric(restarts) >= Some(1.0));
    stage.quit();
}

#[test]
fn a_slow_codec_is_shown_as_slow_and_the_process_stays_ready() {
    let slow = going_wrong("slow", "how=spin time=20000", "");
    let stage = Stage::new(&[&slow]);
    stage.until("slow", |stage| stage.element("slow")["verdict"] == "slow");
    assert_eq!(stage.get("/readyz").status, 200);
    let health = stage.health();
    assert_eq!(health["faults"][0]["kind"], "slow", "{health}");
    let element = stage.element("slow");
    let evidence = element["evidence"].as_str();
    assert!(matches!(evidence, Some("busy" | "starved")), "{element}");
    stage.quit();
}

#[test]
fn the_main_thread_may_be_blocked() {
    let wedged = going_wrong("stuck", "how=sleep", "");
    let mut stage = Stage::new(&[&wedged]);
    stage.running.tell("block 3");
    stage.running.wait_for("done block 3");
    let blocked = stage.running.elapsed();
    stage.until("wedged", |stage| stage.get("/readyz").status == 503);
    assert_eq!(stage.get("/livez").status, 200);
    assert!(
        stage.running.elapsed() - blocked < Duration::from_secs(3),
        "too late to show it"
    );
    stage.quit();
}
