// SPDX-License-Identifier: MPL-2.0
//! Settings that the library accepts but does not follow to the letter.

use crate::config::Config;
use crate::effective::{Effective, Mode, Structure};

/// Sentences for the user, in no particular order.
pub(crate) fn remarks(config: &Config, settings: &Effective) -> Vec<String> {
    let version = settings.version;
    let mut remarks = Vec::new();
    let mut remark = |text: String| remarks.push(format!("SVT-AV1 {version} {text}"));
    if settings.mode == Mode::ConstantBitrate
        && settings.structure == Structure::LowDelay
        && !settings.structure_was_named
        && !config.low_delay
    {
        remark("supports a constant bitrate only in low delay: low delay is turned on".into());
    }
    match (settings.mode, settings.coded_mode()) {
        (Mode::Variable, Mode::ConstantBitrate) => {
            remark(
                "does not support a variable bitrate in low delay: the bitrate will be constant"
                    .into(),
            );
        }
        (Mode::ConstantBitrate, Mode::Variable) => {
            remark(
                "supports a constant bitrate only in low delay: the bitrate will be variable"
                    .into(),
            );
        }
        _ => {}
    }
    if settings.max_bitrate != 0 && settings.ignores_maximum() {
        remark("supports max-bitrate only in random access: it is ignored".into());
    }
    let preset = settings.coded_preset();
    if preset != settings.preset {
        remark(format!(
            "does not support preset {} for this stream: preset {preset} is used",
            settings.preset
        ));
    }
    if config.level_of_parallelism != 0 && !version.at_least(3, 0) {
        remark(
            "does not support level-of-parallelism: it is ignored; use logical-processors".into(),
        );
    }
    if config.logical_processors != 0 && version.at_least(3, 0) {
        remark(
            "does not support logical-processors: it is ignored; use level-of-parallelism".into(),
        );
    }
    if config.target_socket != -1 && version.at_least(4, 0) {
        remark("does not support target-socket: it is ignored".into());
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateControl;
    use crate::effective::tests::{NEW, OLD, config, with};

    #[test]
    fn what_the_library_changes_is_remarked_on() {
        let said = |config: &Config, version| remarks(config, &Effective::new(config, version));
        assert!(said(&config(), OLD).is_empty());
        assert!(said(&rated(CBR, false), OLD)[0].contains("low delay is turned on"));
        assert!(said(&rated(CBR, true), OLD).is_empty());
        assert!(said(&rated(VBR, true), OLD)[0].contains("constant"));
        let capped = with("rc=2:tbr=500:mbr=600");
        assert!(
            said(&capped, NEW)
                .iter()
                .any(|said| said.contains("it is ignored"))
        );
        let fast = Config {
            preset: 13,
            ..config()
        };
        assert!(said(&fast, NEW)[0].contains("preset 11 is used"));
        let threads = Config {
            logical_processors: 2,
            level_of_parallelism: 2,
            target_socket: 0,
            ..config()
        };
        assert_eq!(said(&threads, OLD).len(), 1);
        assert_eq!(said(&threads, NEW).len(), 2);
    }

    const VBR: RateControl = RateControl::Vbr {
        target: 500_000,
        max: None,
    };
    const CBR: RateControl = RateControl::Cbr { target: 500_000 };

    fn rated(rate_control: RateControl, low_delay: bool) -> Config {
        Config {
            rate_control,
            low_delay,
            ..config()
        }
    }
}
