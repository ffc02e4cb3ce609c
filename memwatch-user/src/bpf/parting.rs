//! Letting go of all probes without waiting for it.
//!
//! A probe is gone when the last descriptor of it is closed, and closing it takes the kernel some hundredths of a second, one
//! probe after another (measured on 6.18: 1.7 s for one target, 5.5 s for twenty). A process that exits closes what it
//! has open before its parent is told, so that a shell would wait as long for its prompt.
//!
//! So at the end, and only then, a copy of the process is made that shares all descriptors and ends when this process has.
//! This process is now not the last to close any of them, and exits within milliseconds; what the kernel waits for, the copy
//! waits for. The copy does nothing else, and whatever kills it makes it close the same descriptors: nothing can stay.

use std::io;

use super::raw;

/// Has the kernel take its time in a copy of this process: what it has open by now, it closes without waiting.
pub(crate) fn hand_over() -> io::Result<()> {
    raw::end_in_a_copy().map(|_| ())
}
