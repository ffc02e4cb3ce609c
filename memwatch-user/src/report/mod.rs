//! Records and what is made of them. A sink knows records and nothing else of this program.
//!
//! ```text
//!                ┌─► json       one object a line
//!  record ───────┼─► lines      plain text, one line a record, then the summary
//!                ├─► live       the terminal
//!                └─► exit_status
//! ```
//!
//! `lines`, `live` and `summary` share [`state`] (what is known so far) and `describe` (a record in words).

pub mod color;
pub mod describe;
pub mod exit_status;
pub mod heap;
pub mod json;
pub mod lines;
pub mod live;
pub mod record;
pub mod state;
pub mod summary;
pub mod text;
pub mod time;

use std::io;

use record::Record;

/// Somewhere that records go.
///
/// An error of kind [`io::ErrorKind::BrokenPipe`] says that nobody reads any more (`memwatch-bpf … | head`): stop,
/// and exit as usual.
pub trait Sink {
    /// Takes the next record.
    fn record(&mut self, record: &Record) -> io::Result<()>;

    /// Everything is out once this returns; no record follows.
    fn finish(&mut self) -> io::Result<()>;
}
