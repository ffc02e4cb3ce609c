//! What is judged of a process, and how careful one has to be with each.

use crate::vocabulary::{Counted, Unit};

const MIB: f64 = 1_048_576.0;

/// One series as the judge sees it.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it counts.
    pub(super) what: Counted,
    pub(super) unit: Unit,
    /// Less growth than this is none.
    pub(super) material: f64,
    /// Nor is less than this share of what was there at first.
    pub(super) material_share: f64,
    /// Start-up lasts so long: modules are loaded, code is compiled, pools are filled.
    pub(super) start_up_s: f64,
    /// No leak is called of less, unless the end is near. A cache that fills is a leak until it is full, so what caches
    /// hold takes longer than what they do not hold.
    pub(super) min_span_s: f64,
    /// How sure one can be of what it shows.
    pub(super) care: Care,
}

/// How sure one can be of what a series shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// What it counts is held.
    Plain,
    /// It may be garbage until a mark-compact leaves it: that has to be seen.
    Collected,
    /// The same, but V8 does not know of it and so does not collect because of it: where no mark-compact comes, a longer
    /// time has to do.
    Unaccounted,
    /// What is left when everything known is taken off. It holds the errors of all, and what the allocator keeps: only
    /// growth that is steady to the end counts.
    Remainder,
    /// It is no leak however it grows.
    Harmless,
}

/// Descriptors of files, pipes and the like. 32 of them are more than any library opens once: a process that leaks 8 a
/// second has opened 200 in the shortest span.
pub(super) const FILES: Subject = Subject {
    what: Counted::Files,
    unit: Unit::Count,
    material: 32.0,
    material_share: 0.05,
    start_up_s: 3.0,
    min_span_s: 25.0,
    care: Care::Plain,
};

/// Descriptors of sockets, or of all sorts where they cannot be told apart: clients come and stay, some of them idle.
pub(super) const SOCKETS: Subject =
    Subject { what: Counted::Sockets, material_share: 0.15, start_up_s: 10.0, min_span_s: 100.0, ..FILES };

/// See [`SOCKETS`].
pub(super) const DESCRIPTORS: Subject = Subject { what: Counted::Descriptors, ..SOCKETS };

/// Pools of threads reach their size at once, and few are larger than this many steps.
pub(super) const THREADS: Subject = Subject {
    what: Counted::Threads,
    material: 8.0,
    material_share: 0.15,
    start_up_s: 10.0,
    min_span_s: 40.0,
    ..FILES
};

/// One for each worker.
pub(super) const ISOLATES: Subject = Subject { what: Counted::Isolates, ..THREADS };

/// Array buffers and the like.
pub(super) const EXTERNAL: Subject = Subject {
    what: Counted::External,
    unit: Unit::Bytes,
    material: 3.0 * MIB,
    material_share: 0.15,
    start_up_s: 15.0,
    min_span_s: 80.0,
    care: Care::Collected,
};

/// malloc by the allocator's books.
pub(super) const NATIVE: Subject = Subject { what: Counted::Malloc, care: Care::Unaccounted, ..EXTERNAL };

/// What nothing explains. Start-up of a large program touches its pages for longer.
pub(super) const REMAINDER: Subject = Subject {
    what: Counted::Unaccounted,
    material: 8.0 * MIB,
    start_up_s: 30.0,
    min_span_s: 85.0,
    care: Care::Remainder,
    ..EXTERNAL
};

/// What the allocator holds and does not use.
pub(super) const SLACK: Subject =
    Subject { what: Counted::Slack, min_span_s: 30.0, care: Care::Harmless, ..EXTERNAL };

/// Everything anonymous: its rate is that at which the cgroup and the host are used up.
pub(super) const ANONYMOUS: Subject = Subject { what: Counted::Anonymous, ..SLACK };
