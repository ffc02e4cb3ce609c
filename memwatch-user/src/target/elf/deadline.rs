//! How long files of others may keep us. Whoever examines a process sets a clock, and every read of a file looks at it: a file may
//! lie on a file system that is slow, or a process may have mapped a thousand that are large.

use std::{
    cell::Cell,
    io,
    time::{Duration, Instant},
};

thread_local! {
    static ENDS: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// As long as this lives, its thread reads files for so long and then no more.
#[derive(Debug)]
#[must_use = "it ends where it is dropped"]
pub(crate) struct Deadline {
    before: Option<Instant>,
}

impl Deadline {
    /// From now on.
    pub(crate) fn within(time: Duration) -> Self {
        Self { before: ENDS.replace(Instant::now().checked_add(time)) }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        ENDS.set(self.before);
    }
}

/// An error once the time is over.
pub(super) fn check() -> io::Result<()> {
    let is_over = ENDS.get().is_some_and(|ends| ends <= Instant::now());
    let error =
        || io::Error::new(io::ErrorKind::TimedOut, "reading its files took too long and was given up");
    if is_over { Err(error()) } else { Ok(()) }
}
