// SPDX-License-Identifier: MPL-2.0
//! The elements that are there because a hardware codec is. Their plugin is loaded from
//! its file, as by an application.

use std::path::PathBuf;

use gst::prelude::*;
use support::{Launch, is_child};

use super::gpu::{self, LOOKS_FOR_HARDWARE, with_gpu};
use super::pictures::{self, DEVICE, SYSTEM};
use crate::faults::{STOP, error, has_eos, stop};
use crate::rig::{Item, Rig};

const DECODERS: [&str; 2] = ["vah264watchdec", "vaav1watchdec"];

/// What the plugin has, where there is a GPU or none.
fn elements(has_gpu: bool, script: &str, launch: Launch) -> Vec<String> {
    let launch = launch.args(["--plugin", "codecwatch"]);
    let run = if has_gpu {
        with_gpu(launch, script)
    } else {
        launch.env("CODECWATCH_HARDWARE", LOOKS_FOR_HARDWARE)
    }
    .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    let lines = run.lines.iter();
    let feature = |text: &str| Some(text.strip_prefix("  ")?.split_once(": ")?.0.to_owned());
    lines.filter_map(|line| feature(&line.text)).collect()
}

fn inspect() -> Launch {
    Launch::program("gst-inspect-1.0")
}

#[test]
fn hardware_decoders_are_there_while_there_is_hardware() {
    if gpu::is_missing("vah264dec") {
        return;
    }
    let registry = support::target_dir().join("registry-va-coming-and-going.bin");
    // One registry: it is renewed when the driver comes and goes.
    for has_gpu in [true, false, true] {
        let launch = if has_gpu {
            inspect()
        } else {
            inspect().env("GST_REGISTRY", &registry)
        };
        let found = elements(has_gpu, "", launch);
        assert!(found.contains(&"codecwatch".to_owned()), "{found:?}");
        for decoder in DECODERS {
            let is_there = found.contains(&decoder.to_owned());
            assert_eq!(is_there, has_gpu, "{decoder}: {found:?}");
        }
    }
}

#[test]
fn an_installed_plugin_finds_its_program_beside_it() {
    if gpu::is_missing("vah264dec") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plugin = support::target_dir().join("deps/libgstcodecwatch.so");
    std::fs::copy(plugin, folder.path().join("libgstcodecwatch.so")).unwrap();
    let run = |program: Option<&str>| {
        let launch = inspect()
            .args(["--plugin", "codecwatch"])
            .env("GST_PLUGIN_PATH", folder.path());
        let registry = folder.path().join("registry.bin");
        let mut launch = with_gpu(launch, "").env("GST_REGISTRY", registry);
        launch = match program {
            Some(program) => launch.env("CODECWATCH_HARDWARE", program),
            None => launch.without_env("CODECWATCH_HARDWARE"),
        };
        launch.run().says("vah264watchdec")
    };
    assert!(!run(None), "there is no program yet");
    let program = folder.path().join("codecwatch-hardware");
    std::fs::copy(LOOKS_FOR_HARDWARE, program).unwrap();
    std::fs::remove_file(folder.path().join("registry.bin")).unwrap();
    assert!(run(None));
    assert!(!run(Some("")), "it can be switched off");
}

#[test]
fn a_driver_that_crashes_while_it_is_looked_at_costs_its_elements_alone() {
    if gpu::is_missing("vah264dec") {
        return;
    }
    let registry: PathBuf = support::target_dir().join("registry-va-crash.bin");
    let _ = std::fs::remove_file(&registry);
    let launch = inspect().args(["--plugin", "codecwatch"]);
    let crash = "vaQueryConfigProfiles:segv";
    let run = with_gpu(launch, crash).env("GST_REGISTRY", &registry).run();
    assert!(run.says("crashes"), "{}", run.text());
    assert!(run.says("codecwatch: "), "{}", run.text());
    assert!(!run.says("vah264watchdec"), "{}", run.text());
}

/// Runs the test again where there is a GPU; true there.
fn on_gpu(name: &str, element: &str, script: &str) -> bool {
    if !is_child() {
        gpu::again(&format!("va::hardware::{name}"), element, script);
        return false;
    }
    gst::init().unwrap();
    true
}

/// The element, with budgets of one second.
fn decoder(name: &str) -> Rig {
    let mut builder = gst::ElementFactory::make(name);
    for budget in [
        "watchdog-timeout",
        "drain-timeout",
        "open-timeout",
        "close-timeout",
    ] {
        builder = builder.property(budget, 1_000_000_000_u64);
    }
    let element = builder.build().unwrap();
    assert!(element.name().starts_with(name), "{}", element.name());
    Rig::around(element, name.to_owned())
}

#[test]
fn every_picture_comes_out_of_hardware_decoders_as_from_the_bare_ones() {
    if !on_gpu(
        "every_picture_comes_out_of_hardware_decoders_as_from_the_bare_ones",
        "vah264dec",
        "",
    ) {
        return;
    }
    // They take what their codec takes.
    let parsed = |source: Vec<Item>, parser: &str| {
        let rig = Rig::bare(parser);
        let buffers = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let taken = buffers.clone();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        rig.end.add_probe(kinds, move |_, info| {
            let item = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => Item::Buffer(buffer.clone()),
                Some(gst::PadProbeData::Event(event)) => Item::Event(event.clone()),
                _ => return gst::PadProbeReturn::Ok,
            };
            taken.lock().unwrap().push(item);
            gst::PadProbeReturn::Ok
        });
        rig.play(&source);
        buffers.lock().unwrap().clone()
    };
    let h264 = pictures::h264();
    let av1 = parsed(
        pictures::av1(),
        "av1parse ! capsfilter caps=video/x-av1,alignment=frame",
    );
    for memory in [DEVICE, SYSTEM] {
        let hosted = || decoder("vah264watchdec");
        pictures::compare_with("vah264dec", hosted, &h264, pictures::h264_slices, memory);
        let hosted = || decoder("vaav1watchdec");
        pictures::compare_with("vaav1dec", hosted, &av1, pictures::av1_slices, memory);
    }
}

/// Plays everything into a decoder whose driver hangs.
fn assert_one_error(call: &str) {
    let rig = decoder("vah264watchdec");
    *rig.downstream.caps.lock().unwrap() = Some(SYSTEM.parse().unwrap());
    let records = rig.play_on(&pictures::h264());
    let (error, details) = error(&rig);
    assert!(error.matches(gst::StreamError::Decode), "{error}");
    assert_eq!(details.get("outcome"), Ok("WatchdogAbandoned"), "{details}");
    let named = details.get::<&str>("call").unwrap();
    assert_eq!(named, format!("vah264dec0: {call}"), "{details}");
    assert!(error.message().contains(named), "{error}");
    assert!(!has_eos(&records), "{records:?}");
    let stats = rig.element.property::<gst::Structure>("stats");
    let ledger = stats.get::<gst::Structure>("ledger").unwrap();
    assert_eq!(ledger.get("opened"), Ok(1_u64), "{ledger}");
    assert_eq!(ledger.get("abandoned"), Ok(1_u64), "{ledger}");
    let took = stop(&rig);
    assert!(took < STOP, "{took:?}");
    assert!(rig.errors().is_empty(), "a second error");
}

#[test]
fn a_hardware_decoder_that_never_decodes_ends_in_one_error() {
    if on_gpu(
        "a_hardware_decoder_that_never_decodes_ends_in_one_error",
        "vah264dec",
        "vaEndPicture:hang@7",
    ) {
        assert_one_error("chain");
    }
}

#[test]
fn a_hardware_decoder_whose_surface_is_never_ready_ends_in_one_error() {
    if on_gpu(
        "a_hardware_decoder_whose_surface_is_never_ready_ends_in_one_error",
        "vah264dec",
        "vaSyncSurface:hang@7",
    ) {
        assert_one_error("picture from device");
    }
}

#[test]
fn a_hardware_decoder_that_is_never_created_ends_in_one_error() {
    if on_gpu(
        "a_hardware_decoder_that_is_never_created_ends_in_one_error",
        "vah264dec",
        "vaCreateContext:hang",
    ) {
        assert_one_error("chain");
    }
}

#[test]
fn a_hardware_decoder_whose_driver_does_not_close_holds_nobody_up() {
    if !on_gpu(
        "a_hardware_decoder_whose_driver_does_not_close_holds_nobody_up",
        "vah264dec",
        "vaTerminate:hang@2",
    ) {
        return;
    }
    let rig = decoder("vah264watchdec");
    let records = rig.play_on(&pictures::h264());
    assert!(has_eos(&records), "{records:?}");
    let begun = std::time::Instant::now();
    assert!(stop(&rig) < STOP);
    rig.bus.set_flushing(true);
    drop(rig);
    assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
    crate::faults::eventually("the display is never given up", || {
        support::process::thread_names().contains(&"cw-lent".to_owned())
    });
}
