//! What is read of a process from outside at an interval, without a probe in it.

pub mod malloc;
pub mod outside;
