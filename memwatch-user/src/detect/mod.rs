//! Is it leaking? Pure functions over series.
//!
//! [`heap`] judges one isolate's heap by the sizes that mark-compacts left: [`shape`] picks the points that count and
//! measures them with [`trend`], [`gates`] ask whether they look like a leak and [`patience`] whether for long enough,
//! [`exhaustion`] says how long it can go on, [`evidence`] puts it in words. [`recent`] picks points from the last part of a
//! long time, where a leak may have begun late.
//! Series of other memory (external, native, handles, file descriptors) have their judges beside it.

mod evidence;
pub mod exhaustion;
pub mod finding;
pub mod gates;
pub mod heap;
mod patience;
mod recent;
pub mod shape;
pub mod tier;
pub mod trend;

pub use exhaustion::Exhaustion;
pub use finding::{Finding, Level};
pub use heap::{Circumstances, HeapJudge};
