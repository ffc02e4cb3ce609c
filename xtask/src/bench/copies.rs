//! The copies that the tool leaves behind: it ends at once, and a copy of it closes its probes, which takes the kernel some
//! seconds. Until then the targets are not as they were.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

/// Makes the copies that are left behind from now on children of this process.
pub(super) fn adopt() -> Result<()> {
    set_child_subreaper(Some(getpid())).context("cannot adopt what the tool leaves behind")
}

/// Waits until all of them have ended.
pub(super) fn wait() -> Result<()> {
    while let Some(copy) = children()?.into_iter().find(|child| leads_a_session(*child)) {
        waitpid(Some(copy), WaitOptions::empty())?;
    }
    Ok(())
}

fn children() -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let pids = fs::read_to_string(task?.path().join("children"))?;
        children.extend(pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    Ok(children)
}

/// A copy leads a session of its own; what we start is in ours. `/proc/PID/stat`: state, parent, group and session follow the
/// name.
fn leads_a_session(child: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let session = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(3));
    session == Some(child.to_string().as_str())
}
