//! Is it leaking? Pure functions over series.
//!
//! [`heap`] judges one isolate's heap by the sizes that mark-compacts left: [`shape`] picks the points that count and
//! measures them with [`trend`], [`gates`] ask whether they look like a leak, [`exhaustion`] says how long it can go on.
//! Series of other memory (external, native, handles, file descriptors) have their judges beside it.

pub mod exhaustion;
pub mod finding;
pub mod gates;
pub mod heap;
pub mod shape;
pub mod tier;
pub mod trend;

pub use exhaustion::Exhaustion;
pub use finding::{Finding, Level};
pub use heap::{Circumstances, HeapJudge};
