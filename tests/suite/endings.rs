//! How the target died is said, and the report is complete: last verdict, what was not seen, `bye`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    cgroup::MemoryCgroup,
    machine,
    node::{self, Node},
    patience, proc, releases, skip,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Body, End};
use rustix::process::Signal;

/// No core files: a V8 that runs out of memory aborts.
const NO_CORE: [&str; 2] = ["prlimit", "--core=0"];

/// Bytes that an idle Node fits in and one that keeps all it makes soon does not.
const LIMIT: u64 = 160 << 20;

#[test]
fn exit_code() -> Result<()> {
    let mut node = node::start(releases::USUAL, "exit_code")?.argument("7").ready()?;
    let end = end_of(&mut node, |node| node.tell("exit"))?;
    ensure!(end == End::Exit { code: 7 }, "{end:?}");
    Ok(())
}

#[test]
fn signal() -> Result<()> {
    for (signal, number, name) in [(Signal::TERM, 15, "SIGTERM"), (Signal::KILL, 9, "SIGKILL")] {
        let end = end_of(&mut node::running("mixed_load")?, |node| node.signal(signal))?;
        ensure!(end == End::Signal { signal: number, name: name.to_owned() }, "{end:?}");
    }
    Ok(())
}

#[test]
fn v8_out_of_memory() -> Result<()> {
    for version in releases::chosen() {
        let start = node::start(version, "out_of_memory")?.flag("--max-old-space-size=60").under(&NO_CORE);
        let mut node = start.ready()?;
        let end = end_of(&mut node, |node| node.tell("go")).with_context(|| format!("Node {version}"))?;
        let End::V8OutOfMemory { isolate: Some(1), location: Some(location) } = &end else {
            anyhow::bail!("Node {version}: {end:?}")
        };
        let complaint = format!("FATAL ERROR: {location} ");
        ensure!(node.stderr.text()?.contains(&complaint), "Node {version} did not say {complaint}");
    }
    Ok(())
}

#[test]
fn kernel_out_of_memory_in_a_cgroup() -> Result<()> {
    let end = killed_in(MemoryCgroup::new("oom", LIMIT))?;
    ensure!(end.is_none_or(|end| end == End::OomKill { scope: Some("cgroup".to_owned()) }));
    Ok(())
}

/// Where the counters do not tell whose limit it was, nothing is claimed.
#[test]
fn kernel_out_of_memory_without_counters() -> Result<()> {
    let end = killed_in(MemoryCgroup::new("oom-swap", LIMIT).and_then(|cgroup| cgroup.with_swap(LIMIT)))?;
    ensure!(end.as_ref().is_none_or(|end| *end == End::OomKill { scope: None }), "{end:?}");
    Ok(())
}

/// How a Node ends that outgrows `cgroup`; `None` if there is none.
fn killed_in(cgroup: Result<MemoryCgroup>) -> Result<Option<End>> {
    let cgroup = match cgroup {
        Ok(cgroup) => cgroup,
        Err(why) => {
            skip("a kernel OOM kill", &why.to_string())?;
            return Ok(None);
        }
    };
    let wrapper = cgroup.wrapper();
    let start = node::start(releases::USUAL, "out_of_memory")?.under(&wrapper.each_ref().map(String::as_str));
    end_of(&mut start.ready()?, |node| node.tell("go")).map(Some)
}

#[test]
fn exec() -> Result<()> {
    let end = end_of(&mut node::start("26.10.0", "exec")?.ready()?, |node| node.tell("exec"))?;
    ensure!(end == End::Exec, "{end:?}");
    Ok(())
}

#[test]
fn others_go_on() -> Result<()> {
    let _machine = machine::shared();
    let (mut first, mut second) = (node::running("mixed_load")?, node::running("mixed_load")?);
    let mut tool = Tool::watch(&[first.pid(), second.pid()])?;
    first.stop()?;
    tool.wait("the end of the first", |record| end(record).is_some() && tool::of(record, first.pid()))?;
    let so_far = tool.records()?.len();
    let later = |record: &_| tool::of(record, second.pid()) && tool::gc(record).is_some();
    let more = tool.records()?.iter().take(so_far).filter(|record| later(record)).count() + 1;
    tool.wait_all("a collection of the second", more, later)?;
    second.stop()?;
    complete(&tool.finish()?)
}

/// As where an older filter of system calls knows nothing of descriptors for processes.
#[test]
fn an_end_that_the_kernel_does_not_tell() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("idle")?;
    let mut command = Command::new("strace");
    command.args(["--quiet=all", "--follow-forks", "--output=/dev/null", "--trace=pidfd_open"]);
    command.arg("--inject=pidfd_open:error=EPERM").arg(tool::binary()?);
    let mut tool = Tool::spawn(command.args(["--pid", &node.pid().to_string(), "--json"]))
        .context("no strace: run `cargo xtask setup`")?;
    tool.attached(node.pid())?;
    let warned = || Ok(tool.complaints()?.contains("noticed late").then_some(()));
    proc::until(patience(), warned).context("a descriptor was refused, and nothing was said of it")?;
    node.stop()?;
    tool.wait("end", |record| end(record).is_some())?;
    tool.finish()?.done()
}

/// Attaches to `node`, makes it `die`, and checks that the report is complete.
fn end_of(node: &mut Node, die: impl Fn(&mut Node) -> Result<()>) -> Result<End> {
    let _machine = machine::shared();
    let mut tool = Tool::watch(&[node.pid()])?;
    die(node)?;
    tool.wait("end", |record| end(record).is_some())?;
    let finished = tool.finish()?;
    finished.done()?;
    complete(&finished)?;
    let records = finished.records()?;
    records.iter().find_map(end).cloned().context("no end")
}

fn end(record: &memwatch_user::report::record::Record) -> Option<&End> {
    if let Body::End(end) = &record.body { Some(end) } else { None }
}

/// Verdict and `bye` have come, in this order, and nothing after.
fn complete(finished: &Finished) -> Result<()> {
    let records = finished.records()?;
    let verdict =
        records.iter().rposition(|record| tool::verdict(record).is_some()).context("no last verdict")?;
    ensure!(
        records[verdict..].iter().all(|record| tool::gc(record).is_none()),
        "collections after the last verdict"
    );
    let Some(Body::Bye(bye)) = records.last().map(|record| &record.body) else {
        anyhow::bail!("the last record is {:?}", records.last())
    };
    ensure!(bye.reason == "targets-gone" && bye.watched_s > 0.0, "{bye:?}");
    Ok(())
}
