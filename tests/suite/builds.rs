//! Builds that are not the official ones: without symbols (until Node 22 the dynamic symbols are enough, from 24 on
//! what is lost is said), linked with musl, with V8 in a shared library.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail, ensure};
use memwatch_tests::{
    container::Root,
    machine, node,
    node::Start,
    releases, scratch,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, State};

use crate::{
    compare::watch_and_compare,
    containers::{exact, traced},
};

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

#[test]
fn musl_is_named_and_exact() -> Result<()> {
    let _machine = machine::shared();
    let target = traced(&Root::of_build("musl")?)?;
    named(target.pid, ["24.19.0", "13.6.", "musl"])?;
    exact(&mut [target])
}

#[test]
fn v8_in_a_shared_library_is_named_and_exact() -> Result<()> {
    let _machine = machine::shared();
    let target = traced(&Root::of_build("debian")?)?;
    named(target.pid, ["18.20.4", "10.2.", "glibc"])?;
    exact(&mut [target])
}

fn named(pid: u32, [node, v8, libc]: [&str; 3]) -> Result<()> {
    let record = Tool::start(&["--pid", &pid.to_string(), "--json"])?.attached(pid)?;
    let Body::Hello(hello) = record.body else { bail!("no hello") };
    ensure!(hello.node_version.as_deref() == Some(node), "{hello:?}");
    ensure!(hello.v8_version.as_ref().is_some_and(|version| version.starts_with(v8)), "{hello:?}");
    ensure!((hello.libc.as_deref(), hello.allocator.as_deref()) == (Some(libc), Some(libc)), "{hello:?}");
    ensure!((&hello.features.gc, &hello.features.heap_limit) == (&State::On, &State::On), "{hello:?}");
    Ok(())
}

pub(crate) fn stripped(version: &str) -> Result<PathBuf> {
    let path = scratch::directory("stripped")?.join("node");
    let status = Command::new("strip").arg("-o").arg(&path).arg(releases::node(version)?).status()?;
    ensure!(status.success(), "strip failed");
    Ok(path)
}
