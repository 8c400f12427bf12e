// SPDX-License-Identifier: MPL-2.0
//! What the user wants of video and audio.

use std::fmt;
use std::str::FromStr;

/// The encoder of the video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VideoSpec {
    /// Properties of `svtav1watchenc`, as `gst-launch-1.0` reads them.
    SvtAv1(String),
    /// A chain for `codecwatch`.
    Chain(String),
}

impl FromStr for VideoSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("svtav1", properties) => {
                let properties: Vec<&str> = properties
                    .split(',')
                    .filter(|part| !part.is_empty())
                    .collect();
                match properties.iter().find(|part| !part.contains('=')) {
                    Some(wrong) => Err(format!("'{wrong}' is not PROPERTY=VALUE")),
                    None => Ok(Self::SvtAv1(properties.join(" "))),
                }
            }
            ("codecwatch", "") => Err("codecwatch: needs a chain: codecwatch:x264enc".to_owned()),
            ("codecwatch", chain) => Ok(Self::Chain(chain.to_owned())),
            (other, _) => Err(format!(
                "'{other}' is no way to encode video: svtav1[:PROPERTY=VALUE,...] or codecwatch:CHAIN"
            )),
        }
    }
}

impl fmt::Display for VideoSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SvtAv1(properties) if properties.is_empty() => f.write_str("svtav1"),
            Self::SvtAv1(properties) => write!(f, "svtav1:{}", properties.replace(' ', ",")),
            Self::Chain(chain) => write!(f, "codecwatch:{chain}"),
        }
    }
}

/// What becomes of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AudioSpec {
    /// Copied where the output can hold it, otherwise Opus.
    Auto,
    Copy,
    /// With this bit rate.
    Opus(u32),
    None,
}

/// Bits per second: transparent for stereo.
pub(crate) const USUAL_OPUS: u32 = 128_000;

/// What libopus takes.
const OPUS_RATES: std::ops::RangeInclusive<u32> = 4_000..=650_000;

impl FromStr for AudioSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("auto", "") => Ok(Self::Auto),
            ("copy", "") => Ok(Self::Copy),
            ("none", "") => Ok(Self::None),
            ("opus", "") => Ok(Self::Opus(USUAL_OPUS)),
            ("opus", rate) => {
                let (number, factor) = match rate.strip_suffix(['k', 'K']) {
                    Some(number) => (number, 1000),
                    None => (rate, 1),
                };
                let rate = number
                    .parse::<u32>()
                    .ok()
                    .and_then(|rate| rate.checked_mul(factor));
                rate.filter(|rate| OPUS_RATES.contains(rate))
                    .map(Self::Opus)
                    .ok_or_else(|| {
                        format!(
                            "'{text}': Opus has {} to {} bits per second",
                            OPUS_RATES.start(),
                            OPUS_RATES.end()
                        )
                    })
            }
            _ => Err(format!("'{text}': auto, copy, opus[:BITRATE[k]] or none")),
        }
    }
}

impl fmt::Display for AudioSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Copy => f.write_str("copy"),
            Self::Opus(rate) => write!(f, "opus:{rate}"),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_is_read_as_the_elements_take_it() {
        let read = |text: &str| text.parse::<VideoSpec>();
        assert_eq!(read("svtav1"), Ok(VideoSpec::SvtAv1(String::new())));
        let with = VideoSpec::SvtAv1("preset=8 crf=32".into());
        assert_eq!(read("svtav1:preset=8,crf=32"), Ok(with));
        let chain = VideoSpec::Chain("x264enc tune=zerolatency ! h264parse".into());
        assert_eq!(
            read("codecwatch:x264enc tune=zerolatency ! h264parse"),
            Ok(chain)
        );
        for wrong in ["", "x264", "svtav1:preset", "codecwatch", "codecwatch:"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            "svtav1",
            "svtav1:preset=8,crf=32",
            "codecwatch:x264enc tune=zerolatency",
        ] {
            assert_eq!(text.parse::<VideoSpec>().unwrap().to_string(), text);
        }
        for text in ["auto", "copy", "none", "opus:96000"] {
            assert_eq!(text.parse::<AudioSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn audio_is_read_with_its_bit_rate() {
        let read = |text: &str| text.parse::<AudioSpec>();
        assert_eq!(read("auto"), Ok(AudioSpec::Auto));
        assert_eq!(read("copy"), Ok(AudioSpec::Copy));
        assert_eq!(read("none"), Ok(AudioSpec::None));
        assert_eq!(read("opus"), Ok(AudioSpec::Opus(128_000)));
        assert_eq!(read("opus:96k"), Ok(AudioSpec::Opus(96_000)));
        assert_eq!(read("opus:64000"), Ok(AudioSpec::Opus(64_000)));
        for wrong in [
            "",
            "mp3",
            "opus:",
            "opus:1",
            "opus:x",
            "opus:5000000k",
            "copy:1",
        ] {
            let is_default = wrong == "opus:";
            assert_eq!(read(wrong).is_ok(), is_default, "{wrong}");
        }
    }
}
