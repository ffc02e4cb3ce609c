//! One look at a process from outside: what the kernel and the process's own allocator keep books of.

use super::{Mono, OutsideHeap};

/// What a process held at one moment, bytes unless named otherwise; `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Mono,
    /// Resident set size.
    pub rss: Option<u64>,
    /// Of it: anonymous memory (`RssAnon`).
    pub rss_anon: Option<u64>,
    /// Anonymous memory that was swapped out.
    pub swap: Option<u64>,
    /// The resident set by what it is used for. Read less often than the rest where reading is dear: then `None`.
    pub resident: Option<Resident>,
    /// What the allocator says of itself.
    pub malloc: Option<MallocBooks>,
    /// What all isolates hold outside of their heaps.
    pub outside: OutsideHeap,
    /// Open file descriptors.
    pub descriptors: Option<Descriptors>,
    /// Threads.
    pub threads: Option<u64>,
    /// What it may use up.
    pub limits: Limits,
    /// Whether it is stopped (SIGSTOP) or frozen (its cgroup): nothing that it holds can change.
    pub suspended: bool,
}

/// Resident bytes of a process by what the mappings are used for. Disjoint; with `other` they add up to the resident set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// V8's pages of all isolates, and its code.
    pub v8_heap: u64,
    /// The allocator's: brk, arenas, blocks that have a mapping of their own. In use or not.
    pub malloc: u64,
    /// Mapped files and shared memory.
    pub files: u64,
    /// Stacks of threads.
    pub stacks: u64,
    /// What is left.
    pub other: u64,
}

impl Resident {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.v8_heap + self.malloc + self.files + self.stacks + self.other
    }
}

/// What an allocator keeps books of: all blocks since the process started. Blocks that a thread keeps for itself to hand
/// out again (glibc's tcache) count as in use: at most 0.3 MB a thread until glibc 2.41.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MallocBooks {
    /// Bytes of blocks that were handed out and not freed, the allocator's own overhead included.
    pub in_use: u64,
    /// Of them, those of blocks that have a mapping of their own.
    pub mmapped: u64,
    /// Bytes that it holds and has not handed out, at the end of a heap too. Resident or not.
    pub free: u64,
    /// Heaps that it shares out among the threads.
    pub arenas: u32,
    /// Whether `free` was counted out. Otherwise part of it was estimated, and `in_use` with it: see `sample::malloc`.
    pub exact: bool,
}

/// Open file descriptors by what they are, as far as their names tell: a FIFO with a path counts as a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// All.
    pub total: u64,
    /// Of them; `None` if only counted.
    pub sockets: Option<u64>,
    /// Regular files and directories.
    pub files: Option<u64>,
    /// Pipes and FIFOs.
    pub pipes: Option<u64>,
    /// Everything else: eventfd, epoll, inotify, devices, and so on.
    pub other: Option<u64>,
}

/// What a process may use up, beside its heaps' limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In use by the process's memory cgroup, that level of it whose limit is nearest.
    pub cgroup_current: Option<u64>,
    /// That limit; `None` if there is none.
    pub cgroup_max: Option<u64>,
    /// What the host could still give without swapping (`MemAvailable`).
    pub host_available: Option<u64>,
    /// `RLIMIT_NOFILE`, the soft one: a count.
    pub descriptors: Option<u64>,
}
