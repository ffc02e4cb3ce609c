//! The verbs: each connects the stages for one job.

pub mod demo;
pub mod doctor;
pub mod heap;
pub mod list;
pub mod watch;
