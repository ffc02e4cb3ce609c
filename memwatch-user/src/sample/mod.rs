//! What is read of a process at an interval, from outside.

pub mod outside;
