//! Binaries without symbols: until Node 22 the dynamic symbols are enough, from 24 on what is lost is said.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail, ensure};
use memwatch_tests::{machine, node, node::Start, releases, scratch, tool};
use memwatch_user::report::record::{Body, State};

use crate::compare::watch_and_compare;

#[test]
fn stripped_node_22_is_exact() -> Result<()> {
    let _machine = machine::shared();
    let mut node = Start::new(stripped("22.23.3")?, node::fixture("mixed_load")).traced().ready()?;
    watch_and_compare(&mut node, 1, 15)?;
    Ok(())
}

#[test]
fn stripped_node_24_says_what_is_lost() -> Result<()> {
    let _machine = machine::shared();
    let node = Start::new(stripped("24.21.0")?, node::fixture("mixed_load")).ready()?;
    let finished = tool::run(&["--pid", &node.pid().to_string(), "--json", "--duration", "2s"])?;
    finished.expect(3)?;
    let records = finished.records()?;
    let Some(Body::Hello(hello)) = records.first().map(|record| &record.body) else { bail!("no hello") };
    for state in [&hello.features.gc, &hello.features.heap_limit] {
        ensure!(matches!(state, State::Off(why) if why.contains("stripped")), "{state:?}");
    }
    ensure!(records.iter().any(|record| matches!(record.body, Body::Memory(_))), "{}", finished.stdout);
    Ok(())
}

fn stripped(version: &str) -> Result<PathBuf> {
    let path = scratch::directory("stripped")?.join("node");
    let status = Command::new("strip").arg("-o").arg(&path).arg(releases::node(version)?).status()?;
    ensure!(status.success(), "strip failed");
    Ok(path)
}
