//! One take of the heap of a target, while it runs on: what was reachable, and what its places held.

use std::{collections::HashSet, panic, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    heap::{
        graph::{Graph, HeapGraph as _, NodeId, Reachable},
        picture::Picture,
        questions::{Census, holdings},
        take::{self, Pause},
    },
    host::{clock, own},
    model::{Mono, ProcessId},
    sample::proc,
    target::{self, process},
};

/// What a take may need of our memory, bytes; nor more than this part of what the host and our cgroup have left.
const MOST_MEMORY: u64 = 1 << 30;
const PART_OF_AVAILABLE: u64 = 4;

/// A take that is to be made.
pub(crate) struct TakeJob {
    pub(super) id: ProcessId,
    /// Addresses of objects that are followed: whether they are reachable is asked as well.
    pub(crate) followed: HashSet<u64>,
}

/// What the places of the heap held in it.
pub(crate) struct Holdings {
    pub(super) census: Census,
    /// CPU time.
    pub(super) took: Duration,
    /// When it was had.
    pub(super) at: Mono,
    /// What was reachable of each heap.
    pub(super) reachable: Vec<Reachable>,
    /// Which of the objects that are followed were, by address.
    pub(super) alive: HashSet<u64>,
}

impl TakeJob {
    /// Makes it, in a thread of its own that gives way to others.
    pub(crate) fn run(self) -> Result<Holdings> {
        let last_in_line = || {
            own::give_way();
            self.take()
        };
        let thread = thread::Builder::new().name("take".to_owned());
        thread::scope(|scope| {
            let taken = thread.spawn_scoped(scope, last_in_line)?;
            taken.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    }

    fn take(self) -> Result<Holdings> {
        let before = own::thread_cpu();
        let target = target::examine(self.id.pid)?;
        if target.process.id != self.id {
            bail!("process {} has ended", self.id);
        }
        if swapped_out(self.id.pid) > 0 {
            bail!("a part of process {} is swapped out: reading its heap would bring it back", self.id);
        }
        let most = (take::available().unwrap_or(u64::MAX) / PART_OF_AVAILABLE).min(MOST_MEMORY);
        let picture = Picture::take(&target, Pause::None, most, &mut |_| {})
            .with_context(|| format!("cannot tell what holds the heap of process {}", self.id))?;
        let (at, reachable) = (clock::now(), picture.graph.reachable());
        let alive = reached(&picture.graph, &self.followed);
        let census = picture.ask(false, |known, names| holdings(known, names));
        // What was read may be of another process that has its pid by now.
        if process::current(self.id.pid) != Some(self.id) {
            bail!("process {} has ended", self.id);
        }
        Ok(Holdings { census, took: own::thread_cpu().saturating_sub(before), at, reachable, alive })
    }
}

/// Which of these addresses are those of objects of the graph.
fn reached(graph: &Graph, addresses: &HashSet<u64>) -> HashSet<u64> {
    let all = (0..graph.len()).map(|node| graph.address(NodeId(node)));
    all.filter(|address| addresses.contains(address)).collect()
}

/// Bytes of a process that are swapped out; none where the kernel does not say.
fn swapped_out(pid: u32) -> u64 {
    proc::text(pid, "status").and_then(|status| proc::bytes(&status, "VmSwap")).unwrap_or(0)
}
