//! `heap`: what is in the heap of a process, who holds it, and what grew.

mod diff;
mod find;
mod growth;
mod paths;
mod reading;
mod show;
mod source;
mod summary;
mod terms;

use anyhow::Result;

use crate::cli::heap::{Heap, Question};

/// Asks, and writes the answer. Returns the exit status: 0, as an answer was had.
pub fn run(job: &Heap) -> Result<u8> {
    match &job.question {
        Question::Summary { internal } => summary::run(job, *internal)?,
        Question::Diff(wait) => diff::run(job, wait)?,
        Question::Paths(wanted) => paths::run(job, wanted)?,
        Question::Find => find::run(job)?,
    }
    Ok(0)
}
