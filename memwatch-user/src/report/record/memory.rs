//! Memory of a process.

use serde::{Deserialize, Serialize};

/// Memory of the process. Each of the resident parts has one source: docs/json.md.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident set size.
    pub rss: Option<u64>,
    /// Of it: anonymous memory.
    pub rss_anon: Option<u64>,
    /// Anonymous memory that was swapped out: not part of `rss`.
    pub swap: Option<u64>,
    /// Of it: V8's heaps with their code.
    pub v8_heap: Option<u64>,
    /// Of it: array buffers of the isolates that we know of.
    pub array_buffers: Option<u64>,
    /// Of it: other malloc'ed blocks in use.
    pub native_live: Option<u64>,
    /// How much of `native_live` is from before we were attached: the allocator's books do not say.
    pub native_before: Option<u64>,
    /// Of it: held by the allocator, not by the program.
    pub allocator_slack: Option<u64>,
    /// Of it: mapped files.
    pub mapped_files: Option<u64>,
    /// Of it: stacks.
    pub stacks: Option<u64>,
    /// What is left; may be negative.
    pub unexplained: Option<i64>,
    /// How old the parts are: they are read less often where that is dear.
    pub parts_age_s: Option<f64>,
    /// What V8 and the allocator say they hold, resident or not.
    #[serde(default)]
    pub held: Held,
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// The same by what they are.
    pub fds_by_kind: Option<FdsByKind>,
    /// The limit of open file descriptors.
    pub fd_limit: Option<u64>,
    /// Handles.
    pub handles: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Isolates that we know of.
    pub isolates: u64,
    /// The cgroup's memory.
    pub cgroup: Option<Cgroup>,
    /// What the host could still give without swapping.
    pub host_available: Option<u64>,
    /// Whether the process is stopped or frozen.
    #[serde(default)]
    pub suspended: bool,
}

/// What V8 and the allocator say they hold, resident or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Array buffers of all isolates: `process.memoryUsage().arrayBuffers`.
    pub array_buffers: Option<u64>,
    /// Behind the array buffers and external strings of all isolates: `process.memoryUsage().external`.
    pub external: Option<u64>,
    /// The allocator's blocks in use, array buffers among them.
    pub malloc_in_use: Option<u64>,
    /// What the allocator holds and has not handed out.
    pub malloc_free: Option<u64>,
}

/// Open file descriptors by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdsByKind {
    /// Sockets.
    pub sockets: u64,
    /// Regular files and directories.
    pub files: u64,
    /// Pipes and FIFOs.
    pub pipes: u64,
    /// Everything else.
    pub other: u64,
}

/// Memory of a cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// In use.
    pub current: u64,
    /// The limit; null if there is none.
    pub max: Option<u64>,
}
