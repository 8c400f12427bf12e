// SPDX-License-Identifier: MPL-2.0
//! The examples for farms, as they are in `examples/farm`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use support::Launch;

use crate::facts;
use crate::material::{film, loop_clip};
use crate::rig::{Folder, QUICK};

mod slurm;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/farm")
        .join(name)
}

/// A search path that begins with the command.
fn path() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_codecwatch-transcode"));
    let folder = program.parent().unwrap().display();
    format!("{folder}:{}", std::env::var("PATH").unwrap())
}

#[test]
fn processes_of_one_machine_do_a_job_in_parts_and_clean_up() {
    let folder = Folder::new();
    film(&folder.path("in.mp4"));
    let run = Launch::program(example("local"))
        .args(["in.mp4", "out.mkv", "4", "2", "--video", QUICK])
        .in_folder(&folder.path(""))
        .env("PATH", path())
        .run();
    assert_eq!(run.code(), 0, "{}", run.text());
    assert_eq!(facts::of(&folder.path("out.mkv")).video.times.len(), 100);
    assert_eq!(folder.names(), ["in.mp4", "out.mkv"]);
}

#[test]
fn the_kubernetes_job_is_valid_without_a_field_that_is_not_known() {
    // The environment with checkers that `./dev test` makes.
    let checker = std::env::var_os("CODECWATCH_CHECKERS")
        .map_or_else(|| support::target_dir().join("../checkers"), PathBuf::from);
    let checker = checker.join("bin/kubernetes-validate");
    if !checker.exists() {
        return support::skip("jobs", "kubernetes-validate is not installed");
    }
    for version in ["1.31.0", "1.37.0"] {
        let run = Launch::program(&checker)
            .args(["--strict", "-k", version])
            .args([example("kubernetes.yaml")])
            .run();
        assert_eq!(run.code(), 0, "{version}: {}", run.text());
    }
}

/// Ten minutes of the clip; `CODECWATCH_FARM_LOOPS` for another length.
fn loops() -> u64 {
    let asked = std::env::var("CODECWATCH_FARM_LOOPS").ok();
    asked.and_then(|loops| loops.parse().ok()).unwrap_or(114)
}

#[test]
#[ignore = "takes minutes"]
fn a_slurm_array_whose_node_is_killed_does_each_chunk_once() {
    let folder = Folder::new();
    let Some(cluster) = slurm::Cluster::start(&folder.path("cluster")) else {
        return support::skip(
            "jobs",
            "slurm-wlm and munge are not installed, or this is not root",
        );
    };
    let frames = loop_clip(&folder.path("in.mkv"), loops());
    let array = cluster
        .launch(example("slurm"))
        .args(["in.mkv", "out.mkv", "8", "--video", QUICK])
        .in_folder(&folder.path(""))
        .env("PATH", path())
        .bound(Duration::from_secs(1500))
        .start();
    // In the middle of a chunk, with what it runs.
    cluster.wait_until_busy("n2");
    std::thread::sleep(Duration::from_secs(3));
    cluster.kill("n2");
    let lost = array.elapsed();
    cluster.start_node_again("n2");
    let run = array.finish();
    let said: String = (0..8)
        .filter_map(|number| {
            std::fs::read_to_string(folder.path(&format!("out.mkv.job.json.{number}.log"))).ok()
        })
        .collect();
    assert_eq!(run.code(), 0, "{}\n{said}\n{}", run.text(), cluster.log());
    println!(
        "{frames} frames in {:?}, a node was lost at {lost:?}",
        run.took
    );
    assert!(
        cluster.log().contains("equeue"),
        "nothing was requeued: {}",
        cluster.log()
    );
    let [before, after] =
        ["in.mkv", "out.mkv"].map(|name| facts::of(&folder.path(name)).video.times);
    assert_eq!(after.len() as u64, frames);
    assert_eq!(before, after);
}
