// SPDX-License-Identifier: MPL-2.0
//! Elements of their own for the hardware codecs that are installed: `vah264watchdec` is
//! `codecwatch` with `codec=vah264dec`.
//!
//! Which there are, only the plugins that have them know, when they are loaded and have
//! asked the hardware. GStreamer looks for features when it loads this plugin, while it
//! holds a lock (until 1.28 one that is not recursive), so that this plugin cannot load
//! another. And a driver that is asked may hang or crash. So a program beside the plugin
//! (`codecwatch-hardware`) loads them, and says what they have. GStreamer keeps that with
//! the plugin's features in its registry: an application that uses such an element runs
//! neither the program nor, until the element opens its codec, the driver.

use std::path::{Path, PathBuf};

use crate::CAT;
use crate::wrapped::{self, Described};

mod inquiry;

/// What begins the names of hardware codecs, and the file of the plugin that has them.
const FAMILIES: [(&str, &str); 5] = [
    ("va", "libgstva.so"),
    ("v4l2sl", "libgstv4l2codecs.so"),
    ("v4l2", "libgstvideo4linux2.so"),
    ("nv", "libgstnvcodec.so"),
    ("vulkan", "libgstvulkan.so"),
];
/// The variable that names the program; no program if it is empty.
const PROGRAM: &str = "CODECWATCH_HARDWARE";
/// The variables with the folders of plugins: those that GStreamer reads first, and the
/// ones that it reads otherwise.
const FOLDERS: [(&str, &str); 2] = [
    ("GST_PLUGIN_PATH_1_0", "GST_PLUGIN_PATH"),
    ("GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH"),
];
/// The field of the registry's structure in which the codecs are.
const FIELD: &str = "codecs";

/// Registers an element for each hardware codec.
pub(crate) fn register(plugin: &gst::Plugin) {
    // A plugin without a file is part of a program, and in no registry.
    let Some(file) = plugin.filename() else {
        return;
    };
    depend(plugin);
    let known = plugin.cache_data().and_then(|data| data.get(FIELD).ok());
    let codecs: String = known.unwrap_or_else(|| {
        let codecs = look(&file);
        let data = gst::Structure::builder("hardware");
        plugin.set_cache_data(data.field(FIELD, &codecs).build());
        codecs
    });
    for line in codecs.lines() {
        let described = read(line);
        if let Some(described) = &described
            && let Err(error) = wrapped::register_described(plugin, described)
        {
            gst::warning!(CAT, "{}: {error}", described.name);
        }
    }
}

/// Has GStreamer look again when plugins, devices or drivers come or go.
fn depend(plugin: &gst::Plugin) {
    let none = gst::PluginDependencyFlags::empty();
    let prefix = gst::PluginDependencyFlags::FILE_NAME_IS_PREFIX;
    let variables = [
        PROGRAM,
        "LIBVA_DRIVER_NAME",
        "LIBVA_DRIVERS_PATH",
        "GST_VA_ALL_DRIVERS",
    ];
    plugin.add_dependency(&variables, &[], &[], none);
    plugin.add_dependency(&[], &["/dev/dri"], &["renderD"], prefix);
    let devices = ["video", "media", "nvidia"];
    plugin.add_dependency(&[], &["/dev"], &devices, prefix);
    let folders = folders();
    let folders: Vec<_> = folders
        .iter()
        .filter_map(|folder| folder.to_str())
        .collect();
    let files = FAMILIES.map(|(_, file)| file);
    plugin.add_dependency(&[], &folders, &files, none);
}

/// Asks the plugins of hardware codecs what they have.
fn look(file: &Path) -> String {
    let Some(program) = program(file) else {
        gst::info!(
            CAT,
            "no codecwatch-hardware: no elements for hardware codecs"
        );
        return String::new();
    };
    let folders = folders();
    let found = FAMILIES.iter().filter_map(|(_, name)| {
        let mut files = folders.iter().map(|folder| folder.join(name));
        files.find(|file| file.exists())
    });
    inquiry::ask(&program, found)
}

/// The program, which is installed beside the plugin.
fn program(file: &Path) -> Option<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return Some(PathBuf::from(program)).filter(|program| program.is_file());
    }
    // A plugin may be linked to where it was built.
    let places = [Some(file.to_owned()), file.canonicalize().ok()];
    let mut programs = places
        .into_iter()
        .flatten()
        .map(|place| place.with_file_name("codecwatch-hardware"));
    programs.find(|program| program.is_file())
}

/// Where GStreamer looks for plugins.
fn folders() -> Vec<PathBuf> {
    let set = FOLDERS.map(|(first, other)| {
        let value = std::env::var_os(first).or_else(|| std::env::var_os(other));
        value.map(|value| std::env::split_paths(&value).collect::<Vec<_>>())
    });
    let [own, system] = set;
    let mut folders = own.unwrap_or_default();
    folders.extend(system.unwrap_or_else(|| vec![env!("GSTREAMER_PLUGINS").into()]));
    folders
}

/// What is said of a codec, as an element to register.
fn read(line: &str) -> Option<Described> {
    let structure: gst::Structure = line.parse().ok()?;
    let text = |field: &str| structure.get::<String>(field).ok();
    let codec = text("factory")?;
    let template = |name, direction| {
        let caps: gst::Caps = text(name)?.parse().ok()?;
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
    };
    let templates = vec![
        template("sink", gst::PadDirection::Sink)?,
        template("src", gst::PadDirection::Src)?,
    ];
    let metadata = structure.iter().filter_map(|(field, value)| {
        let key = field.strip_prefix("meta-")?.to_owned();
        let value: String = value.get().ok()?;
        let value = match &*key {
            "long-name" => format!("Supervised {value}"),
            _ => value,
        };
        Some((key, value))
    });
    Some(Described {
        name: name_of(&codec)?,
        metadata: metadata.collect(),
        codec,
        templates,
    })
}

/// The name of the element that runs a codec: `watch` comes before `dec` or `enc`.
/// `None` if it is no hardware codec by its name.
fn name_of(codec: &str) -> Option<String> {
    let known = FAMILIES.iter().any(|(family, _)| codec.starts_with(family));
    let kinds = ["dec", "enc"].into_iter();
    let mut stems = kinds.filter_map(|kind| Some((codec.strip_suffix(kind)?, kind)));
    let (stem, kind) = stems.next().filter(|_| known)?;
    Some(format!("{stem}watch{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_named_after_its_codec() {
        for (codec, name) in [
            ("vah264dec", "vah264watchdec"),
            ("vah264lpenc", "vah264lpwatchenc"),
            ("v4l2slav1dec", "v4l2slav1watchdec"),
            ("nvh264enc", "nvh264watchenc"),
            ("vulkanh265dec", "vulkanh265watchdec"),
        ] {
            assert_eq!(name_of(codec).as_deref(), Some(name));
        }
        for other in ["vapostproc", "x264enc", "v4l2convert", "nvvideo4linux2"] {
            assert_eq!(name_of(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_said_of_a_codec_becomes_an_element() {
        gst::init().unwrap();
        let said = "codec, factory=(string)vah264dec, sink=(string)video/x-h264, \
             src=(string)\"video/x-raw\\(memory:VAMemory\\)\", \
             meta-klass=(string)Codec/Decoder/Video/Hardware, \
             meta-long-name=(string)\"VA-API\\ H.264\\ Decoder\";";
        let described = read(said).unwrap();
        assert_eq!(described.name, "vah264watchdec");
        assert_eq!(described.codec, "vah264dec");
        assert_eq!(described.templates[0].caps().to_string(), "video/x-h264");
        let long_name = "Supervised VA-API H.264 Decoder".to_owned();
        assert!(
            described
                .metadata
                .contains(&("long-name".to_owned(), long_name))
        );
        assert!(read("nonsense").is_none());
    }
}
