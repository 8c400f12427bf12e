// SPDX-License-Identifier: MPL-2.0
//! A degraded encode is never taken for a whole one.

use crate::rig::{CUT_OFF, Options, PROTOCOLS, QUICK, STATUS, Service};

/// Posts over both protocols, with and without trailers, and expects that what came was
/// cut off.
fn is_cut_off(service: &Service, says: &str) {
    for (protocol, code) in PROTOCOLS.into_iter().zip(CUT_OFF) {
        let arguments = [
            "--output",
            "out.mkv",
            "--dump-header",
            "head",
            "--header",
            "TE: trailers",
            protocol,
        ];
        // `--header "TE: trailers"` is left out.
        let without = [&arguments[..4], &arguments[6..]].concat();
        for arguments in [&arguments[..], &without] {
            service.post("in.mp4", arguments, code, 200);
            let head = std::fs::read_to_string(service.path("head")).unwrap();
            assert!(
                !head.to_lowercase().contains("codecwatch-status: "),
                "{head}"
            );
            assert!(std::fs::metadata(service.path("out.mkv")).unwrap().len() > 0);
        }
    }
    let told = service.text();
    assert_eq!(told.matches(says).count(), 4, "{told}");
    assert!(!told.contains("complete,"), "{told}");
}

#[test]
fn a_codec_that_fails_at_the_end_cuts_the_body_off() {
    let options = Options {
        // Frames leave the encoder before the stream ends.
        video: &format!("{QUICK},low-latency=true"),
        script: "svt_av1_enc_get_packet:fail@flush+",
        ..Options::default()
    };
    is_cut_off(&Service::start(&options), "degraded: video-encoder");
}

#[test]
fn a_codec_that_wedges_in_mid_stream_cuts_the_body_off() {
    let options = Options {
        // Each wedge is abandoned, and counted for the whole process.
        video: &format!("{QUICK},low-latency=true,max-abandoned=8"),
        script: "svt_av1_enc_get_packet:hang@flush+",
        ..Options::default()
    };
    is_cut_off(&Service::start(&options), "degraded: video-encoder");
}

#[test]
fn a_codec_that_crashes_in_its_own_process_cuts_the_body_off() {
    let options = Options {
        arguments: &["--isolate"],
        video: &format!("{QUICK},low-latency=true"),
        // Counted in each child.
        script: "svt_av1_enc_get_packet:abort@flush",
    };
    let service = Service::start(&options);
    is_cut_off(&service, "degraded: video-encoder");
    assert_eq!(service.health("/readyz"), 200);
}

#[test]
fn a_codec_that_wedges_before_any_output_is_500() {
    let options = Options {
        video: &format!("{QUICK},max-abandoned=2"),
        script: "svt_av1_enc_send_picture:hang",
        ..Options::default()
    };
    let service = Service::start(&options);
    for protocol in PROTOCOLS {
        let run = service.post("in.mp4", &["--fail-with-body", protocol], STATUS, 500);
        assert!(run.says("degraded: video-encoder"), "{}", run.text());
        assert!(run.says("svt_av1_enc_send_picture"), "{}", run.text());
    }
    // As many are abandoned as are allowed: somebody else has to do it.
    let run = service.post("in.mp4", &["--fail-with-body"], STATUS, 503);
    assert!(run.says("max-abandoned"), "{}", run.text());
    assert_eq!(service.health("/readyz"), 503);
    assert_eq!(service.health("/livez"), 200);
}

#[test]
fn an_error_after_the_end_of_the_stream_cuts_the_body_off() {
    let options = Options {
        video: &format!("{QUICK},low-latency=true,eos-after-failure=true"),
        script: "svt_av1_enc_get_packet:fail@flush+",
        ..Options::default()
    };
    is_cut_off(&Service::start(&options), "degraded: ");
}

#[test]
fn an_input_that_is_cut_off_is_no_whole_output() {
    let service = Service::start(&Options::default());
    crate::material::make(&format!(
        "filesrc location={} ! qtdemux ! h264parse ! matroskamux ! filesink location={}",
        service.path("in.mp4").display(),
        service.path("whole.mkv").display()
    ));
    let bytes = std::fs::read(service.path("whole.mkv")).unwrap();
    std::fs::write(service.path("cut.mkv"), &bytes[..bytes.len() / 3]).unwrap();
    let run = service
        .curl("cut.mkv", &["--fail", "--output", "out.mkv"])
        .run();
    assert!([18, STATUS].contains(&run.code()), "{}", run.text());
    assert!(service.text().contains("damaged: "), "{}", service.text());
}
