//! bpftrace doing the same job: the six probes that tell a collection with its kind, pause and sizes.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::child::Talker;
use super::node;

/// What it says at the first collection that it has seen whole.
const COLLECTED: &str = "collected";

/// `NODE` and `PID` stand for the target. The one whose name differs between versions is spelt for the bench's.
const SCRIPT: &str = r#"
uprobe:NODE:"_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonENS_15GCCallbackFlagsE"
/pid == PID/ { @start[tid] = nsecs; @reason[tid] = arg2 & 0xff; }
uprobe:NODE:"_ZN2v88internal4Heap8ScavengeEv" /@start[tid]/ { @kind[tid] = 1; }
uprobe:NODE:"_ZN2v88internal4Heap11MarkCompactEv" /@start[tid]/ { @kind[tid] = 3; }
uprobe:NODE:"_ZN2v88internal4Heap14MinorMarkSweepEv" /@start[tid]/ { @kind[tid] = 2; }
uretprobe:NODE:"_ZN2v88internal4Heap13SizeOfObjectsEv" /@start[tid]/ {
  if (@kind[tid]) { if (@after[tid] == 0) { @after[tid] = retval; } } else { @before[tid] = retval; }
}
uretprobe:NODE:"_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonENS_15GCCallbackFlagsE"
/@start[tid]/ {
  printf("collected %d %d %d %d %d\n", @kind[tid], @reason[tid], nsecs - @start[tid], @before[tid], @after[tid]);
  delete(@start[tid]); delete(@kind[tid]); delete(@before[tid]); delete(@after[tid]);
}
"#;

/// Attaches to `pid`, and detaches after the first collection; how long after its start that was reported.
pub(super) fn first_collection(pid: u32) -> Result<Duration> {
    let node = node::program()?.canonicalize()?;
    let script = SCRIPT.replace("NODE", &node.to_string_lossy()).replace("PID", &pid.to_string());
    let mut command = Command::new("bpftrace");
    // Lines as they come: its standard output is a pipe here.
    command.args(["-B", "line", "-e", &script]);
    // Without tracefs it complains of every probe that it detaches, and works.
    command.stderr(Stdio::null());
    let talker = Talker::start(&mut command)?;
    let line = talker.wait_for(COLLECTED)?;
    let took = line.at - talker.since;
    talker.interrupt()?;
    Ok(took)
}
