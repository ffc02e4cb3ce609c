//! Is it leaking? Pure functions over series.
//!
//! [`heap`] judges one isolate's heap by the sizes that mark-compacts left: [`shape`] picks the points that count and
//! measures them with [`trend`], [`gates`] ask whether they look like a leak and [`patience`] whether for long enough,
//! [`few`] judges where there are few of them, [`exhaustion`] says how long it can go on, [`evidence`] gathers the reasons. [`recent`] picks points from the last
//! part of a long time, where a leak may have begun late.
//! [`process`] judges everything else that a process holds, a judge a series; [`kinds`] reconciles all verdicts, so
//! that one cause is named once.

pub mod basis;
mod evidence;
pub(crate) mod exhaustion;
mod few;
pub(crate) mod finding;
mod follow;
pub mod gates;
pub(crate) mod heap;
mod isolate;
pub(crate) mod kinds;
mod patience;
pub(crate) mod process;
mod recent;
mod runaway;
pub(crate) mod shape;
pub(crate) mod tier;
pub mod trend;

pub use crate::vocabulary::{Kind, Level, Resource, Unit};
pub use exhaustion::Exhaustion;
pub use finding::Finding;
pub use heap::{Circumstances, HeapJudge};
pub use isolate::IsolateJudge;
pub use kinds::Verdict;
pub use process::ProcessJudge;
