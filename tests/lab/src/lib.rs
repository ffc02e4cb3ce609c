//! How good is the verdict on a heap? Programs whose leaks are known, run through a model of V8's heap growing policy
//! ([`sim`]) or recorded ([`trace`]), are shown to our detector and to others ([`detectors`]); [`score`] counts who was
//! right and [`page`] writes it down.
//!
//! Everything is a pure function of the seeds in [`cases`]: two runs write the same page.

pub mod cases;
pub mod detectors;
pub mod live;
pub mod page;
pub mod recorded;
pub mod run;
pub mod score;
pub mod sim;
pub mod stats;
pub mod trace;

/// Bytes in a MiB.
pub const MIB: f64 = 1_048_576.0;
/// Seconds in an hour.
pub const HOUR: f64 = 3600.0;
/// Seconds in a day.
pub const DAY: f64 = 86_400.0;
