//! Several outputs at once, each at its own pace: one that is slow, stopped or broken holds up neither the watch nor the others,
//! and what it does not have of the report is said.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    fifo::Fifo,
    kernel, machine, node, patience, proc, releases, scratch, skip,
    tool::{self, Tool},
};
use memwatch_user::report::{
    exit_status::{Job, Outcome},
    record::{Body, Missed, Record},
};
use rustix::process::Signal;

/// Records that wait for a sink at most; some more than that must come for one to be left out.
const QUEUE: usize = 4096;

#[test]
fn lines_and_json_are_written_at_once() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let file = file("json")?;
    let finished = tool::run(&["--pid", &node.pid().to_string(), &json(&file), "--duration", "3s"])?;
    finished.done()?;
    ensure!(
        finished.stdout.contains(" hello ") && finished.stdout.contains("watching took"),
        "{}",
        finished.stdout
    );
    let records = records(&file)?;
    ensure!(records.first().is_some_and(tool::is_hello), "{:?}", records.first());
    ensure!(records.iter().any(|record| tool::gc(record).is_some()), "no collection in the file");
    ensure!(bye(&records)? == "duration" && missed(&records).is_none());
    Ok(())
}

/// What was in the file is kept until there is something to put in its place, and then replaced.
#[test]
fn a_file_that_is_there_is_replaced_once_the_watch_begins() -> Result<()> {
    let _machine = machine::shared();
    let file = file("json")?;
    fs::write(&file, "earlier\n".repeat(10_000))?;
    let refused = tool::run(&["--pid", "2", &json(&file)])?;
    refused.expect(2)?;
    ensure!(fs::read_to_string(&file)?.ends_with("earlier\n"));
    let node = node::running("idle")?;
    tool::run(&["--pid", &node.pid().to_string(), &json(&file), "--duration", "1s"])?.done()?;
    ensure!(bye(&records(&file)?)? == "duration");
    Ok(())
}

/// The pipe is full from the beginning, so that not one record can be written.
#[test]
fn a_reader_that_stops_reading_ends_with_the_duration() -> Result<()> {
    let records = stopped_reader(&["--duration", "2s"], |_| Ok(()))?;
    ensure!(bye(&records)? == "duration");
    Ok(())
}

#[test]
fn a_reader_that_stops_reading_ends_with_a_signal() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let records = stopped_reader(&[], |tool| tool.signal(signal))?;
        ensure!(bye(&records)? == "interrupted");
    }
    Ok(())
}

/// Ends a tool whose standard output nobody reads. It ends by itself, its probes go, it says what is missing, and its exit status
/// is that of the verdicts. The records that it wrote to a file meanwhile.
fn stopped_reader(options: &[&str], end: impl FnOnce(&Tool) -> Result<()>) -> Result<Vec<Record>> {
    let _machine = machine::shared();
    let mut node = node::running("mixed_load")?;
    let directory = scratch::directory("unread")?;
    let (fifo, file) = (Fifo::full(&directory, "stdout")?, directory.join("json"));
    let (pid, json) = (node.pid().to_string(), json(&file));
    let arguments = [&["--pid", &pid, &json], options].concat();
    let tool = Tool::spawn(&mut into(fifo.path(), &arguments)?)?;
    wait_for(&file, |records| records.iter().any(|record| tool::gc(record).is_some()))?;
    let held = kernel::held_by(tool.pid())?;
    end(&tool)?;
    let finished = tool.finish()?;
    held.wait_until_gone()?;
    ensure!(finished.stderr.contains("standard output is not being read"), "{}", finished.stderr);
    let records = records(&file)?;
    finished.expect(status_of(&records))?;
    node.healthy()?;
    Ok(records)
}

/// Every record is either in the slow output or counted there, right before `bye`; the other output has them all.
#[test]
fn a_slow_reader_is_told_what_it_missed() -> Result<()> {
    let _machine = machine::shared();
    let node = node::start(releases::USUAL, "gc_storm")?.flag("--expose-gc").ready()?;
    let fifo = Fifo::full(&scratch::directory("slow")?, "json")?;
    let pid = node.pid().to_string();
    let output = fifo.path().to_owned();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--stacks", "off", &json(&output)])?;
    tool.wait_all("any record", QUEUE + 500, |_| true)?;
    let reader = std::thread::spawn(move || -> Result<Vec<Record>> {
        fifo.reader()?.map(|line| tool::parse(&line?)).collect()
    });
    // By now the reader keeps up.
    let so_far = tool.records()?.len();
    tool.wait_all("any record", so_far + QUEUE, |_| true)?;
    let finished = tool.interrupt()?;
    let slow = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    let all = finished.records()?;
    let missed = missed(&slow).context("nothing was said to be missing")?;
    ensure!(missed.records > 0 && missed.output == output.display().to_string(), "{missed:?}");
    ensure!(
        slow.len() - 1 + usize::try_from(missed.records)? == all.len(),
        "{missed:?}: {} of {}",
        slow.len(),
        all.len()
    );
    let told = format!("{} was read too slowly: {} of its records", missed.output, missed.records);
    ensure!(finished.stderr.contains(&told), "`{told}` is not in: {}", finished.stderr);
    let is_lasting = |record: &&Record| !record.body.is_periodic();
    let lasting = |records: &[Record]| records.iter().filter(is_lasting).cloned().collect::<Vec<_>>();
    let kept: Vec<_> =
        lasting(&slow).into_iter().filter(|record| !matches!(record.body, Body::Missed(_))).collect();
    ensure!(kept == lasting(&all), "what is said once was left out");
    Ok(())
}

/// Nobody waits for more; the other output is whole.
#[test]
fn a_broken_pipe_ends_the_watch_in_silence() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let directory = scratch::directory("broken")?;
    let (fifo, file) = (Fifo::new(&directory, "stdout")?, directory.join("json"));
    let pid = node.pid().to_string();
    let tool = Tool::spawn(&mut into(fifo.path(), &["--pid", &pid, "-v", &json(&file)])?)?;
    wait_for(&file, |records| records.iter().any(|record| tool::gc(record).is_some()))?;
    drop(fifo);
    let finished = tool.finish()?;
    ensure!(finished.stderr.is_empty(), "{}", finished.stderr);
    let records = records(&file)?;
    ensure!(bye(&records)? == "output-closed");
    finished.expect(status_of(&records))
}

/// A full disk is told when it happens, and at the end what is missing; the job was not done, which a leak would outweigh.
#[test]
fn a_full_disk_ends_neither_the_watch_nor_the_other_output() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let pid = node.pid().to_string();
    let finished = tool::run(&["--pid", &pid, "--json=/dev/full", "--duration", "3s"])?;
    ensure!(
        finished.stdout.contains("watching took") && !finished.stdout.contains("closed"),
        "{}",
        finished.stdout
    );
    for expected in ["cannot write /dev/full: No space left", "records are missing from /dev/full"] {
        ensure!(finished.stderr.contains(expected), "`{expected}` is not in: {}", finished.stderr);
    }
    finished.expect(2)
}

/// What can be told before anything is attached is.
#[test]
fn files_that_cannot_be_written() -> Result<()> {
    let _machine = machine::shared();
    let fifo = {
        let directory = scratch::directory("nobody")?;
        let fifo = Fifo::new(&directory, "reads")?;
        fifo.path().to_owned()
    };
    for option in ["--json", "--collapsed"] {
        for (file, expected) in [
            (Path::new("/no/such/file"), "No such file"),
            (&fifo, "nobody reads this FIFO"),
            (Path::new("/proc"), "directory"),
        ] {
            let finished = tool::run(&["--pid", "1", &format!("{option}={}", file.display())])?;
            finished.expect(2)?;
            ensure!(
                finished.stdout.is_empty() && finished.stderr.lines().count() == 1,
                "{}",
                finished.stderr
            );
            ensure!(finished.stderr.contains(expected), "{option} {}: {}", file.display(), finished.stderr);
        }
    }
    Ok(())
}

/// A profile for a reader that has stopped is given up, and said; so is the rest of them written.
#[test]
fn a_profile_that_nobody_reads_is_given_up() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let directory = scratch::directory("profile")?;
    let (fifo, file) = (Fifo::full(&directory, "pprof")?, directory.join("collapsed"));
    let pid = node.pid().to_string();
    let files = [format!("--pprof={}", fifo.path().display()), format!("--collapsed={}", file.display())];
    let mut tool = Tool::start(&["--pid", &pid, "--json", &files[0], &files[1]])?;
    tool.wait("a collection", |record| tool::gc(record).is_some())?;
    let finished = tool.interrupt()?;
    ensure!(finished.stderr.contains("it is not being read"), "{}", finished.stderr);
    ensure!(file.exists(), "the other file is not there");
    finished.expect(2)
}

/// The kernel takes its time for each probe; the user's prompt does not wait for that.
#[test]
fn the_tool_is_gone_before_its_probes() -> Result<()> {
    let _machine = machine::alone();
    let node = node::running("mixed_load")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    tool.wait("a collection", |record| tool::gc(record).is_some())?;
    let held = kernel::held_by(tool.pid())?;
    let start = Instant::now();
    tool.interrupt()?.done()?;
    let until_gone = start.elapsed();
    let was_first = !held.alive()?.is_empty();
    held.wait_until_gone()?;
    if !was_first && until_gone.as_millis() < 300 {
        return skip("the tool is gone before its probes", "this kernel takes no time for them");
    }
    ensure!(was_first, "the tool waited for its probes, {until_gone:?}");
    Ok(())
}

/// The tool with its standard output into `path`.
fn into(path: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" > \"$OUTPUT\"", "sh"]).env("OUTPUT", path);
    let tool = tool::command()?;
    command.arg(tool.get_program()).args(arguments);
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Ok(command)
}

fn json(file: &Path) -> String {
    format!("--json={}", file.display())
}

fn file(name: &str) -> Result<PathBuf> {
    Ok(scratch::directory("sinks")?.join(name))
}

/// The records in a file; what is being written is not one yet.
fn records(file: &Path) -> Result<Vec<Record>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(tool::parse).collect()
}

fn wait_for(file: &Path, is_there: impl Fn(&[Record]) -> bool) -> Result<()> {
    proc::until(patience(), || Ok(is_there(&records(file)?).then_some(())))
        .with_context(|| format!("{} has not what is waited for", file.display()))
}

/// Why the watch ended, by its last record.
fn bye(records: &[Record]) -> Result<&str> {
    let Some(Body::Bye(bye)) = records.last().map(|record| &record.body) else {
        anyhow::bail!("the last record is {:?}", records.last())
    };
    Ok(&bye.reason)
}

/// What is said to be missing, right before the last record.
fn missed(records: &[Record]) -> Option<&Missed> {
    match &records[records.len().checked_sub(2)?].body {
        Body::Missed(missed) => Some(missed),
        _ => None,
    }
}

/// The exit status that goes with the verdicts.
fn status_of(records: &[Record]) -> i32 {
    let mut outcome = Outcome::default();
    for record in records {
        outcome.record(record);
    }
    outcome.exit_status(Job::Done).into()
}
