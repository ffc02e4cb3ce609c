//! A heap is read at any moment, of any thread, with and without a pause, and refused where it cannot be; whatever becomes of
//! us.

use std::{thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{
    full, machine,
    node::{self, Node},
    patience, proc, releases,
    tool::Tool,
};
use memwatch_user::{
    heap::{
        graph::{HeapGraph, IsolateId},
        read::{self, HeapError},
        take::{How, Isolate, Pause, TakeError},
    },
    target,
};
use nix::{sys::ptrace, unistd::Pid};
use rustix::process::Signal;

use crate::{
    heap_graph::{LONG, counts, of_class, read, taken, unless_torn},
    heap_truth::CLASSES,
};

const FIXTURE: &str = "heap_known";

/// Classes of `heap_workers`, each of one thread, and how many objects of it and of `Shared` the thread keeps.
const WORKERS: [(&str, usize); 3] = [("OfMain", 100), ("OfFirst", 200), ("OfSecond", 300)];
/// The heap of each worker is an isolate of its own, of the thread that runs it.
#[test]
fn workers_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    for version in ["18.20.8", releases::USUAL, "26.10.0"] {
        let mut node = node::start(version, "heap_workers")?.ready()?;
        let graph = taken(node.pid(), LONG)?;
        let isolates = &graph.take().isolates;
        ensure!(isolates.len() == WORKERS.len(), "{version}: {isolates:?}");
        ensure!(isolates[0].thread == Some(node.pid()), "{version}: {isolates:?}");
        for (class, count) in WORKERS {
            let thread: u32 = node.said(&format!("thread {class} "))?.parse()?;
            let of = |isolate: &Isolate| isolate.thread == Some(thread);
            let number = isolates.iter().position(of).with_context(|| format!("{class}: {isolates:?}"))?;
            let number = Some(IsolateId(u16::try_from(number)?));
            for (name, expected) in [(class, [count, count]), ("Shared", [600, count])] {
                let all = of_class(&graph, name);
                let in_it = all.iter().filter(|node| graph.isolate(**node) == number).count();
                ensure!([all.len(), in_it] == expected, "{version}: {in_it} of {} {name}", all.len());
            }
        }
    }
    Ok(())
}

/// However it is taken and whatever runs meanwhile: what the program keeps is there, or the take is refused.
#[test]
fn at_any_moment_it_is_right_or_refused() -> Result<()> {
    let _machine = machine::shared();
    let rounds = if full() { 1000 } else { 5 };
    for version in ["20.20.2", releases::USUAL, "26.10.0"] {
        let mut node = node::start(version, FIXTURE)?.flag("--expose-gc").ready()?;
        node.tell("gc")?;
        node.said("collected")?;
        node.tell("churn")?;
        let mut refused = 0;
        for _ in 0..rounds {
            refused += moment(node.pid(), version)?;
        }
        ensure!(refused * 2 <= rounds, "{version}: {refused} of {rounds} takes were refused");
        node.healthy()?;
    }
    Ok(())
}

/// Whether the take was refused.
fn moment(pid: u32, version: &str) -> Result<u32> {
    let Some(graph) = unless_torn(read(pid, LONG))? else { return Ok(1) };
    let counts = counts(&graph);
    for (name, count) in CLASSES {
        let found = counts["object"].get(name).map_or(0, |count| count.0);
        ensure!(found == count, "{version}: {found} of {count} {name}; {:?}", graph.checks());
    }
    Ok(0)
}

/// Takes without a pause, and with one that is too short for anything, say so, and have what is old.
#[test]
fn what_no_pause_suffices_for_is_taken_without_one() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::start(releases::USUAL, FIXTURE)?.flag("--expose-gc").ready()?;
    node.tell("gc")?;
    node.said("collected")?;
    let running = taken(node.pid(), Pause::None)?;
    ensure!(running.take().how == How::Running && running.take().pause.is_zero());
    for allowed in [0, 1, 5].map(Duration::from_millis) {
        let graph = taken(node.pid(), Pause::AtMost(allowed))?;
        ensure!(
            graph.take().how != How::Stopped || graph.take().pause <= allowed,
            "{:?}",
            graph.take().pause
        );
    }
    for graph in [running, taken(node.pid(), LONG)?] {
        ensure!(counts(&graph)["object"]["Session"].0 == 5000, "{:?}", graph.take().how);
    }
    node.healthy()
}

/// `kill -9` of ours at any moment, most of them inside of the take: the process goes on.
#[test]
fn whoever_dies_inside_a_take_lets_the_process_go_on() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running(FIXTURE)?;
    for pause in ["20s", "none"] {
        for round in 0..if full() { 50 } else { 10 } {
            dies(&mut node, pause, Duration::from_millis(20 + 17 * round))?;
        }
    }
    Ok(())
}

fn dies(node: &mut Node, pause: &str, after: Duration) -> Result<()> {
    let tool = Tool::start(&["heap", "--pid", &node.pid().to_string(), "--pause", pause])?;
    thread::sleep(after);
    // Fails if it is done already.
    drop(tool.signal(Signal::KILL));
    tool.finish()?;
    node.healthy()?;
    ensure!(proc::threads(node.pid())?.len() > 4);
    Ok(())
}

#[test]
fn what_cannot_be_taken_is_one_clear_error() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running(FIXTURE)?;
    let pid = node.pid();
    let target = target::examine(pid)?;
    let error = |target| match read::read(target, LONG, u64::MAX, &mut |_| {}) {
        Err(HeapError::Take(error)) => Ok(error),
        other => bail!("{other:?}"),
    };
    node.signal(Signal::STOP)?;
    proc::until(patience(), || Ok((proc::state(pid)? == 'T').then_some(())))?;
    ensure!(error(&target)? == TakeError::IsStopped { pid });
    node.signal(Signal::CONT)?;
    node.healthy()?;

    let thread = Pid::from_raw(pid.cast_signed());
    ptrace::seize(thread, ptrace::Options::empty())?;
    let found = thread::scope(|scope| scope.spawn(|| error(&target)).join());
    ensure!(matches!(found, Ok(Ok(TakeError::Debugged { .. }))), "{found:?}");
    ptrace::interrupt(thread)?;
    nix::sys::wait::waitpid(thread, None)?;
    ptrace::detach(thread, None)?;
    node.healthy()?;

    ensure!(node.stop()?.success());
    ensure!(error(&target)? == TakeError::Gone { pid });
    Ok(())
}
