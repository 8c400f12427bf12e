// SPDX-License-Identifier: MPL-2.0
use support::Launch;

/// Without a parser in between, into each container and back.
#[test]
fn mp4_and_matroska_take_the_stream_without_a_parser() {
    let folder = tempfile::tempdir().unwrap();
    for (muxer, demuxer, name) in [
        ("mp4mux", "qtdemux", "a.mp4"),
        ("matroskamux", "matroskademux", "a.mkv"),
    ] {
        let path = folder.path().join(name);
        let run = Launch::pipeline(&format!(
            "videotestsrc num-buffers=50 ! video/x-raw,width=128,height=96,framerate=25/1 \
             ! svtav1watchenc preset=12 ! {muxer} ! filesink location={}",
            path.display()
        ))
        .run();
        assert_eq!(run.code(), 0, "{}", run.text());
        let run = Launch::pipeline(&format!(
            "-v filesrc location={} ! {demuxer} ! video/x-av1 ! av1parse ! av1dec \
             ! video/x-raw,width=128,height=96 ! identity name=seen silent=false ! fakesink",
            path.display()
        ))
        .run();
        assert_eq!(run.code(), 0, "{}", run.text());
        let frames = run
            .lines
            .iter()
            .filter(|line| {
                line.text.starts_with("/") && line.text.contains("chain   ******* (seen")
            })
            .count();
        assert_eq!(frames, 50, "{muxer}: {}", run.text());
        assert!(run.says("codec_data"), "{muxer} lost codec_data");
    }
}
