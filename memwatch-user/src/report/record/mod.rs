//! The records: the contract that outsiders script against (docs/json.md). One object a line.
//!
//! Sizes are bytes, durations carry their unit in the name, times are RFC 3339 in UTC. A value that is not known is
//! null, never 0; an interval with an open end has null there. Fields may be added, never changed.
//!
//! Every other output (plain lines, the live view) is made from these records and nothing else.

mod bye;
mod end;
mod feature;
mod gc;
mod governor;
mod heap;
mod hello;
mod holder;
mod isolate;
mod leak;
mod loss;
mod memory;
mod missed;
mod site;
mod starts;
mod stats;
mod verdict;

use serde::{Deserialize, Serialize};

use super::time::Time;
pub use crate::vocabulary::{Code, GcKind, Kind, Level, Measure, Resource, Switch, Taken, TakenBy, Unit};
pub use bye::{Bye, Overhead, Own};
pub use end::End;
pub use feature::Feature;
pub use gc::Gc;
pub use governor::Governor;
pub use heap::Heap;
pub use hello::{Features, Hello, State};
pub use holder::Holder;
pub use isolate::{Isolate, IsolateState};
pub use leak::Leak;
pub use loss::Loss;
pub use memory::{Cgroup, FdsByKind, Held, Memory};
pub use missed::Missed;
pub use site::{Frame, Site};
pub use starts::{Paused, Start, Starts};
pub use stats::{Pauses, Stats};
pub use verdict::Verdict;

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it happened.
    pub ts: Time,
    /// Whom it is about; absent from [`Body::Missed`] and [`Body::Bye`] only.
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
    /// A heap was read.
    Heap(Heap),
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
    /// What this output does not have of the report.
    Missed(Missed),
    /// The last record.
    Bye(Bye),
}

impl Body {
    /// Whether such records come all the time, so that one of them can be left out: what remains is true, and the next says how
    /// things are then.
    #[must_use]
    pub const fn is_periodic(&self) -> bool {
        match self {
            Self::Gc(_)
            | Self::Stats(_)
            | Self::Starts(_)
            | Self::Memory(_)
            | Self::Heap(_)
            | Self::Governor(_)
            | Self::Loss(_)
            // Servers start and end workers by the dozen a second.
            | Self::Isolate(_) => true,
            Self::Hello(_)
            | Self::Feature(_)
            | Self::Leak(_)
            | Self::Verdict(_)
            | Self::End(_)
            | Self::Missed(_)
            | Self::Bye(_) => false,
        }
    }
}
