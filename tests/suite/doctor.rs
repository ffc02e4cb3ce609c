//! `doctor` says what is allowed here, each line with its fix, and its exit status says whether watching would work.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine,
    node::{self, Start},
    releases, scratch,
    tool::{self, Finished},
};
use serde_json::Value;

#[test]
fn nothing_is_wrong_with_this_host() -> Result<()> {
    let finished = tool::run(&["doctor"])?;
    finished.expect(0)?;
    let graded =
        |line: &str| line.starts_with("ok ") || line.starts_with("warn ") || line.starts_with("    ");
    ensure!(finished.stdout.lines().all(graded), "{}", finished.stdout);
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

fn checks(finished: &Finished) -> Result<Vec<Value>> {
    finished.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn text<'a>(check: &'a Value, field: &str) -> &'a str {
    check[field].as_str().unwrap_or_default()
}
