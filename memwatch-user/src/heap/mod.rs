//! The heap of a process from outside: what is in it, and who holds it.
//!
//! ```text
//!  memory ──► take ───────► graph ────────► names, questions, report
//!  bytes at   a consistent  objects, edges  what they are called, what is asked of them
//!  an address copy, roots   and parents
//! ```
//!
//! The graph does not know where its memory came from, and the questions do not know where the graph came from.

pub mod graph;
pub mod memory;
pub mod names;
pub mod picture;
pub mod questions;
pub mod read;
pub mod take;
