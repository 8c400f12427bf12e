// SPDX-License-Identifier: MPL-2.0
//! The `parameters-string`: the library's own names and values.

use codecwatch_supervisor::CodecError;

/// Splits `name=value:name=value`. Empty parts are skipped.
///
/// # Errors
/// [`CodecError::Settings`] naming the part that is not of that form. Names are
/// checked by the library when a session is opened.
pub fn parse_parameters(text: &str) -> Result<Vec<(String, String)>, CodecError> {
    text.split(':')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((name, value)) if !name.is_empty() && !part.contains('\0') => {
                Ok((name.to_owned(), value.to_owned()))
            }
            _ => Err(CodecError::Settings(format!(
                "parameters-string: {part:?} is not of the form name=value"
            ))),
        })
        .collect()
}

/// Parses an integer like C with base 0: decimal, 0x hexadecimal, 0 octal.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse(),
        None => return None,
    };
    value
        .ok()
        .map(|value| if negative { -value } else { value })
}

/// Parses a boolean like the library; numbers are accepted too, because some keys
/// changed from one to the other between versions.
pub(crate) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        number => integer(number).map(|value| value != 0),
    }
}

/// A bitrate in bits per second: kilobits without a suffix or with `k`, bits
/// with `b`, megabits with `m`.
pub(crate) fn bitrate(text: &str) -> Option<u32> {
    let (number, factor) = match text.char_indices().last()? {
        (at, 'b' | 'B') => (&text[..at], 1.0),
        (at, 'k' | 'K') => (&text[..at], 1_000.0),
        (at, 'm' | 'M') => (&text[..at], 1_000_000.0),
        _ => (text, 1_000.0),
    };
    let bits = number.trim().parse::<f64>().ok()? * factor;
    // The library clamps to its limit of 100 Mbit/s.
    (bits >= 0.0).then_some(bits.min(100_000_000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameters_string_is_split_in_order() {
        let pairs = parse_parameters("tune=0::preset=8:qindex-offsets=[1,-2]").unwrap();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [("tune", "0"), ("preset", "8"), ("qindex-offsets", "[1,-2]")]
        );
        assert_eq!(parse_parameters("").unwrap(), []);
    }

    #[test]
    fn a_part_without_an_equals_sign_is_named() {
        for bad in ["tune=0:fast", "=3", "a=\0"] {
            let error = parse_parameters(bad).unwrap_err().to_string();
            let part = bad.rsplit(':').next().unwrap();
            assert!(error.contains(&format!("{part:?}")), "{error}");
        }
    }

    #[test]
    fn integers_are_read_as_in_c() {
        assert_eq!(integer("12"), Some(12));
        assert_eq!(integer(" -3"), Some(-3));
        assert_eq!(integer("0x1f"), Some(31));
        assert_eq!(integer("010"), Some(8));
        assert_eq!(integer("0"), Some(0));
        for bad in ["", "x", "1.5", "09", "--1", "-", "0x"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
    }

    #[test]
    fn bitrates_have_suffixes() {
        assert_eq!(bitrate("1000"), Some(1_000_000));
        assert_eq!(bitrate("1.5m"), Some(1_500_000));
        assert_eq!(bitrate("800b"), Some(800));
        assert_eq!(bitrate("2K"), Some(2000));
        assert_eq!(bitrate("9999m"), Some(100_000_000));
        for bad in ["", "k", "-3", "one"] {
            assert_eq!(bitrate(bad), None, "{bad}");
        }
    }

    #[test]
    fn flags_are_words_or_numbers() {
        assert_eq!(flag("Yes"), Some(true));
        assert_eq!(flag("2"), Some(true));
        assert_eq!(flag("0"), Some(false));
        assert_eq!(flag("maybe"), None);
    }
}
