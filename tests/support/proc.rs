//! Child processes: waiting with a deadline, signals, and what `/proc` says of others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Waits until `child` ends, or says that it did not.
pub fn wait(child: &mut Child, time: Duration) -> Result<ExitStatus> {
    until(time, || Ok(child.try_wait()?)).with_context(|| format!("process {} does not end", child.id()))
}

/// Asks `answer` until it has one or `time` has passed.
pub fn until<T>(time: Duration, mut answer: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(value) = answer()? {
            return Ok(value);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain", time.as_secs());
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Sends `signal` to the process `pid`.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("not a pid")?;
    kill_process(pid, signal).with_context(|| format!("cannot signal {}", pid.as_raw_nonzero()))
}

/// Kills and reaps, whatever has become of it.
pub fn end(child: &mut Child) {
    // Both fail only if it is gone already.
    drop(child.kill());
    drop(child.wait());
}

/// The letter of `/proc/PID/stat`: `R`, `S`, `Z` and so on.
pub fn state(pid: u32) -> Result<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).context("no state in /proc/PID/stat")
}

/// Threads of a process, the main one first.
pub fn threads(pid: u32) -> Result<Vec<u32>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
    let mut tids = tasks.flatten().filter_map(|task| number(&task.path())).collect::<Vec<_>>();
    tids.sort_by_key(|&tid| (tid != pid, tid));
    Ok(tids)
}

/// All descendants of a process, parents before children.
pub fn descendants(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        for tid in threads(parent).unwrap_or_default() {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{tid}/children"))?;
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    Ok(found.split_off(1))
}

/// The program that a process runs; `None` if it is gone.
#[must_use]
pub fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.parse().ok()
}
