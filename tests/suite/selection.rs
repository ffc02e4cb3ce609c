//! Every way to say whom to watch: those are watched, and nobody else.

use std::{
    fs,
    path::PathBuf,
    process::{self, Stdio},
};

use anyhow::{Result, ensure};
use memwatch_tests::{
    machine, node,
    node::{Node, Start},
    proc, releases, scratch,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, End, Frame, IsolateState, Switch};

use crate::{
    compare::{same, wait_for_collections},
    js_stacks,
};

#[test]
fn two_processes_of_one_binary() -> Result<()> {
    let _machine = machine::shared();
    let start = || node::start(releases::USUAL, "mixed_load")?.traced().ready();
    let (mut watched, bystander) = ([start()?, start()?], start()?);
    let mut tool = Tool::watch(&watched.each_ref().map(Node::pid))?;
    let before = [watched[0].collections()?.len(), watched[1].collections()?.len()];
    for node in &watched {
        wait_for_collections(&mut tool, node.pid(), 1, 15)?;
    }
    watched[0].stop()?;
    watched[1].stop()?;
    let records = tool.finish()?.records()?;
    ensure!(records.iter().all(|record| !tool::of(record, bystander.pid())), "a bystander is in the report");
    for (node, before) in watched.iter_mut().zip(before) {
        same(&tool::collections(&records, node.pid()), &node.collections()?, before)?;
    }
    Ok(())
}

#[test]
fn by_name() -> Result<()> {
    let _machine = machine::shared();
    let package = format!("memwatch-suite-{}", process::id());
    let first = in_package(&package, releases::USUAL, "mixed_load")?.ready()?;
    let other = node::running("mixed_load")?;
    let mut tool = Tool::start(&["--name", "memwatch-suite-*", "--json"])?;
    tool.attached(first.pid())?;
    let later = in_package(&package, releases::USUAL, "mixed_load")?.ready()?;
    tool.attached(later.pid())?;
    let records = tool.interrupt()?.records()?;
    ensure!(records.iter().all(|record| !tool::of(record, other.pid())));
    Ok(())
}

/// As Next.js and pm2 have it: the command line is gone, and the script with it.
#[test]
fn by_a_title_and_by_the_script_below_it() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let title = format!("memwatch-shop-{} (v15)", process::id());
        let node = node::start(version, "retitled")?.argument(&title).ready()?;
        let script = node::fixture("retitled").canonicalize()?.display().to_string();
        for (glob, matched) in [
            (format!("memwatch-shop-{}*", process::id()), format!("title {title}")),
            (script.clone(), format!("script {script}")),
        ] {
            let mut tool = Tool::start(&["--name", &glob, "--json"])?;
            let hello = tool.attached(node.pid())?;
            let Body::Hello(hello) = hello.body else { unreachable!("it was waited for") };
            ensure!(hello.matched.as_deref() == Some(&matched), "Node {version}: {:?}", hello.matched);
            let name = hello.name.unwrap_or_default();
            ensure!(name == format!("{title} node/retitled.js"), "Node {version}: {name}");
        }
    }
    Ok(())
}

#[test]
fn by_a_title_that_is_set_later() -> Result<()> {
    let _machine = machine::shared();
    let title = format!("memwatch-later-{}", process::id());
    let start = || node::start(releases::USUAL, "retitled")?.argument(&title).argument("later").ready();
    let mut first = start()?;
    let mut tool = Tool::start(&["--name", &title, "--json"])?;
    first.tell("rename")?;
    tool.attached(first.pid())?;
    let mut second = start()?;
    second.tell("rename")?;
    tool.attached(second.pid())?;
    tool.interrupt()?.done()
}

/// pm2 says what it calls a process in the environment: of a fork field by field, of a worker of a cluster in one variable.
#[test]
fn by_the_name_that_pm2_gave() -> Result<()> {
    let _machine = machine::shared();
    let name = format!("memwatch-pm2-{}", process::id());
    let script = node::fixture("idle").display().to_string();
    let fork = [format!("name={name}"), "pm_id=4".to_owned(), format!("pm_exec_path={script}")];
    let cluster = [format!("pm2_env={{\"name\":\"{name}\",\"pm_id\":5,\"pm_exec_path\":\"{script}\"}}")];
    for (environment, shown) in [(&fork[..], "#4"), (&cluster[..], "#5")] {
        let words: Vec<&str> = ["env"].into_iter().chain(environment.iter().map(String::as_str)).collect();
        let node = node::start(releases::USUAL, "idle")?.under(&words).ready()?;
        let mut tool = Tool::start(&["--name", &name, "--json"])?;
        let Body::Hello(hello) = tool.attached(node.pid())?.body else { unreachable!("it was waited for") };
        ensure!(hello.name.as_deref() == Some(&format!("{name} {shown}")), "{:?}", hello.name);
        ensure!(hello.matched.as_deref() == Some(&format!("pm2 name {name}")), "{:?}", hello.matched);
    }
    Ok(())
}

/// Two programs of the same name, and two processes of the same program.
#[test]
fn two_of_the_same_name_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    let start = |package: &str| in_package(package, releases::USUAL, "mixed_load")?.ready();
    let nodes = [start("memwatch-front")?, start("memwatch-back")?];
    let mut tool = Tool::watch(&nodes.each_ref().map(Node::pid))?;
    let names: Vec<_> = tool
        .records()?
        .into_iter()
        .filter_map(|record| if let Body::Hello(hello) = record.body { hello.name } else { None })
        .collect();
    ensure!(names[0].starts_with("memwatch-front ") && names[1].starts_with("memwatch-back "), "{names:?}");
    Ok(())
}

/// A name that nobody has is no finding: the job could not be done.
#[test]
fn a_name_that_nobody_has() -> Result<()> {
    let _machine = machine::shared();
    let _node = node::running("idle")?;
    let finished = tool::run(&["--name", "memwatch-nobody", "--duration", "1s"])?;
    finished.expect(2)?;
    for text in ["no process matches --name 'memwatch-nobody'", "Node.js process", "memwatch-bpf list"] {
        ensure!(finished.stderr.contains(text), "`{text}` is not in: {}", finished.stderr);
    }
    Ok(())
}

#[test]
fn everything_that_is_node() -> Result<()> {
    let _machine = machine::shared();
    let first = node::running("mixed_load")?;
    let mut tool = Tool::start(&["--all", "--json"])?;
    tool.attached(first.pid())?;
    // A binary that was not there when the tool was attached, under a load from its first line on.
    let mut later = node::start("20.20.2", "mixed_load")?.traced().ready()?;
    tool.attached(later.pid())?;
    let before = later.collections()?.len();
    wait_for_collections(&mut tool, later.pid(), 1, 10)?;
    later.stop()?;
    tool.wait("the end of the later", |record| {
        tool::of(record, later.pid()) && matches!(record.body, Body::End(End::Exit { code: 0 }))
    })?;
    let records = tool.interrupt()?.records()?;
    same(&tool::collections(&records, later.pid()), &later.collections()?, before)?;
    Ok(())
}

#[test]
fn children_of_a_cluster() -> Result<()> {
    let _machine = machine::shared();
    let mut primary = node::running("cluster")?;
    let mut tool = Tool::start(&["--pid", &primary.pid().to_string(), "--children", "--json"])?;
    tool.attached(primary.pid())?;
    for pid in proc::descendants(primary.pid())? {
        tool.attached(pid)?;
    }
    primary.tell("fork")?;
    let count = |lines: &[String]| lines.iter().filter(|line| line.starts_with("worker ")).count() == 3;
    primary.stdout.wait(memwatch_tests::patience(), |lines| count(lines).then_some(()))?;
    for pid in proc::descendants(primary.pid())? {
        tool.attached(pid)?;
        tool.wait("a collection of a worker", |record| tool::of(record, pid) && tool::gc(record).is_some())?;
    }
    Ok(())
}

/// Watched from the birth of its first isolate on.
#[test]
fn a_node_that_the_tool_starts() -> Result<()> {
    let node = releases::node(releases::USUAL)?.display().to_string();
    launched(&[&node, &node::fixture("mixed_load").display().to_string()], IsolateState::Born)
}

/// What is started becomes a Node later: its first isolate may be older than our probes in that file.
#[test]
fn a_shell_that_the_tool_starts() -> Result<()> {
    let node = releases::node(releases::USUAL)?.display().to_string();
    let line = format!("exec {node} {}", node::fixture("mixed_load").display());
    launched(&["sh", "-c", &line], IsolateState::Seen)
}

/// It is looked at before its loader has mapped a C library, and before V8 has begun: what cannot be known then is looked for
/// again.
#[test]
fn who_allocates_in_a_node_that_the_tool_starts() -> Result<()> {
    let _machine = machine::shared();
    for version in js_stacks::releases() {
        let node = releases::node(version)?;
        let mut command = tool::command()?;
        command.args(["--json", "--duration", "8s", "--"]).arg(node).arg(node::fixture("leak_fast"));
        let tool = Tool::spawn(command.stdin(Stdio::piped()))?;
        let records = tool.finish()?.records()?;
        // What is alive is not followed before Node 18.
        let is_meant = |name: &str| name != "survivors" || js_stacks::major(version) >= 18;
        let off: Vec<_> = records
            .iter()
            .filter_map(|record| match &record.body {
                Body::Feature(feature) if feature.state == Switch::Off => Some(feature),
                _ => None,
            })
            .filter(|feature| is_meant(&feature.name))
            .collect();
        ensure!(off.is_empty(), "Node {version}: {off:?}");
        let verdicts = records.iter().rev().filter_map(tool::verdict);
        let sites: Vec<_> = verdicts.flat_map(|verdict| &verdict.sites).collect();
        let is_serve = |frame: &Frame| frame.function.as_deref() == Some("serve");
        ensure!(
            sites.iter().any(|site| site.frames.first().is_some_and(is_serve)),
            "Node {version}: {sites:#?}"
        );
    }
    Ok(())
}

/// Starts `line` by the tool; of its first isolate not less is known than `state`.
fn launched(line: &[&str], state: IsolateState) -> Result<()> {
    let _machine = machine::shared();
    let mut command = tool::command()?;
    command.args(["--json", "--"]).args(line).stdin(Stdio::piped());
    let mut tool = Tool::spawn(&mut command)?;
    let record = tool.wait("isolate", |record| matches!(record.body, Body::Isolate(_)))?;
    let pid = record.subject.map_or(0, |subject| subject.pid);
    let Body::Isolate(isolate) = record.body else { unreachable!("it was waited for") };
    ensure!([state, IsolateState::Born].contains(&isolate.state), "{isolate:?}");
    wait_for_collections(&mut tool, pid, 1, 10)?;
    ensure!(proc::descendants(tool.pid())? == [pid], "{:?}", proc::descendants(tool.pid())?);
    tool.interrupt()?.done()
}

/// A package of its own around the fixture `mixed_load`.
/// The fixture `of` under the release `version`, in a package called `name`.
pub(crate) fn in_package(name: &str, version: &str, of: &str) -> Result<Start> {
    let directory = scratch::directory("package")?;
    fs::write(directory.join("package.json"), format!("{{\"name\": \"{name}\"}}"))?;
    let copy = |fixture: &str| -> Result<PathBuf> {
        let to = directory.join(format!("{fixture}.js"));
        fs::copy(node::fixture(fixture), &to)?;
        Ok(to)
    };
    copy("common")?;
    Ok(Start::new(releases::node(version)?, copy(of)?))
}
