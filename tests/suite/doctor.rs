//! `doctor` says what is allowed here, each line with its fix, and its exit status says whether watching would work.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine,
    node::{self, Start},
    releases, scratch,
    tool::{self, Finished},
};
use memwatch_user::host::kernel::Kernel;
use serde_json::Value;

/// Since which kernel a check is `ok` for root, as the tests run: what distributions have brought to older ones may be.
const OK_SINCE: [(&str, (u32, u32)); 6] = [
    ("kernel", (5, 10)),
    ("ring buffer", (5, 8)),
    ("uprobes", (4, 17)),
    ("cookies", (5, 15)),
    ("uprobe links", (6, 10)),
    ("tracepoints", (4, 17)),
];

/// The check that says what each feature is good for, by the feature's name on the command line.
const FEATURES: [(&str, &str); 6] = [
    ("ring-buffer", "ring buffer"),
    ("attach-cookie", "cookies"),
    ("uprobe-pmu", "uprobes"),
    ("uprobe-multi", "uprobe links"),
    ("raw-tracepoints", "tracepoints"),
    ("btf", "BTF"),
];

#[test]
fn nothing_is_wrong_with_this_host() -> Result<()> {
    let finished = tool::run(&["doctor", "--json"])?;
    finished.expect(0)?;
    let checks = checks(&finished)?;
    let version = Kernel::running().version;
    for (name, (major, minor)) in OK_SINCE {
        let check = named(&checks, name)?;
        ensure!(text(check, "state") == "ok" || !version.at_least(major, minor), "{check}");
    }
    checks.iter().try_for_each(comes_with_its_fix)
}

/// Each feature that is missing is told by its own check and no other, and the exit status says whether that forbids to
/// watch. How mappings are seen is asked of the kernel itself, each time.
#[test]
fn a_feature_that_is_missing_is_told() -> Result<()> {
    let found = |missing: &[&str]| -> Result<(Vec<Value>, i32)> {
        let finished = tool::run(&[&["doctor", "--json"], missing].concat())?;
        let mut checks = checks(&finished)?;
        checks.retain(|check| text(check, "name") != "mappings");
        Ok((checks, finished.code()?))
    };
    let (all, _) = found(&[])?;
    for (feature, name) in FEATURES {
        let (checks, code) = found(&["--assume-missing", feature])?;
        let check = named(&checks, name)?;
        comes_with_its_fix(check)?;
        ensure!(text(check, "state") != "ok", "{check}");
        ensure!((code == 2) == (text(check, "state") == "fail"), "{code} for {check}");
        let same = checks.iter().zip(&all).all(|(one, other)| one == other || one == check);
        ensure!(same && checks.len() == all.len(), "without {feature}: {checks:#?}");
    }
    Ok(())
}

#[test]
fn every_probe_and_its_instruction() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let node = node::start(version, "idle")?.ready()?;
        let finished = tool::run(&["doctor", "--json", "--pid", &node.pid().to_string()])?;
        finished.expect(0)?;
        let checks = checks(&finished)?;
        let probes = checks.iter().filter(|check| text(check, "name").starts_with("probe "));
        ensure!(probes.clone().count() >= 11, "Node {version}: {}", finished.stdout);
        ensure!(probes.clone().all(|probe| text(probe, "detail").contains(" at 0x")), "{}", finished.stdout);
        ensure!(checks.iter().all(|check| text(check, "state") != "fail"), "{}", finished.stdout);
    }
    Ok(())
}

#[test]
fn what_fails_comes_with_its_fix() -> Result<()> {
    let _machine = machine::shared();
    let stripped = scratch::directory("stripped")?.join("node");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(releases::node("24.21.0")?).status()?;
    ensure!(status.success(), "strip failed");
    let node = Start::new(stripped, node::fixture("idle")).ready()?;
    let finished = tool::run(&["doctor", "--json", "--pid", &node.pid().to_string()])?;
    finished.expect(2)?;
    let checks = checks(&finished)?;
    let failed = checks.iter().find(|check| text(check, "state") == "fail").context("nothing failed")?;
    ensure!(text(failed, "detail").contains("stripped") && !text(failed, "fix").is_empty(), "{failed}");
    Ok(())
}

/// What is not well has a way out, and what is well needs none.
fn comes_with_its_fix(check: &Value) -> Result<()> {
    let state = text(check, "state");
    ensure!(["ok", "warn", "fail"].contains(&state), "{check}");
    ensure!((state == "ok") == text(check, "fix").is_empty(), "{check}");
    Ok(())
}

fn named<'a>(checks: &'a [Value], name: &str) -> Result<&'a Value> {
    checks.iter().find(|check| text(check, "name") == name).with_context(|| format!("no check `{name}`"))
}

fn checks(finished: &Finished) -> Result<Vec<Value>> {
    finished.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn text<'a>(check: &'a Value, field: &str) -> &'a str {
    check[field].as_str().unwrap_or_default()
}
