//! The records: the contract that outsiders script against (docs/json.md). One object a line.
//!
//! Sizes are bytes, durations carry their unit in the name, times are RFC 3339 in UTC. A value that is not known is
//! null, never 0; an interval with an open end has null there. Fields may be added, never changed.
//!
//! Every other output (plain lines, the live view) is made from these records and nothing else.

mod starts;

use serde::{Deserialize, Serialize};

use super::time::Time;
pub use starts::{Paused, Start, Starts};

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it happened.
    pub ts: Time,
    /// Whom it is about; absent from [`Body::Bye`] only.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

/// The process a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Process id.
    pub pid: u32,
    /// When the process started: tells it from a later one with the same pid.
    pub start_time: Time,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Body {
    /// We are attached to a target.
    Hello(Box<Hello>),
    /// An isolate came, was first seen, or went.
    Isolate(Isolate),
    /// A feature went on or off after the hello.
    Feature(Feature),
    /// A collection ended.
    Gc(Gc),
    /// Statistics of an isolate after a mark-compact.
    Stats(Box<Stats>),
    /// Where the collections of an isolate start.
    Starts(Box<Starts>),
    /// Memory of the process, every interval.
    Memory(Box<Memory>),
    /// node-memwatch's event.
    Leak(Leak),
    /// What we make of one kind of memory.
    Verdict(Box<Verdict>),
    /// A decision about what may be spent.
    Governor(Governor),
    /// The target is gone.
    End(End),
    /// What was not seen.
    Loss(Loss),
    /// The last record.
    Bye(Bye),
}

/// What there is to know of a target when we attach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of memwatch-bpf.
    pub version: String,
    /// Release of the running kernel.
    pub kernel: String,
    /// What tells it from its neighbours, for example `@shop/api dist/server.js :3000`; null if that could not be read.
    pub name: Option<String>,
    /// The process's name as the kernel has it.
    pub comm: String,
    /// Its command line.
    pub cmdline: Vec<String>,
    /// Node's version, for example `20.20.2`.
    pub node_version: Option<String>,
    /// V8's version, for example `11.3.244.8-node.38`.
    pub v8_version: Option<String>,
    /// Build id of the file that holds V8, in hexadecimal.
    pub build_id: Option<String>,
    /// `glibc` or `musl`.
    pub libc: Option<String>,
    /// The allocator that serves `malloc`: `glibc`, `musl`, `jemalloc`, `mimalloc`, `tcmalloc`.
    pub allocator: Option<String>,
    /// The container's id, if it runs in one.
    pub container: Option<String>,
    /// Why it was chosen with `--name`, `--container` and so on: for example `script /srv/api.js`; null with `--pid`.
    pub matched: Option<String>,
    /// What is watched, and why the rest is not.
    pub features: Features,
}

/// What is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Collections with kind, pause and sizes.
    pub gc: State,
    /// The heap's limit.
    pub heap_limit: State,
    /// External memory and array buffers.
    pub external: State,
    /// malloc.
    pub native: State,
    /// Stacks of JavaScript.
    pub js_stacks: State,
    /// Handles.
    pub handles: State,
}

/// Whether a feature is on: `"on"` or `{"off": reason}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    On,
    /// It does not, and why.
    Off(String),
}

impl Default for State {
    fn default() -> Self {
        Self::Off("not offered by this version".to_owned())
    }
}

/// An isolate came, was first seen, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolate {
    /// Serial number within the process, from 1.
    pub isolate: u32,
    /// `born` (we saw its heap being set up), `seen` (it existed before us) or `gone`.
    pub state: IsolateState,
    /// Id of its thread.
    pub thread: u32,
    /// Whether it belongs to a worker thread.
    pub worker: bool,
    /// Its heap's limit.
    pub heap_limit: Option<u64>,
}

/// See [`Isolate::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolateState {
    /// Its heap was set up while we watched.
    Born,
    /// It existed before we were attached; this is its first event.
    Seen,
    /// Its heap was torn down.
    Gone,
}

/// A feature went on or off after the hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// A name of [`Features`], or a program (`minor_mark`) that this build of V8 has no place for.
    pub name: String,
    /// `on` or `off`.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gc {
    /// Which isolate.
    pub isolate: u32,
    /// Id of the thread that collected.
    pub thread: u32,
    /// `scavenge`, `minor-mark` or `mark-compact`.
    pub kind: String,
    /// V8's words.
    pub reason: String,
    /// How long JavaScript stood still.
    pub pause_us: u64,
    /// Bytes of objects before.
    pub before_bytes: Option<u64>,
    /// Bytes of objects after.
    pub after_bytes: Option<u64>,
    /// Whether pages were evacuated (mark-compact only).
    pub compacted: Option<bool>,
    /// How long incremental marking ran before the pause (mark-compact only).
    pub marking_ms: Option<u64>,
    /// The isolate's array buffers when the pause ended: `process.memoryUsage().arrayBuffers`.
    pub array_buffers: Option<u64>,
    /// The memory behind its array buffers and external strings then: `process.memoryUsage().external`.
    pub external: Option<u64>,
    /// The JavaScript that ran when it started, from the user's own code outwards; empty if none did, null where that is
    /// not known.
    #[serde(default)]
    pub started_in: Option<Vec<Frame>>,
}

/// Statistics of one isolate after a mark-compact: node-memwatch's eight under its names, and ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Which isolate.
    pub isolate: u32,
    /// Mark-compacts.
    pub num_full_gc: u64,
    /// Every other collection.
    pub num_inc_gc: u64,
    /// As node-memwatch counts them: equal to `num_full_gc`.
    pub heap_compactions: u64,
    /// Percent by which the recent base is above the ancient one.
    pub usage_trend: f64,
    /// Heap after mark-compacts, smoothed over about ten of them.
    pub estimated_base: f64,
    /// Heap after this mark-compact.
    pub current_base: u64,
    /// Smallest heap after a mark-compact; null until the third.
    pub min: Option<u64>,
    /// Largest heap after a mark-compact; null until the third.
    pub max: Option<u64>,
    /// The heap's limit.
    pub heap_limit: Option<u64>,
    /// Percentiles of all pauses.
    pub gc_pause_us: Pauses,
    /// Share of time spent in collections since we are attached, 0 to 1.
    pub gc_share: f64,
}

/// Percentiles of pauses, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

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

/// node-memwatch's `leak` event, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// Which isolate.
    pub isolate: u32,
    /// When the run of growth began.
    pub start: Time,
    /// When it was called.
    pub end: Time,
    /// By how much the heap grew between.
    pub growth: u64,
    /// `heap growth over 5 consecutive GCs (20s) - 11.67 mb/hr`.
    pub reason: String,
}

/// What we make of one kind of memory of one isolate, or of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which isolate; null if it is about the process.
    pub isolate: Option<u32>,
    /// How sure we are that it leaks.
    pub verdict: Level,
    /// Which memory.
    pub kind: Kind,
    /// How fast it grows, if it is counted in bytes.
    pub rate_bytes_per_hour: Option<f64>,
    /// How fast it grows, in `rate_unit` an hour.
    #[serde(default)]
    pub rate_per_hour: Option<f64>,
    /// What `rate_per_hour` and `rate_interval` count.
    #[serde(default)]
    pub rate_unit: RateUnit,
    /// 95 % interval of the rate.
    pub rate_interval: Option<[Option<f64>; 2]>,
    /// Since when the verdict holds.
    pub since: Time,
    /// 0 to 1: one minus the probability that chance alone shows this trend; null while there is no trend to judge.
    pub confidence: Option<f64>,
    /// Seconds until `exhausts` is used up.
    pub time_to_exhaustion_s: Option<[Option<f64>; 2]>,
    /// What is used up first.
    pub exhausts: Option<Exhausts>,
    /// In words: what was seen, which tests passed, why it is not another kind.
    pub evidence: Vec<String>,
    /// Where the memory comes from, largest share first.
    pub sites: Vec<Site>,
}

/// How sure we are, in rising order of alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Watched too short, or too much was lost.
    Inconclusive,
    /// It does not grow.
    Stable,
    /// It grows, and may well stop: a cache that fills, a warm-up.
    Growing,
    /// It grows the way leaks do; more evidence is needed.
    Suspect,
    /// It leaks.
    Leak,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateUnit {
    /// Bytes.
    #[default]
    Bytes,
    /// Things: descriptors, isolates, threads.
    Count,
}

/// Which memory a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Objects in V8's heap.
    JsHeap,
    /// Array buffers and other memory that V8 accounts for but does not hold.
    External,
    /// malloc.
    Native,
    /// Handles.
    Handles,
    /// File descriptors.
    Fds,
    /// Isolates or threads.
    Isolates,
    /// Freed, and held by the allocator.
    Fragmentation,
    /// It grows with the load.
    Load,
    /// Nothing to name.
    None,
}

/// What a leak uses up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausts {
    /// V8's limit of this isolate's heap.
    HeapLimit,
    /// The cgroup's memory.
    Cgroup,
    /// The host's memory.
    Host,
    /// The limit of open files.
    FdLimit,
}

/// One place in the program that memory comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its share of the growth, 0 to 1.
    pub share: f64,
    /// Its bytes.
    pub bytes: u64,
    /// What `bytes` counts: `live`, `outstanding` or `allocated`.
    pub measure: String,
    /// Of native memory, by what call it was taken: `malloc` or `mmap`, their kin included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Samples behind it.
    pub n: u64,
    /// 95 % interval of the share.
    pub interval: Option<[Option<f64>; 2]>,
    /// The stack, innermost first.
    pub frames: Vec<Frame>,
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Function.
    #[serde(rename = "fn")]
    pub function: Option<String>,
    /// File or script.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The binary that the code is in (native frames).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// `js`, `native` or `kernel`.
    pub kind: String,
    /// `line` is where the function begins: where in it, and what was inlined into it there, is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
}

/// A decision about what may be spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Governor {
    /// What is being done.
    pub mode: String,
    /// Hits of our probes a second.
    pub hit_rate_per_s: f64,
    /// What they cost the target, percent of one CPU.
    pub cost_estimate_pct: f64,
    /// What they may cost.
    pub budget_pct: f64,
    /// Share of the events that is seen, 0 to 1.
    pub coverage: f64,
    /// Why.
    pub reason: String,
}

/// The target is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum End {
    /// It exited.
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// A signal killed it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// The signal's name, for example `SIGKILL`.
        name: String,
    },
    /// The kernel's OOM killer killed it.
    OomKill {
        /// `cgroup` or `host`; null if it could not be told.
        scope: Option<String>,
    },
    /// V8 ran out of memory and aborted.
    V8OutOfMemory {
        /// Which isolate, if we knew it.
        isolate: Option<u32>,
        /// V8's words.
        location: Option<String>,
    },
    /// It executed another program.
    Exec,
    /// It is gone, and how could not be learned.
    Unknown,
}

/// What was not seen of all targets since the watch began: repeated for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Happened, and is not in the report.
    pub lost: u64,
    /// Left out on purpose, by sampling.
    pub sampled_out: u64,
    /// In the report, without a value that could not be read, or not understood.
    pub malformed: u64,
    /// Half of a pair: for example a collection that was running when we attached.
    pub unmatched: u64,
    /// In the report with a value that was found another way than usual: nothing is missing.
    #[serde(default)]
    pub mended: u64,
    /// The same by reason.
    pub reasons: std::collections::BTreeMap<String, u64>,
}

/// The last record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bye {
    /// Why we stop: `interrupted`, `duration`, `targets-gone`, `quit`, `leak`.
    pub reason: String,
    /// How long we watched.
    pub watched_s: f64,
    /// What it cost us.
    pub own: Own,
    /// What it cost the targets.
    pub target_overhead: Overhead,
}

/// Our own cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// CPU time.
    pub cpu_s: f64,
    /// Resident set size.
    pub rss: Option<u64>,
}

/// What watching cost the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Percent of one CPU, from the number of hits and the measured cost of a hit.
    pub estimated_pct: Option<f64>,
    /// What it may be.
    pub budget_pct: f64,
    /// How often we backed off.
    pub backoffs: u64,
}
