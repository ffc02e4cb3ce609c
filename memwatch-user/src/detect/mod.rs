//! Is it leaking? Pure functions over series.
//!
//! [`heap`] judges one isolate's heap by the sizes that mark-compacts left: [`shape`] picks the points that count and
//! measures them with [`trend`], [`gates`] ask whether they look like a leak, [`exhaustion`] says how long it can go on.
//! [`process`] judges everything else that a process holds, a judge a series; [`kinds`] reconciles all verdicts, so
//! that one cause is named once.

pub mod exhaustion;
pub mod finding;
mod follow;
pub mod gates;
pub mod heap;
pub mod kinds;
pub mod process;
pub mod shape;
pub mod tier;
pub mod trend;

pub use exhaustion::{Exhaustion, Resource};
pub use finding::{Finding, Level, Unit};
pub use heap::{Circumstances, HeapJudge};
pub use kinds::{Kind, Verdict};
pub use process::ProcessJudge;
