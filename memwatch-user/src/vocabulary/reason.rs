//! Reasons for a verdict: what was seen and measured, and how each test came out, with the numbers. Words are made of them
//! in the report. Amounts are in the verdict's unit; a number that could not be had is null.

use serde::{Deserialize, Serialize};

use super::{Kind, Level, Unit};

words! {
    /// What a series counts.
    pub enum Counted {
        /// Bytes of objects in one heap after full collections.
        Heap = "heap",
        /// Bytes of objects in one heap that are reachable.
        Reachable = "reachable",
        /// Bytes of objects in one heap after collections of any kind.
        Sizes = "sizes",
        /// Isolates.
        Isolates = "isolates",
        /// Threads.
        Threads = "threads",
        /// File descriptors other than sockets.
        Files = "files",
        /// Sockets.
        Sockets = "sockets",
        /// File descriptors of all sorts.
        Descriptors = "descriptors",
        /// Memory that V8 accounts for outside of its heap.
        External = "external",
        /// What the allocator has handed out, array buffers left out.
        Malloc = "malloc",
        /// Anonymous memory that neither V8 nor the allocator accounts for.
        Unaccounted = "unaccounted",
        /// What the allocator holds and has not handed out.
        Slack = "slack",
        /// All anonymous memory.
        Anonymous = "anonymous",
    }
}

words! {
    /// A test that growth must pass to be called a leak.
    pub enum Question {
        /// Is it more than chance?
        Significant = "significant",
        /// Does it never come back?
        Ratchet = "ratchet",
        /// Does it go on?
        Persistent = "persistent",
        /// Is it enough to matter?
        Material = "material",
        /// Is it spread over the time?
        Spread = "spread",
        /// Does what comes survive full collections?
        Retained = "retained",
        /// Does it grow by more than the load does?
        Independent = "independent",
        /// Has it gone on for longer than a cache takes to fill?
        Lasting = "lasting",
        /// Is it steady to the end?
        Steady = "steady",
        /// Is it held by the program itself?
        Held = "held",
    }
}

/// One reason for a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What was seen.
    #[serde(flatten)]
    pub seen: Seen,
    /// Whether growth passed this test of a leak; `None` if there is no answer yet, or it is no test.
    pub passed: Option<bool>,
}

/// What was seen or measured. The names of tests are those of [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Seen {
    /// The course of the series over the window that was judged.
    Course(Course),
    /// Too few readings of the series.
    FewReadings {
        /// What it counts.
        of: Counted,
    },
    /// Too few full collections to tell.
    FewCollections {
        /// How many there were.
        full_collections: u64,
        /// How many it takes.
        needed: u64,
        /// About how long the others will take, by those that came; `None` if no interval is known.
        wait_s: Option<f64>,
    },
    /// Too few takes of the heap to tell.
    FewTakes {
        /// How many there were.
        takes: u64,
        /// How many it takes.
        needed: u64,
        /// About how long the others will take, by those that came; `None` if no interval is known.
        wait_s: Option<f64>,
    },
    /// Not watched for long enough.
    ShortWatch {
        /// How long.
        watched_s: f64,
        /// How long it takes.
        needed_s: f64,
    },
    /// It grew, by too little to call it growth, and the interval of its rate does not exclude that this goes on.
    NotExcluded {
        /// About how much longer it takes to tell, if it goes on as it does.
        wait_s: Option<f64>,
    },
    /// Few full collections, but even growth of what is kept.
    Even {
        /// How many there were.
        full_collections: u64,
        /// The share of what came between them that stayed.
        retained_share: Option<f64>,
    },
    /// [`Question::Held`].
    Held {
        /// The share of the growth that variables and properties of the program hold, and hold more of each time; `None` is not
        /// known yet.
        held_share: Option<f64>,
    },
    /// The heap will be full within minutes.
    Runaway {
        /// At this rate in so long.
        left_s: f64,
        /// The share of what had come that the last full collection left; `None` if there was none.
        kept_share: Option<f64>,
    },
    /// Too many collections were lost.
    Lost {
        /// Their share.
        share: f64,
    },
    /// No collection was seen at all.
    NoCollection,
    /// Collections of this process cannot be seen.
    CollectionsHidden,
    /// [`Question::Significant`].
    Significant {
        /// Points of the series.
        points: u64,
        /// Kendall's tau: rising pairs less falling ones, of all pairs.
        tau: f64,
        /// The probability that chance alone shows this trend.
        p: f64,
    },
    /// [`Question::Ratchet`].
    Ratchet {
        /// The lowest values of the oldest, the middle and the newest third.
        lows: [f64; 3],
    },
    /// [`Question::Persistent`].
    Persistent {
        /// Rate in the older half.
        older_per_hour: f64,
        /// Rate in the newer half.
        newer_per_hour: f64,
        /// Rate at the end, of a series that is read at an interval.
        end_per_hour: Option<f64>,
    },
    /// [`Question::Material`].
    Material {
        /// By how much it grew.
        growth: f64,
        /// From where.
        base: f64,
    },
    /// [`Question::Spread`].
    Spread(Spread),
    /// [`Question::Retained`].
    Retained(Retained),
    /// [`Question::Steady`].
    Steady {
        /// Rate where it was slowest.
        slowest_per_hour: f64,
        /// Rate on the whole.
        rate_per_hour: f64,
        /// How far it strays from the line, in units of its rise.
        wobble_share: Option<f64>,
    },
    /// [`Question::Independent`].
    Independent(Independent),
    /// [`Question::Lasting`].
    Lasting {
        /// By how much it grew since it began.
        growth: f64,
        /// From where.
        base: f64,
        /// For how long.
        span_s: f64,
        /// After how long it is called a leak.
        due_s: f64,
    },
    /// It comes with another kind's growth, and is no leak of its own.
    Companion {
        /// The cause.
        of: Kind,
        /// How much there is for each of the cause, where that is counted in things.
        each: Option<f64>,
        /// How many times faster the cause grows, where that is memory.
        times: Option<f64>,
    },
    /// What the other kinds do.
    Others {
        /// They.
        others: Vec<Other>,
    },
}

/// See [`Seen::Course`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// What the series counts.
    pub of: Counted,
    /// Its first value.
    pub first: f64,
    /// Its last value.
    pub last: f64,
    /// The time between the two.
    pub span_s: f64,
    /// The slope of its line.
    pub rate_per_hour: f64,
    /// Of a heap: how many full collections.
    pub full_collections: Option<u64>,
    /// Of a heap that was read: how often.
    #[serde(default)]
    pub takes: Option<u64>,
    /// Whether the first value is the isolate's birth.
    pub since_birth: bool,
}

/// See [`Question::Spread`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Spread {
    /// Of a heap, in steps.
    Steps {
        /// So many rises make four fifths of the growth.
        steps: u64,
        /// Of so many.
        rises: u64,
    },
    /// Of a series that is read at an interval, in time.
    Half {
        /// Half of the growth came in this share of the time.
        half_share: f64,
    },
}

/// See [`Question::Retained`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Retained {
    /// Of what is no heap: the last full collection, and what full collections left.
    Left {
        /// The last full collection came after this share of the time.
        at_share: f64,
        /// It left this share of what had come.
        left_share: f64,
        /// What full collections left grows at this rate, in units of the rate before.
        rate_share: Option<f64>,
    },
    /// No full collection came, and nothing came back.
    NothingBack {
        /// In so long.
        span_s: f64,
    },
    /// No full collection came late enough to tell: it may be garbage.
    Unknown {
        /// So many came too early.
        full_collections: u64,
    },
    /// Of a heap that was read: garbage is not counted.
    Reachable {
        /// How often it was read.
        takes: u64,
    },
    /// Of a heap.
    Share {
        /// The share of what came between full collections that stayed.
        retained_share: Option<f64>,
    },
}

/// See [`Question::Independent`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Independent {
    /// Of a heap.
    Growth {
        /// By which share it grew.
        growth_share: f64,
        /// By which share the rate of allocation did.
        load_share: f64,
    },
    /// It follows the load.
    Follows {
        /// Which measure of it.
        load: Load,
        /// How much there is for each unit of the load; `None` where a unit means nothing.
        each: Option<f64>,
    },
}

words! {
    /// What tells how much a process has to do.
    pub enum Load {
        /// Open sockets.
        Sockets = "sockets",
        /// Bytes allocated a second.
        Allocation = "allocation",
    }
}

/// What another kind of memory does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Other {
    /// Which.
    pub kind: Kind,
    /// Of which isolate, if it is a heap.
    pub isolate: Option<u32>,
    /// The verdict on it.
    pub level: Level,
    /// How fast it grows.
    pub rate_per_hour: Option<f64>,
    /// In which unit.
    pub unit: Unit,
}

impl Reason {
    /// The answer to a test.
    #[must_use]
    pub const fn test(seen: Seen, passed: bool) -> Self {
        Self { seen, passed: Some(passed) }
    }

    /// What is no test, or has no answer yet.
    #[must_use]
    pub const fn plain(seen: Seen) -> Self {
        Self { seen, passed: None }
    }

    /// Whether growth passed this test.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.passed == Some(true)
    }

    /// Whether it is a test that nothing was seen yet to answer with.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.question().is_some() && self.passed.is_none()
    }

    /// The test that it answers.
    #[must_use]
    pub const fn question(&self) -> Option<Question> {
        Some(match self.seen {
            Seen::Significant { .. } => Question::Significant,
            Seen::Ratchet { .. } => Question::Ratchet,
            Seen::Persistent { .. } => Question::Persistent,
            Seen::Material { .. } => Question::Material,
            Seen::Spread(_) => Question::Spread,
            Seen::Retained(_) => Question::Retained,
            Seen::Independent(_) => Question::Independent,
            Seen::Lasting { .. } => Question::Lasting,
            Seen::Steady { .. } => Question::Steady,
            Seen::Held { .. } => Question::Held,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason, as it comes out of JSON again.
    fn again(reason: &Reason) -> Reason {
        serde_json::from_str(&serde_json::to_string(reason).unwrap()).unwrap()
    }

    #[test]
    fn a_reason_comes_out_of_json_as_it_went_in() {
        let steps = Seen::Spread(Spread::Steps { steps: 2, rises: 23 });
        let half = Seen::Spread(Spread::Half { half_share: 0.5 });
        let left = Retained::Left { at_share: 0.8, left_share: 0.9, rate_share: None };
        let follows = Independent::Follows { load: Load::Sockets, each: Some(8192.0) };
        let other = Other {
            kind: Kind::Fds,
            isolate: None,
            level: Level::Growing,
            rate_per_hour: None,
            unit: Unit::Count,
        };
        let mut all = vec![
            Reason::test(steps, false),
            Reason::test(half, true),
            Reason::test(Seen::Independent(follows), false),
            Reason::plain(Seen::Others { others: vec![other] }),
            Reason::plain(Seen::NoCollection),
        ];
        let retained = [
            left,
            Retained::NothingBack { span_s: 100.0 },
            Retained::Share { retained_share: Some(0.4) },
            Retained::Share { retained_share: None },
            Retained::Unknown { full_collections: 0 },
        ];
        all.extend(retained.map(|retained| Reason::plain(Seen::Retained(retained))));
        for reason in &all {
            assert_eq!(again(reason), *reason);
        }
    }

    #[test]
    fn the_name_of_a_test_is_its_questions() {
        let reason = Reason::test(Seen::Material { growth: 1.0, base: 20.0 }, false);
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["name"], Question::Material.word());
        assert_eq!(json["passed"], false);
        assert_eq!(again(&reason).question(), Some(Question::Material));
    }
}
