// SPDX-License-Identifier: MPL-2.0
//! Tells the plugin its version and release date, and where GStreamer's own plugins are.

fn main() -> Result<(), pkg_config::Error> {
    gst_plugin_version_helper::info();
    let plugins = pkg_config::get_variable("gstreamer-1.0", "pluginsdir")?;
    println!("cargo::rustc-env=GSTREAMER_PLUGINS={plugins}");
    Ok(())
}
