//! One program from its start to the end of the watch.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use memwatch_lab::live::{
    case::{Case, Run},
    trace::{Trace, Truth},
};
use memwatch_tests::{
    cgroup::MemoryCgroup,
    proc,
    tool::{Finished, Tool},
};
use rustix::process::Signal;

use crate::{convert::Converter, program, truth};

/// How often it is looked whether the process still lives.
const LOOK: Duration = Duration::from_millis(500);

/// Watches a run. Fails if it cannot be started or watched, or if it ends and is not meant to.
pub(crate) fn watch(case: &Case, run: &Run) -> Result<Trace> {
    let speaks = run.leaks() && !case.to_death;
    let twin = speaks.then(|| truth::Twin::start(case, run)).transpose()?;
    let mut seen = Converter::default();
    for (life, secs) in lives(case).into_iter().enumerate() {
        if life > 0 {
            seen.restart();
        }
        seen.add(&live(case, run, secs)?.stdout)?;
    }
    let truth = match twin {
        Some(twin) => {
            thread::sleep(Duration::from_secs(truth::LATE_S));
            twin.truth()?
        }
        None => Truth::default(),
    };
    Ok(seen.trace(run.clone(), truth))
}

/// How long each process of the run is watched, seconds.
fn lives(case: &Case) -> Vec<u64> {
    case.restart_s.map_or(vec![case.secs], |at| vec![at, case.secs - at])
}

/// Starts a process, and watches it for so many seconds; what the tool said.
fn live(case: &Case, run: &Run, secs: u64) -> Result<Finished> {
    let cgroup = case.cgroup_mib.map(|mib| MemoryCgroup::new(&run.name(), mib << 20)).transpose()?;
    let joining = cgroup.as_ref().map_or(Vec::new(), |cgroup| cgroup.wrapper().to_vec());
    let joining: Vec<&str> = joining.iter().map(String::as_str).collect();
    let node = program::program(case, run, &[])?.under(&joining).ready()?;
    thread::sleep(Duration::from_secs(case.attach_s));
    let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--interval", "1s"])?;
    tool.attached(node.pid())?;
    let lives = lasts(node.pid(), Duration::from_secs(secs));
    ensure!(lives || case.to_death, "it ended by itself: {}", node.stderr.text()?);
    if lives {
        // Not Ctrl-C: a recorder that was started in the background hands on that it is to be ignored.
        tool.signal(Signal::TERM)?;
    }
    let said = tool.finish()?;
    said.done()?;
    // Before its cgroup, which cannot be removed while somebody is in it.
    drop(node);
    Ok(said)
}

/// Whether the process outlives that time.
fn lasts(pid: u32, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        // It is our child, and nobody waits for it yet: dead, it is a zombie.
        if proc::state(pid).is_ok_and(|state| state == 'Z') {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}
