// SPDX-License-Identifier: MPL-2.0
//! A degraded encode is never taken for a whole one.

use crate::rig::{Options, PROTOCOLS, QUICK, STATUS, Service, until};

/// Half of the frames have left the encoder: each as soon as it is ready, and so slowly
/// that a client has got some.
const HALF_WAY: &str = "svt_av1_enc_get_packet:delay=20ms,svt_av1_enc_get_packet:";

/// Posts over both protocols, with and without trailers, to a service of its own each,
/// whose codec strikes half way. What came has to be cut off.
fn is_cut_off(fault: &str, properties: &str, arguments: &[&str], says: &str) {
    for protocol in PROTOCOLS {
        for trailers in [&["--header", "TE: trailers"][..], &[]] {
            let options = Options {
                arguments,
                video: &format!("{QUICK},low-latency=true{properties}"),
                script: &format!("{HALF_WAY}{fault}@30"),
            };
            let service = Service::start(&options);
            let files = ["--output", "out.mkv", "--dump-header", "head", protocol];
            service.post_cut_off("in.mp4", &[&files, trailers].concat());
            let head = std::fs::read_to_string(service.path("head")).unwrap();
            assert!(
                !head.to_lowercase().contains("codecwatch-status: "),
                "{head}"
            );
            assert!(std::fs::metadata(service.path("out.mkv")).unwrap().len() > 0);
            // A client may see the end before the service has told of it.
            until("told", || service.text().contains(says));
            let told = service.text();
            assert!(!told.contains("complete,"), "{told}");
            // The element is gone, and what is abandoned is below its limit.
            until("ready", || service.health("/readyz") == 200);
        }
    }
}

#[test]
fn a_codec_that_fails_cuts_the_body_off() {
    is_cut_off("fail", "", &[], "degraded: video-encoder");
}

#[test]
fn a_codec_that_wedges_in_mid_stream_cuts_the_body_off() {
    is_cut_off("hang", "", &[], "degraded: video-encoder");
}

#[test]
fn an_error_that_eos_comes_before_cuts_the_body_off() {
    // Without audio nothing holds the EOS of the video up.
    let properties = ",eos-after-failure=true";
    let alone = ["--audio", "none"];
    is_cut_off("fail", properties, &alone, "degraded: video-encoder");
}

#[test]
fn a_codec_that_crashes_in_its_own_process_cuts_the_body_off() {
    if !support::worker().exists() {
        return support::skip("oneshot", "codecwatch-worker-tests is not built");
    }
    is_cut_off("abort", "", &["--isolate"], "degraded: video-encoder");
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
