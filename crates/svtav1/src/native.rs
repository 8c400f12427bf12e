// SPDX-License-Identifier: MPL-2.0
//! Converts a [`Config`] to the library's configuration (the only place that does), in
//! the order of `svtav1enc`: coding, then parameters, then the picture.

use std::ffi::CString;

use codecwatch_supervisor::{CodecError, Lane};

use crate::check::check;
use crate::config::{
    BitDepth, ChromaPosition, Config, IntraRefresh, MAX_INTRA_PERIOD, MasteringDisplay, RateControl,
};
use crate::sys;
use crate::version::Version;

type Native = sys::EbSvtAv1EncConfiguration;

/// Sets the fields that `config` specifies; the rest keeps the library's defaults.
///
/// # Errors
/// [`CodecError::Settings`] naming the parameter that the library refuses.
pub(crate) fn configure<O: Send + 'static>(
    lane: &Lane<O>,
    config: &Config,
    native: &mut Native,
) -> Result<(), CodecError> {
    coding(config, native);
    for (name, value) in &config.parameters {
        parameter(lane, native, name, value)?;
    }
    settle(config, native);
    picture(config, native);
    Ok(())
}

fn coding(config: &Config, native: &mut Native) {
    native.enc_mode = config.preset.min(i8::MAX as u8) as i8;
    native.pred_structure = if config.low_delay {
        LOW_DELAY
    } else {
        RANDOM_ACCESS
    };
    match config.rate_control {
        RateControl::Library => {}
        RateControl::Crf(quality) => {
            native.rate_control_mode = CONSTANT;
            native.qp = quality.into();
        }
        RateControl::Cqp(quantiser) => {
            native.rate_control_mode = CONSTANT;
            native.qp = quantiser.into();
            adaptive_quantisation_off(native);
        }
        RateControl::Vbr { target, max } => {
            native.rate_control_mode = VARIABLE;
            native.target_bit_rate = target;
            native.max_bit_rate = max.unwrap_or_default();
        }
        RateControl::Cbr { target } => {
            native.rate_control_mode = CONSTANT_BITRATE;
            native.target_bit_rate = target;
            native.maximum_buffer_size_ms = config.maximum_buffer_size.into();
        }
    }
    if matches!(
        config.rate_control,
        RateControl::Vbr { .. } | RateControl::Cbr { .. }
    ) {
        native.min_qp_allowed = config.min_qp.into();
        native.max_qp_allowed = config.max_qp.into();
    }
    native.intra_period_length = config.intra_period_length.min(MAX_INTRA_PERIOD);
    native.intra_refresh_type = match config.intra_refresh {
        IntraRefresh::Cra => sys::SvtAv1IntraRefreshType_SVT_AV1_FWDKF_REFRESH,
        IntraRefresh::Idr => sys::SvtAv1IntraRefreshType_SVT_AV1_KF_REFRESH,
    };
    #[cfg(svt_3_0)]
    {
        native.level_of_parallelism = config.level_of_parallelism;
    }
    #[cfg(not(svt_3_0))]
    {
        native.logical_processors = config.logical_processors;
    }
    #[cfg(not(svt_4_0))]
    {
        native.target_socket = config.target_socket;
    }
}

// The type of these fields differs between versions; the values do not.
const CONSTANT: RateControlMode = 0;
const VARIABLE: RateControlMode = 1;
const CONSTANT_BITRATE: RateControlMode = 2;
#[cfg(svt_4_0)]
type RateControlMode = u8;
#[cfg(not(svt_4_0))]
type RateControlMode = u32;

const LOW_DELAY: PredStructure = 1;
const RANDOM_ACCESS: PredStructure = 2;
#[cfg(svt_4_0)]
type PredStructure = sys::PredStructure;
#[cfg(not(svt_4_0))]
type PredStructure = u8;

fn adaptive_quantisation_off(native: &mut Native) {
    #[cfg(svt_4_0)]
    {
        native.aq_mode = 0;
    }
    #[cfg(not(svt_4_0))]
    {
        native.enable_adaptive_quantization = 0;
    }
}

fn parameter<O: Send + 'static>(
    lane: &Lane<O>,
    native: &mut Native,
    name: &str,
    value: &str,
) -> Result<(), CodecError> {
    let refused = || {
        CodecError::Settings(format!(
            "SVT-AV1 {} does not accept the parameter {name}={value}",
            Version::installed()
        ))
    };
    let c_name = CString::new(name).map_err(|_| refused())?;
    let c_value = CString::new(value).map_err(|_| refused())?;
    let call = "svt_av1_enc_parse_parameter";
    let code = lane.call(call, || {
        // SAFETY: `native` was initialised by svt_av1_enc_init_handle; both
        // strings are terminated and are only read during the call.
        unsafe { sys::svt_av1_enc_parse_parameter(native, c_name.as_ptr(), c_value.as_ptr()) }
    });
    check(call, code).map_err(|_| refused())
}

/// Applies what follows from properties and parameters together. `Effective::settle`
/// has the same result.
fn settle(config: &Config, native: &mut Native) {
    let structure_was_named = config
        .parameters
        .iter()
        .any(|(name, _)| name == "pred-struct");
    if native.rate_control_mode == CONSTANT_BITRATE && !structure_was_named {
        native.pred_structure = LOW_DELAY;
    }
    // Old libraries need this beforehand, and only here.
    #[cfg(not(svt_1_8))]
    if native.rate_control_mode == CONSTANT && native.pred_structure == RANDOM_ACCESS {
        native.force_key_frames = 1;
    }
}

fn picture(config: &Config, native: &mut Native) {
    native.source_width = config.width;
    native.source_height = config.height;
    let (numerator, denominator) =
        frame_rate(config.frame_rate.numerator, config.frame_rate.denominator);
    native.frame_rate_numerator = numerator;
    native.frame_rate_denominator = denominator;
    native.encoder_bit_depth = match config.bit_depth {
        BitDepth::Eight => 8,
        BitDepth::Ten => 10,
    };
    native.color_primaries = config.color.primaries.into();
    native.transfer_characteristics = config.color.transfer.into();
    native.matrix_coefficients = config.color.matrix.into();
    native.color_range = if config.color.full_range {
        sys::EbColorRange_EB_CR_FULL_RANGE
    } else {
        sys::EbColorRange_EB_CR_STUDIO_RANGE
    };
    native.chroma_sample_position = match config.chroma_position {
        ChromaPosition::Unknown => sys::EbChromaSamplePosition_EB_CSP_UNKNOWN,
        ChromaPosition::Left => sys::EbChromaSamplePosition_EB_CSP_VERTICAL,
        ChromaPosition::TopLeft => sys::EbChromaSamplePosition_EB_CSP_COLOCATED,
    };
    if let Some(display) = config.mastering_display {
        native.mastering_display = mastering_display(display);
        #[cfg(not(svt_3_0))]
        {
            native.high_dynamic_range_input = 1;
        }
    }
    if let Some(light) = config.content_light {
        native.content_light_level = sys::EbContentLightLevel {
            max_cll: light.max.to_be(),
            max_fall: light.max_average.to_be(),
        };
    }
}

/// The fraction with numbers small enough for the library, which multiplies the
/// numerator by 256 in 32 bits.
fn frame_rate(numerator: u32, denominator: u32) -> (u32, u32) {
    const MOST: u32 = u32::MAX / 256;
    let divisor = greatest_common_divisor(numerator, denominator).max(1);
    let (mut numerator, mut denominator) = (numerator / divisor, denominator / divisor);
    while numerator > MOST {
        numerator /= 2;
        denominator = (denominator / 2).max(1);
    }
    (numerator, denominator)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// Converts to AV1's fixed point (16, 8 and 14 bits of fraction), big-endian.
fn mastering_display(display: MasteringDisplay) -> sys::EbSvtAv1MasteringDisplayInfo {
    let point = |(x, y): (u16, u16)| sys::EbSvtAv1ChromaPoints {
        x: chromaticity(x).to_be(),
        y: chromaticity(y).to_be(),
    };
    let [red, green, blue] = display.primaries;
    sys::EbSvtAv1MasteringDisplayInfo {
        r: point(red),
        g: point(green),
        b: point(blue),
        white_point: point(display.white_point),
        max_luma: luminance(display.max_luminance, 8).to_be(),
        min_luma: luminance(display.min_luminance, 14).to_be(),
    }
}

fn chromaticity(steps: u16) -> u16 {
    let fixed = (u32::from(steps) * 65_536 + 25_000) / 50_000;
    u16::try_from(fixed).unwrap_or(u16::MAX)
}

fn luminance(steps: u32, fraction_bits: u32) -> u32 {
    let fixed = ((u64::from(steps) << fraction_bits) + 5_000) / 10_000;
    u32::try_from(fixed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hdr_metadata_is_converted_to_av1s_fixed_point() {
        // BT.2020 primaries, D65, 1000 and 0.0001 candela per square metre.
        assert_eq!(chromaticity(35_400), 46_399); // 0.708
        assert_eq!(chromaticity(15_635), 20_493); // 0.3127
        assert_eq!(chromaticity(50_000), u16::MAX); // 1.0 does not fit
        assert_eq!(luminance(10_000_000, 8), 256_000);
        assert_eq!(luminance(1, 14), 2);
        assert_eq!(luminance(u32::MAX, 14), u32::MAX);
    }

    #[test]
    fn frame_rates_fit_the_library() {
        assert_eq!(frame_rate(30_000, 1001), (30_000, 1001));
        assert_eq!(frame_rate(1_000_000_000, 40_000_000), (25, 1));
        let (numerator, denominator) = frame_rate(2_000_000_011, 66_666_667);
        assert!(numerator <= u32::MAX / 256);
        let rate = f64::from(numerator) / f64::from(denominator);
        assert!((rate - 30.0).abs() < 0.001, "{rate}");
        assert_eq!(frame_rate(0, 0), (0, 0));
    }
}
