//! Records and what is made of them. A sink knows records and nothing else of this program.

pub mod record;
pub mod time;

use std::io;

use record::Record;

/// Somewhere that records go.
pub trait Sink {
    /// Takes the next record.
    fn record(&mut self, record: &Record) -> io::Result<()>;

    /// Everything is out once this returns; no record follows.
    fn finish(&mut self) -> io::Result<()>;
}
