// SPDX-License-Identifier: MPL-2.0
//! The evidence of hosted chains.

use support::{Launch, media};

use crate::rig::{Place, SOON};

#[test]
fn the_sample_of_a_hosted_decoder_plays_in_gstreamer() {
    support::init();
    if gst::ElementFactory::find("avdec_h264").is_none() {
        return support::skip("evidence", "avdec_h264 is not installed");
    }
    for isolate in ["isolate=false", "isolate=true"] {
        let place = Place::new();
        let source = format!(
            "filesrc location={} ! qtdemux",
            media::h264_clip().display()
        );
        let codec = format!("codecwatch name=codec codec=avdec_h264 {isolate} {SOON}");
        let run = place
            .plays(&source, &codec)
            .rehearse("avcodec_send_packet:hang@40")
            .run();
        let folder = place.folder(&run);
        let file = folder.file();
        assert_eq!(folder.detail("outcome"), "WatchdogAbandoned", "{file:?}");
        assert!(
            file.versions
                .get("avdec_h264")
                .unwrap()
                .contains("plugin libav")
        );
        let sample = file.sample.unwrap();
        assert_eq!(sample.file, "sample.gdp");
        assert!(sample.begins_at_key_frame, "{sample:?}");
        assert!((40..100).contains(&sample.inputs), "{sample:?}");

        let path = folder.0.join("sample.gdp");
        let played = Launch::pipeline(&format!(
            "filesrc location={} ! gdpdepay ! avdec_h264 ! fakesink silent=false name=end -v",
            path.display()
        ))
        .run();
        assert_eq!(played.code(), 0, "{}", played.text());
        let frames = played.lines.iter();
        let frames = frames.filter(|line| line.text.contains("last-message = chain"));
        assert_eq!(frames.count() as u64, sample.inputs, "{}", played.text());

        let replay = folder.replay().run();
        assert_eq!(replay.code(), 1);
        assert!(
            replay.says("gdpdepay ! codecwatch codec=avdec_h264"),
            "{}",
            replay.text()
        );
    }
}
