// SPDX-License-Identifier: MPL-2.0
//! What a document was made on.

/// Processor, kernel and versions, in a few words.
pub fn describe() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or_else(
            || "an unknown processor".to_owned(),
            |(_, model)| model.to_owned(),
        );
    let kernel = read("/proc/sys/kernel/osrelease");
    let (major, minor) = support::svtav1_version();
    support::init();
    format!(
        "{processors} processors ({model}), Linux {}, {}, SVT-AV1 {major}.{minor}",
        kernel.trim(),
        gst::version_string()
    )
}
