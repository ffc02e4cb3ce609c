//! Answers as they are written (docs/json.md). Sizes are bytes; what is not known is null.

use serde::{Deserialize, Serialize};

pub use crate::vocabulary::Taken;

/// One isolate, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Isolates {
    /// The main thread's alone.
    One(u16),
    /// With those of workers.
    Many(Vec<u16>),
}

/// Where a picture comes from; part of every answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Version of this format.
    pub schema: u32,
    /// Which answer it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of which process.
    pub pid: u32,
    /// Its name and arguments, cut.
    pub title: String,
    /// Its version of Node.
    pub node_version: Option<String>,
    /// Numbers of its isolates.
    pub isolate: Isolates,
    /// How it was had.
    pub taken: Taken,
    /// For how long the process stood still, microseconds.
    pub pause_us: u64,
    /// What the self-check counted.
    pub checked: Checked,
}

/// What the self-check counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Slots that refer to no object.
    pub bad_slots: u64,
    /// References to objects that were just moved.
    pub forwarded: u64,
    /// Part of the pages' bytes that a walk from object to object explained.
    pub explained: Option<f64>,
}

/// Of a heap, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Objects that a full collection would keep.
    pub objects: u64,
    /// Their bytes.
    pub shallow_bytes: u64,
    /// Bytes that a full collection would free.
    pub garbage_bytes: Option<u64>,
    /// Bytes outside of the heap.
    pub external_bytes: u64,
}

/// Objects of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Of a plain object, its first properties; of a function, where it begins.
    pub shape: Option<String>,
    /// `object`, `closure`, `array`, `string`, `code` or `system`.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// Bytes of the objects themselves.
    pub shallow_bytes: u64,
    /// Bytes outside of the heap that are theirs.
    pub external_bytes: u64,
    /// What they hold along the tree of shortest paths, in the heap and outside.
    pub held_bytes: u64,
}

/// A place that holds much.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Part of everything that it holds.
    pub share: f64,
    /// Bytes of that.
    pub bytes: u64,
    /// How many objects of the class that makes up most of it are right in it.
    pub count: u64,
    /// That class.
    pub class: String,
    /// Where it is, in one phrase.
    #[serde(rename = "where")]
    pub place: String,
    /// The path from it to a root, outermost last.
    pub path: Vec<String>,
    /// Name of the function whose variable or property it is under.
    #[serde(rename = "fn")]
    pub function: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Its line.
    pub line: Option<u32>,
    /// Whether it is Node's or V8's own.
    pub own: bool,
}

/// A group of roots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Which.
    pub name: String,
    /// Of which isolate; null of stacks.
    pub isolate: Option<u16>,
    /// How many references it has.
    pub edges: u32,
    /// Whether that is absurdly many.
    pub many: bool,
}

/// Answer of `heap`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// Whether text lists what Node and V8 hold for themselves; JSON always does.
    #[serde(skip)]
    pub internal: bool,
    /// All together.
    pub totals: Totals,
    /// The places that hold most of it, largest first; Node's and V8's own last.
    pub holders: Vec<Holder>,
    /// Classes, those with the most bytes first.
    pub classes: Vec<Class>,
    /// Groups of roots.
    pub roots: Vec<Root>,
}

/// Objects and bytes at one time, as node-memwatch has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Census {
    /// Objects.
    pub nodes: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// The same in words.
    pub size: String,
    /// Seconds since the first take.
    pub after_s: f64,
    /// How it was had.
    pub taken: Taken,
    /// For how long the process stood still, microseconds.
    pub pause_us: u64,
}

/// A class that changed, as node-memwatch has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Name of the class.
    pub what: String,
    /// Of a plain object, its first properties; of a function, where it begins.
    pub shape: Option<String>,
    /// What sort of thing it is, as in [`Class`].
    pub kind: String,
    /// Bytes more, in the heap and outside.
    pub size_bytes: i64,
    /// The same in words.
    pub size: String,
    /// Objects more: the net, if that is positive.
    #[serde(rename = "+")]
    pub allocated: Option<u64>,
    /// Objects fewer: the net, if that is negative.
    #[serde(rename = "-")]
    pub freed: Option<u64>,
}

/// What changed, as node-memwatch has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Bytes more.
    pub size_bytes: i64,
    /// The same in words.
    pub size: String,
    /// Objects freed: not known where objects may have moved.
    pub freed_nodes: Option<u64>,
    /// Objects allocated: likewise.
    pub allocated_nodes: Option<u64>,
    /// Objects more.
    pub nodes: i64,
    /// Classes, the largest growth first.
    pub details: Vec<Detail>,
}

/// A place that holds more than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrownHolder {
    /// Part of everything that it holds.
    pub share: f64,
    /// Bytes of that.
    pub bytes: u64,
    /// How many objects of the class that makes up most of it are right in it.
    pub count: u64,
    /// That class.
    pub class: String,
    /// Where it is, in one phrase.
    #[serde(rename = "where")]
    pub place: String,
    /// Name of the function whose variable or property it is under.
    #[serde(rename = "fn")]
    pub function: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Its line.
    pub line: Option<u32>,
    /// Bytes more than before.
    pub grown_bytes: i64,
    /// Objects more than before.
    pub grown_count: i64,
    /// Of three takes: `steady`, or `step` if it grew in one of the intervals only.
    pub trend: Option<String>,
    /// Whether it is Node's or V8's own, and not most of what grew.
    pub own: bool,
}

/// Why some objects are alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Class of the objects.
    pub class: String,
    /// The path from them to what is known by name, outermost last.
    pub path: Vec<String>,
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The address of one of them, for `heap paths`.
    pub example: Option<String>,
}

/// Answer of `heap diff`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// Where the last take comes from.
    #[serde(flatten)]
    pub source: Source,
    /// The first take.
    pub before: Census,
    /// The takes in between, if there were any.
    pub between: Vec<Census>,
    /// The last take.
    pub after: Census,
    /// What changed.
    pub change: Change,
    /// Places that hold more, the largest growth first; Node's and V8's own last.
    pub holders: Vec<GrownHolder>,
    /// Why there is more.
    pub causes: Vec<Cause>,
}

/// Answer of `heap paths`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// What was asked for.
    pub asked: String,
    /// How many objects that is.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why they are alive, the most frequent cause first.
    pub causes: Vec<Cause>,
    /// Every step from one of them to a root.
    pub path: Vec<String>,
}

/// Something that there is much of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `timers`, `listeners`, `promises`, `sockets`, `contexts` or `strings`.
    pub name: String,
    /// What exactly.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Bytes that they hold; of equal strings, those of all but one.
    pub bytes: u64,
    /// Where most of them are.
    #[serde(rename = "where")]
    pub place: String,
}

/// Answer of `heap find`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// Where it comes from.
    #[serde(flatten)]
    pub source: Source,
    /// What there is much of.
    pub findings: Vec<Finding>,
}
