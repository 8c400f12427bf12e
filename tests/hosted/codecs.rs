// SPDX-License-Identifier: MPL-2.0
//! Codecs of GStreamer's sets, and pipelines that give them input.

use crate::rig::{Item, produce};

const VIDEO: &str = "videotestsrc num-buffers=24 ! \
     video/x-raw,format=I420,width=160,height=120,framerate=25/1";
const OTHER_VIDEO: &str = "videotestsrc pattern=ball num-buffers=12 timestamp-offset=1000000000 ! \
     video/x-raw,format=I420,width=96,height=64,framerate=25/1";
const AUDIO: &str = "audiotestsrc num-buffers=40 samplesperbuffer=700 ! \
     audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved,channel-mask=(bitmask)3";
const OTHER_AUDIO: &str = "audiotestsrc wave=saw num-buffers=20 samplesperbuffer=700 \
     timestamp-offset=1000000000 ! \
     audio/x-raw,format=S16LE,rate=44100,channels=1,layout=interleaved";
const SPEECH: &str = "audiotestsrc num-buffers=40 samplesperbuffer=500 ! \
     audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved";

/// A codec, and where its input comes from.
pub(crate) struct Case {
    /// In the syntax of gst-launch.
    pub(crate) codec: &'static str,
    /// What is put before it.
    source: &'static str,
    /// What is between the source and the codec; may be empty.
    through: &'static str,
    /// A second format, if it takes new caps in mid-stream.
    other: Option<&'static str>,
    /// It can be flushed within a stream. (flacenc of GStreamer 1.22 ends the process
    /// then, bare, too.)
    pub(crate) flushes: bool,
}

const fn encoder(codec: &'static str, source: &'static str, other: &'static str) -> Case {
    Case {
        codec,
        source,
        through: "",
        other: Some(other),
        flushes: true,
    }
}

const fn decoder(
    codec: &'static str,
    source: &'static str,
    through: &'static str,
    other: &'static str,
) -> Case {
    Case {
        codec,
        source,
        through,
        other: Some(other),
        flushes: true,
    }
}

/// A codec that does not go on with new caps, bare or hosted.
const fn once(codec: &'static str, source: &'static str, through: &'static str) -> Case {
    Case {
        codec,
        source,
        through,
        other: None,
        flushes: true,
    }
}

const H264: &str = "x264enc tune=zerolatency key-int-max=8 speed-preset=ultrafast threads=1";

pub(crate) const CASES: &[Case] = &[
    // Video encoders.
    encoder(
        "x264enc speed-preset=ultrafast key-int-max=8 threads=1",
        VIDEO,
        OTHER_VIDEO,
    ),
    encoder(
        "x264enc tune=zerolatency bframes=2 speed-preset=superfast threads=1",
        VIDEO,
        OTHER_VIDEO,
    ),
    encoder(
        "vp8enc deadline=0 cpu-used=4 lag-in-frames=5 keyframe-max-dist=8",
        VIDEO,
        OTHER_VIDEO,
    ),
    encoder(
        "vp9enc deadline=0 cpu-used=5 lag-in-frames=5 threads=1",
        VIDEO,
        OTHER_VIDEO,
    ),
    // With new caps, theoraenc ends the process, bare, too.
    once("theoraenc", VIDEO, ""),
    encoder("jpegenc", VIDEO, OTHER_VIDEO),
    encoder("avenc_mjpeg threads=1", VIDEO, OTHER_VIDEO),
    encoder("videoconvert ! pngenc", VIDEO, OTHER_VIDEO),
    // Video decoders and parsers.
    decoder("avdec_h264 max-threads=1", VIDEO, H264, OTHER_VIDEO),
    decoder(
        "h264parse ! avdec_h264 max-threads=2",
        VIDEO,
        H264,
        OTHER_VIDEO,
    ),
    decoder(
        "h264parse ! video/x-h264,stream-format=avc ! identity",
        VIDEO,
        H264,
        OTHER_VIDEO,
    ),
    decoder(
        "openh264dec",
        VIDEO,
        "x264enc tune=zerolatency key-int-max=8 speed-preset=ultrafast threads=1 ! h264parse ! \
         video/x-h264,stream-format=byte-stream,alignment=au",
        OTHER_VIDEO,
    ),
    decoder("vp8dec", VIDEO, "vp8enc deadline=0 cpu-used=4", OTHER_VIDEO),
    decoder(
        "vp9dec",
        VIDEO,
        "vp9enc deadline=0 cpu-used=5 ! vp9parse",
        OTHER_VIDEO,
    ),
    decoder("theoradec", VIDEO, "theoraenc", OTHER_VIDEO),
    decoder("jpegdec", VIDEO, "jpegenc", OTHER_VIDEO),
    decoder("pngdec", VIDEO, "videoconvert ! pngenc", OTHER_VIDEO),
    // Conversion.
    encoder(
        "videoconvert ! video/x-raw,format=RGB ! identity",
        VIDEO,
        OTHER_VIDEO,
    ),
    encoder(
        "videoscale ! video/x-raw,width=80,height=60 ! identity",
        VIDEO,
        OTHER_VIDEO,
    ),
    // Audio encoders.
    encoder("opusenc", AUDIO, AUDIO),
    Case {
        flushes: false,
        ..once("flacenc", AUDIO, "")
    },
    encoder("lamemp3enc", AUDIO, OTHER_AUDIO),
    once(
        "vorbisenc",
        "audiotestsrc num-buffers=40 samplesperbuffer=700 ! audioconvert ! \
         audio/x-raw,format=F32LE,rate=48000,channels=2",
        "",
    ),
    encoder("mulawenc", SPEECH, SPEECH),
    encoder("alawenc", SPEECH, SPEECH),
    encoder("speexenc", SPEECH, SPEECH),
    encoder(
        "audioconvert ! audioresample ! audio/x-raw,rate=32000 ! voaacenc",
        AUDIO,
        AUDIO,
    ),
    // Audio decoders and parsers.
    decoder("opusdec", AUDIO, "opusenc", AUDIO),
    decoder("flacparse ! flacdec", AUDIO, "flacenc", OTHER_AUDIO),
    decoder(
        "mpegaudioparse ! mpg123audiodec",
        AUDIO,
        "lamemp3enc",
        OTHER_AUDIO,
    ),
    once(
        "vorbisdec",
        "audiotestsrc num-buffers=40 samplesperbuffer=700 ! audioconvert ! vorbisenc",
        "",
    ),
    decoder("mulawdec", SPEECH, "mulawenc", SPEECH),
    decoder("alawdec", SPEECH, "alawenc", SPEECH),
    decoder("speexdec", SPEECH, "speexenc", SPEECH),
    decoder("aacparse ! avdec_aac", AUDIO, "voaacenc", OTHER_AUDIO),
];

impl Case {
    /// The input, with the other format after it where there is one.
    pub(crate) fn input(&self) -> (Vec<Item>, Option<Vec<Item>>) {
        let through = |source: &str| {
            let link = if self.through.is_empty() { "" } else { " ! " };
            produce(&format!("{source}{link}{}", self.through))
        };
        (through(self.source), self.other.map(through))
    }

    /// Some seconds of input.
    pub(crate) fn long_input(&self) -> Vec<Item> {
        let through = if self.through.is_empty() { "" } else { " ! " };
        let text = format!("{}{through}{}", self.source, self.through);
        let text = text.replace("num-buffers=24", "num-buffers=80");
        produce(&text.replace("num-buffers=40", "num-buffers=500"))
    }

    /// Elements that it needs and that are not installed.
    pub(crate) fn missing(&self) -> Option<String> {
        let text = format!("{} ! {}", self.through, self.codec);
        text.split('!')
            .filter_map(|part| part.split_whitespace().next())
            .filter(|name| !name.contains('/'))
            .find(|name| gst::ElementFactory::find(name).is_none())
            .map(ToOwned::to_owned)
    }
}
