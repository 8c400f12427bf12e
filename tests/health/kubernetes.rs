// SPDX-License-Identifier: MPL-2.0
//! The examples for Kubernetes, Prometheus and Grafana: that they are what these programs
//! take, and that they fit what the service and the elements do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::documents::{self, checker};
use crate::rig::{LIVE, Stage};

/// What a state change takes besides the close of a codec, at most.
const STATE_CHANGE: Duration = Duration::from_millis(200);
/// What the manifests have to be valid for: from the version on in which all that they use
/// is stable.
const VERSIONS: [&str; 2] = ["1.31.0", "1.37.0"];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/kubernetes")
}

/// A manifest; `None`, and said so, where the means to read it are not there.
fn manifest(name: &str) -> Option<Value> {
    // The environment is there, and empty, where nothing could be installed into it.
    let installed = checker("kubernetes-validate").and_then(|_| checker("python3"));
    let Some(python) = installed else {
        support::skip("health", "kubernetes-validate is not installed");
        return None;
    };
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let file = examples().join(name);
    let output = Command::new(python).args(["-c", script]).arg(file).output();
    Some(serde_json::from_slice(&output.unwrap().stdout).unwrap())
}

#[test]
fn the_manifests_are_valid_without_a_field_that_kubernetes_does_not_know() {
    let Some(validate) = checker("kubernetes-validate") else {
        return support::skip("health", "kubernetes-validate is not installed");
    };
    for version in VERSIONS {
        let output = Command::new(&validate)
            .args(["--strict", "-k", version])
            .args(["deployment.yaml", "job.yaml"].map(|name| examples().join(name)))
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
        assert_eq!(said.matches("passed for resource").count(), 2, "{said}");
    }
}

/// The pod of a manifest and its container.
fn pod(manifest: &Value) -> (&Value, &Value) {
    let pod = &manifest["spec"]["template"]["spec"];
    (pod, &pod["containers"][0])
}

fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let variables = container["env"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == name);
    found.unwrap()["value"].as_str().unwrap()
}

#[test]
fn probes_ask_the_service_where_it_listens_and_only_readiness_depends_on_codecs() {
    for name in ["deployment.yaml", "job.yaml"] {
        let Some(manifest) = manifest(name) else {
            return;
        };
        let (pod, container) = pod(&manifest);
        let ports = container["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == "health").unwrap();
        let listens = format!("listen=0.0.0.0:{}", port["containerPort"]);
        let tracers = variable(container, "GST_TRACERS");
        assert!(tracers.contains(&listens), "{name}: {tracers}");
        for (probe, path) in [
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ] {
            let probe = &container[probe];
            if !probe.is_null() {
                assert_eq!(probe["httpGet"]["path"], path, "{name}");
                assert_eq!(probe["httpGet"]["port"], "health", "{name}");
            }
        }
        assert!(!container["livenessProbe"].is_null(), "{name}");
        assert_eq!(pod["shareProcessNamespace"], true, "{name}");
        assert!(
            !container["resources"]["limits"]["memory"].is_null(),
            "{name}"
        );
    }
    let deployment = manifest("deployment.yaml").unwrap();
    assert!(!pod(&deployment).1["readinessProbe"].is_null());
}

/// How long the preStop hook sleeps: the grace period begins with it.
fn hook(container: &serde_json::Value) -> Duration {
    let command = container["lifecycle"]["preStop"]["exec"]["command"].as_array();
    let script = command.and_then(|words| words.last()?.as_str());
    let sleeps = script.and_then(|script| script.rsplit_once("sleep "));
    let seconds = sleeps.map(|(_, seconds)| seconds.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or_default())
}

#[test]
fn a_deployment_is_not_ready_before_it_is_stopped() {
    let Some(manifest) = manifest("deployment.yaml") else {
        return;
    };
    let container = pod(&manifest).1;
    let tracers = variable(container, "GST_TRACERS");
    let (_, file) = tracers.split_once("drain-file=").unwrap();
    let file = file.split([',', ')']).next().unwrap();
    let command = container["lifecycle"]["preStop"]["exec"]["command"].as_array();
    let script = command.unwrap().last().unwrap().as_str().unwrap();
    assert!(script.starts_with(&format!("touch {file} &&")), "{script}");
    assert!(hook(container) > Duration::ZERO);
}

#[test]
fn the_grace_period_is_enough_for_every_codec_to_close() {
    for name in ["deployment.yaml", "job.yaml"] {
        let Some(manifest) = manifest(name) else {
            return;
        };
        let (pod, container) = pod(&manifest);
        let defaults = variable(container, "CODECWATCH_DEFAULTS").split(',');
        let mut budgets: Vec<u64> = defaults
            .filter_map(|default| default.strip_prefix("close-timeout="))
            .map(|budget| budget.parse().unwrap())
            .collect();
        let arguments = container["args"].as_array().unwrap().iter();
        let set =
            arguments.filter_map(|argument| argument.as_str()?.strip_prefix("close-timeout="));
        budgets.extend(set.map(|budget| budget.parse::<u64>().unwrap()));
        let longest = Duration::from_nanos(budgets.into_iter().max().unwrap());
        // A decoder and an encoder.
        let needed = hook(container) + 2 * (longest + STATE_CHANGE) + Duration::from_secs(1);
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(Duration::from_secs(grace) >= needed, "{name}: {needed:?}");
    }
}

#[test]
fn the_job_is_not_tried_again_when_that_makes_no_sense() {
    let Some(job) = manifest("job.yaml") else {
        return;
    };
    let (pod, container) = pod(&job);
    assert_eq!(pod["restartPolicy"], "Never");
    let rules = job["spec"]["podFailurePolicy"]["rules"].as_array().unwrap();
    let action_of = |code: u64| {
        let rule = rules.iter().find(|rule| {
            let codes = &rule["onExitCodes"]["values"];
            codes
                .as_array()
                .is_some_and(|codes| codes.contains(&code.into()))
        });
        rule.map(|rule| rule["action"].as_str().unwrap())
    };
    for (code, action) in [
        (1, "Count"),
        (2, "Count"),
        (3, "FailJob"),
        (4, "FailJob"),
        (137, "Count"),
    ] {
        assert_eq!(action_of(code), Some(action), "{code}");
    }
    let named = rules
        .iter()
        .filter_map(|rule| rule["onExitCodes"]["containerName"].as_str());
    assert!(named.into_iter().all(|name| container["name"] == name));
    assert!(rules.iter().any(|rule| rule["action"] == "Ignore"));
}

/// Runs promtool on files of the examples; false, and said so, if it is not installed.
fn promtool(arguments: &[&str]) -> bool {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(examples())
        .output();
    let Ok(output) = output else {
        support::skip("health", "promtool is not installed");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    true
}

#[test]
fn the_alerts_are_valid_and_fire_when_they_should() {
    if promtool(&["check", "rules", "prometheus-alerts.yaml"]) {
        promtool(&["test", "rules", "prometheus-alerts-test.yaml"]);
    }
}

/// The expressions of the dashboard.
fn expressions() -> Vec<String> {
    let text = std::fs::read_to_string(examples().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    expressions.collect()
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let folder = tempfile::tempdir().unwrap();
    let rules: Vec<_> = expressions()
        .iter()
        .map(|expression| {
            // What Grafana fills in.
            let filled = expression.replace("$__rate_interval", "1m");
            let filled = filled.replace("$job", ".*").replace("$instance", ".*");
            serde_json::json!({"record": "panel", "expr": filled})
        })
        .collect();
    assert!(rules.len() > 10, "{rules:?}");
    // Each in a group of its own: one group may not have two of one name.
    let groups = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| serde_json::json!({"name": at.to_string(), "rules": [rule]}));
    let file = folder.path().join("rules.yaml");
    let text = serde_json::json!({"groups": groups.collect::<Vec<_>>()}).to_string();
    std::fs::write(&file, text).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn alerts_and_dashboard_use_metrics_that_there_are() {
    let pipeline = format!("{LIVE} ! codecwatch name=some codec=identity ! fakesink");
    let stage = Stage::new(&[&pipeline]);
    stage.until("frames", |stage| {
        stage.element("some")["frames"]["out"].as_u64() > Some(3)
    });
    let series = documents::series(&stage.get("/metrics").body);
    let alerts = std::fs::read_to_string(examples().join("prometheus-alerts.yaml")).unwrap();
    let used = documents::metrics_in(&(alerts + &expressions().join("\n")));
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        assert!(series.contains(&name), "{name} is no series of {series:?}");
    }
    stage.quit();
}
