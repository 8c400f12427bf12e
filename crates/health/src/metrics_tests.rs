// SPDX-License-Identifier: MPL-2.0

use super::*;
use crate::report::Call;

fn report() -> Report {
    let times = Times {
        counts: vec![
            (Some(Duration::from_millis(10)), 2),
            (Some(Duration::from_millis(20)), 0),
            (None, 1),
        ],
        sum: Duration::from_millis(1_500),
    };
    let codec = Codec {
        name: "an \"odd\" codec\nof C:\\codecs".to_owned(),
        frames_in: 7,
        lag: times.clone(),
        calls: vec![("encode".to_owned(), times)],
        ..Codec::default()
    };
    let element = Element {
        id: 3,
        name: "enc".to_owned(),
        codec: "x".to_owned(),
        verdict: "slow".to_owned(),
        phase: "running".to_owned(),
        call: Some(Call {
            name: "encode".to_owned(),
            age: Duration::from_millis(250),
        }),
        ..Element::default()
    };
    Report {
        elements: vec![element],
        codecs: vec![codec],
        faults: Vec::new(),
    }
}

fn lines(report: &Report) -> Vec<String> {
    let text = encode(report, true, Duration::from_secs(9)).unwrap();
    assert!(text.ends_with("# EOF\n"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn buckets_hold_what_took_no_longer_than_their_bound() {
    let lines = lines(&report());
    let of = |series: &str| {
        let found = lines.iter().filter(|line| line.starts_with(series));
        found
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("codecwatch_lag_seconds_bucket"), ["2", "2", "3"]);
    assert_eq!(of("codecwatch_lag_seconds_count"), ["3"]);
    assert_eq!(of("codecwatch_lag_seconds_sum"), ["1.5"]);
    assert_eq!(of("codecwatch_call_duration_seconds_count"), ["3"]);
    let infinite = lines.iter().filter(|line| line.contains("le=\"+Inf\""));
    assert_eq!(infinite.count(), 2);
}

#[test]
fn a_name_may_have_any_characters() {
    let lines = lines(&report());
    let expected = r#"codecwatch_frames_in_total{codec="an \"odd\" codec\nof C:\\codecs"} 7"#;
    assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
}

#[test]
fn each_state_has_a_series_and_one_of_them_is_the_case() {
    let lines = lines(&report());
    for (what, states, now) in [
        ("verdict", &VERDICTS[..], "slow"),
        ("phase", &PHASES[..], "running"),
    ] {
        for state in states {
            let is_so = u8::from(*state == now);
            let labels = format!("element=\"enc\",id=\"3\",codec=\"x\",{what}=\"{state}\"");
            let expected = format!("codecwatch_element_{what}{{{labels}}} {is_so}");
            assert!(lines.contains(&expected), "no {expected}");
        }
    }
}

#[test]
fn nothing_to_report_is_a_report_too() {
    let lines = lines(&Report::default());
    assert!(lines.iter().any(|line| line == "codecwatch_ready 1"));
    assert!(
        lines
            .iter()
            .any(|line| line == "codecwatch_uptime_seconds 9.0")
    );
}
