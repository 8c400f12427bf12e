// SPDX-License-Identifier: MPL-2.0
//! `codecwatch-hardware FILE`: loads a plugin file of GStreamer and prints its codecs, one
//! a line, as structures. The plugin `codecwatch` runs it: loading the plugin of a
//! hardware codec runs the driver, which may hang or crash.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::process::ExitCode;

use gst::prelude::*;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: codecwatch-hardware FILE");
        return ExitCode::from(2);
    };
    let loaded = gst::init().and_then(|()| gst::Plugin::load_file(file));
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let registry = gst::Registry::get();
    for feature in registry.features_by_plugin(&plugin.plugin_name()) {
        if let Ok(factory) = feature.downcast::<gst::ElementFactory>()
            && let Some(line) = describe(&factory)
        {
            println!("{line}");
        }
    }
    ExitCode::SUCCESS
}

/// What there is to say of a codec. `None` if it is none, or has other pads than one
/// sink pad and one source pad.
fn describe(factory: &gst::ElementFactory) -> Option<String> {
    let class = factory.metadata(gst::ELEMENT_METADATA_KLASS)?;
    let mut words = class.split('/');
    if !words.any(|word| matches!(word, "Encoder" | "Decoder")) {
        return None;
    }
    let caps = |name: &str| {
        let templates = factory.static_pad_templates();
        let mut named = templates.iter().filter(|pad| pad.name_template() == name);
        Some(named.next()?.caps().to_string())
    };
    if factory.static_pad_templates().len() != 2 {
        return None;
    }
    let mut structure = gst::Structure::builder("codec")
        .field("factory", factory.name().as_str())
        .field("sink", caps("sink")?)
        .field("src", caps("src")?)
        .build();
    for key in factory.metadata_keys() {
        structure.set(format!("meta-{key}"), factory.metadata(&key)?);
    }
    Some(structure.to_string())
}
