//! Memory that can be read until the time of a pause is over.

use super::copying::Clock;
use crate::heap::memory::{Memory, ProcessMemory};

/// The memory of a process, of which nothing is read any more once the clock has run out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed<'a> {
    pub(super) memory: &'a ProcessMemory,
    pub(super) clock: &'a Clock,
}

impl Memory for Timed<'_> {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        !self.is_over() && self.memory.read(address, to)
    }

    fn is_over(&self) -> bool {
        self.clock.is_over()
    }
}
