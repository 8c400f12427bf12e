// SPDX-License-Identifier: MPL-2.0
//! `CODECWATCH_DEFAULTS`: values of the shared properties for every element that looks
//! like its codec, such as `watchdog-timeout=5000000000,restart-limit=3`.

use std::sync::LazyLock;

use codecwatch_element::properties;
use codecwatch_hosted::value_of;
use gst::glib;

use crate::element::imp::CodecWatch;

/// The environment variable.
const VARIABLE: &str = "CODECWATCH_DEFAULTS";

/// A property, and its value as text.
type Default = (glib::ParamSpec, String);

/// The values. What cannot be used is left out, with a warning, once.
pub(crate) fn of_process() -> &'static [Default] {
    static DEFAULTS: LazyLock<Vec<Default>> = LazyLock::new(|| {
        let text = std::env::var_os(VARIABLE).unwrap_or_default();
        let (defaults, refused) = read(&text.to_string_lossy());
        for refused in refused {
            glib::g_warning!("codecwatch", "{VARIABLE}: {refused}");
        }
        defaults
    });
    &DEFAULTS
}

/// Reads the variable: the values, and what cannot be used.
fn read(text: &str) -> (Vec<Default>, Vec<String>) {
    let specs = properties::specs::<CodecWatch>();
    let (mut defaults, mut refused) = (Vec::new(), Vec::new());
    let items = text.split(',').map(str::trim);
    for item in items.filter(|item| !item.is_empty()) {
        match read_one(&specs, item) {
            Ok(default) => defaults.push(default),
            Err(why) => refused.push(why),
        }
    }
    (defaults, refused)
}

fn read_one(specs: &[glib::ParamSpec], item: &str) -> Result<Default, String> {
    let Some((name, text)) = item.split_once('=') else {
        return Err(format!("'{item}' is not PROPERTY=VALUE, and is ignored"));
    };
    let (name, text) = (name.trim(), text.trim());
    let can_be_set = |spec: &&glib::ParamSpec| {
        spec.flags().contains(glib::ParamFlags::WRITABLE) && spec.name() != "codec"
    };
    let mut specs = specs.iter().filter(can_be_set);
    let Some(spec) = specs.find(|spec| spec.name() == name) else {
        return Err(format!(
            "there is no shared property '{name}' that can be set; '{item}' is ignored"
        ));
    };
    let read = value_of(spec, text);
    // None of these is negative; GStreamer reads a large number then.
    if read.is_err() || text.starts_with('-') {
        let wanted = read.err();
        let wanted = wanted.map_or_else(|| "not negative".to_owned(), |kind| format!("a {kind}"));
        return Err(format!(
            "'{name}' does not take '{text}': it is {wanted}; '{item}' is ignored"
        ));
    }
    Ok((spec.clone(), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        gst::init().unwrap();
        let (defaults, refused) = read(text);
        let shown = |(spec, value): &Default| (spec.name().to_owned(), value.clone());
        (defaults.iter().map(shown).collect(), refused)
    }

    #[test]
    fn values_of_shared_properties_are_read() {
        let (read, refused) =
            names("watchdog-timeout=5000000000, restart-limit=3,,eos-after-failure=true");
        let expected = [
            ("watchdog-timeout", "5000000000"),
            ("restart-limit", "3"),
            ("eos-after-failure", "true"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, expected);
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_named() {
        for (text, said) in [
            ("speed=3", "no shared property 'speed'"),
            ("stats=3", "no shared property 'stats'"),
            ("codec=x264enc", "no shared property 'codec'"),
            ("restart-limit", "'restart-limit' is not PROPERTY=VALUE"),
            ("restart-limit=-1", "does not take '-1': it is not negative"),
            ("restart-limit=many", "it is a guint from 0 to 4294967295"),
        ] {
            let (read, refused) = names(&format!("{text},max-frames=7"));
            assert_eq!(read.len(), 1, "{text}: the others are used");
            assert_eq!(refused.len(), 1, "{text}");
            assert!(refused[0].contains(said), "{text}: {}", refused[0]);
        }
    }
}
