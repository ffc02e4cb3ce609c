//! What comes of a watch, in the engine's own terms. `translate` makes records of it, once.

use std::{collections::BTreeMap, time::Duration};

pub(crate) use super::heaps::holders::HeapHolder;
use super::{
    ending::End,
    features::{FeatureChange, FeatureState},
    probes::pace::Rest,
};
use crate::{
    attribute::{Site, Starts},
    detect,
    heap::graph::Reachable,
    model::{Collection, Frame, Mono, Reading},
    native::{Decision, Holder},
    plan::Missing,
    series::{Budget, Isolate, MemwatchLeak, MemwatchStats, pauses::Percentiles},
    target::{Allocator, Libc},
    vocabulary::Seen,
};

/// The process that an outcome is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its pid.
    pub(crate) pid: u32,
    /// When it started, milliseconds since 1970.
    pub(crate) start_unix_ms: i64,
}

/// Something that came of watching a process.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Which process.
    pub(crate) subject: Subject,
    /// When it happened.
    pub(crate) at: Mono,
    /// What happened, and what is made of it.
    pub(crate) what: What,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// It is a target now.
    Adopted(Box<Introduction>),
    /// A feature went on or off.
    Feature(FeatureChange),
    /// An isolate was set up.
    IsolateBorn(IsolateFacts),
    /// An isolate was torn down.
    IsolateGone(Box<IsolateEnd>),
    /// A collection ended.
    Collection(Box<CollectionOutcome>),
    /// The process was read from outside.
    Scrape(Box<ScrapeOutcome>),
    /// What was reachable of the heap of an isolate when it was read.
    Take(u32, Reachable),
    /// The verdicts as they stand, before the end of the process or of the watch.
    LastVerdicts(LastVerdicts),
    /// Where the collections of an isolate started so far.
    Triggers(u32, Box<Starts>),
    /// What its native memory may cost was decided anew.
    NativeDecision(Decision),
    /// The probes on allocations rest, as they cost too much.
    Rest(Rest),
    /// More was lost than was said before.
    Losses(Loss),
    /// It has ended.
    Ended(End),
}

/// A target as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Introduction {
    /// The name that tells it from others of its kind.
    pub(crate) name: Option<String>,
    /// The kernel's name of it.
    pub(crate) comm: String,
    /// Its arguments.
    pub(crate) cmdline: Vec<String>,
    /// Node's version.
    pub(crate) node_version: Option<String>,
    /// V8's version.
    pub(crate) v8_version: Option<String>,
    /// Build id of the file that holds V8.
    pub(crate) build_id: Option<String>,
    /// Its C library.
    pub(crate) libc: Option<Libc>,
    /// What serves `malloc`.
    pub(crate) allocator: Option<Allocator>,
    /// Id of its container.
    pub(crate) container: Option<String>,
    /// Why it was chosen, where its pid was not given.
    pub(crate) matched: Option<String>,
    /// What of it can be watched.
    pub(crate) features: Features,
    /// Programs that have no place in its file.
    pub(crate) missing: Vec<Missing>,
}

/// What of a target can be watched.
#[derive(Clone, Debug)]
pub(crate) struct Features {
    /// Collections.
    pub(crate) gc: FeatureState,
    /// The heap's limit.
    pub(crate) heap_limit: FeatureState,
    /// What isolates hold outside of their heaps.
    pub(crate) external: FeatureState,
    /// What the allocator says it holds.
    pub(crate) native: FeatureState,
    /// Stacks of JavaScript.
    pub(crate) js_stacks: FeatureState,
}

/// One isolate, as far as records say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsolateFacts {
    /// Serial number within the process.
    pub(crate) serial: u32,
    /// Id of its thread.
    pub(crate) tid: u32,
    /// Whether it belongs to a worker thread.
    pub(crate) worker: bool,
    /// Its heap's limit, bytes.
    pub(crate) limit: Option<u64>,
}

impl From<&Isolate> for IsolateFacts {
    fn from(isolate: &Isolate) -> Self {
        let Isolate { serial, tid, worker, limit, .. } = *isolate;
        Self { serial, tid, worker, limit }
    }
}

/// The end of an isolate.
#[derive(Clone, Debug)]
pub(crate) struct IsolateEnd {
    /// Which.
    pub(crate) isolate: IsolateFacts,
    /// Where its collections started, if that was counted.
    pub(crate) triggers: Option<Starts>,
    /// The last verdicts on it.
    pub(crate) verdicts: Vec<Attributed>,
}

/// A collection, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct CollectionOutcome {
    /// What V8 did.
    pub(crate) collection: Collection,
    /// Where it started: frames from the user's own code outwards, none outside of JavaScript; `None` is not known.
    pub(crate) trigger: Option<Vec<Frame>>,
    /// What it showed of its isolate.
    pub(crate) shown: Shown,
    /// Verdicts that it changed.
    pub(crate) verdicts: Vec<Attributed>,
}

/// What a collection showed of its isolate.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Which isolate.
    pub(crate) isolate: IsolateFacts,
    /// It was not known before.
    pub(crate) is_new: bool,
    /// What isolates hold outside of their heaps can be read from now on, or no more.
    pub(crate) external: Option<FeatureChange>,
    /// After a mark-compact.
    pub(crate) statistics: Option<Statistics>,
    /// node-memwatch's event.
    pub(crate) leak: Option<MemwatchLeak>,
}

/// Statistics of an isolate after a mark-compact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Statistics {
    /// node-memwatch's.
    pub(crate) memwatch: MemwatchStats,
    /// All pauses.
    pub(crate) pauses: Percentiles,
    /// Share of the time spent in collections, 0 to 1.
    pub(crate) gc_share: f64,
}

/// What was read of a process from outside, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct ScrapeOutcome {
    /// The allocator's own account can be read from now on, or no more.
    pub(crate) native: Option<FeatureChange>,
    /// What was read.
    pub(crate) reading: Reading,
    /// The resident set by use.
    pub(crate) budget: Budget,
    /// How old that is.
    pub(crate) budget_age: Option<Duration>,
    /// Isolates that are known.
    pub(crate) isolates: u64,
    /// Verdicts that it changed.
    pub(crate) verdicts: Vec<Attributed>,
}

/// Verdicts as they stand.
#[derive(Clone, Debug)]
pub(crate) struct LastVerdicts {
    /// Since when nothing was heard of any isolate, and why.
    pub(crate) silence: Option<(Mono, Seen)>,
    /// The verdicts.
    pub(crate) verdicts: Vec<Attributed>,
}

/// A verdict, and where the memory comes from that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Attributed {
    /// The verdict.
    pub(crate) verdict: detect::Verdict,
    /// Where from.
    pub(crate) sites: Sites,
    /// What holds what a JavaScript heap grows by, the largest first.
    pub(crate) holders: Vec<HeapHolder>,
}

/// Where memory comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Sites {
    /// That is not known.
    #[default]
    Unknown,
    /// Where JavaScript allocated it.
    Allocated(Vec<Site>),
    /// Where JavaScript made what is still alive of it.
    Live(Vec<Site>),
    /// By whom native memory is held.
    Held(Vec<Holder>),
}

/// What was not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    /// It happened, and is not in the report.
    pub(crate) lost: u64,
    /// In the report without a value that could not be read.
    pub(crate) malformed: u64,
    /// Half of a pair.
    pub(crate) unmatched: u64,
    /// In the report with a value that was found another way than usual.
    pub(crate) mended: u64,
    /// The same by reason.
    pub(crate) reasons: BTreeMap<String, u64>,
}
