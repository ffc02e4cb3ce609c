//! The budget: what the resident set is made of. The kernel says where resident pages are, V8 and the allocator say what
//! they hold there; no byte is counted twice, and what nobody accounts for is shown as such.

use crate::model::{Reading, Resident};

/// The resident set in disjoint parts, bytes; `None` is not known. With `unexplained` they add up to the resident set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// V8's pages of all isolates, and its code.
    pub v8_heap: Option<u64>,
    /// Array buffers, which Node allocates with malloc.
    pub array_buffers: Option<u64>,
    /// Other malloc'ed blocks in use.
    pub native_live: Option<u64>,
    /// Pages of the allocator that hold no block in use.
    pub allocator_slack: Option<u64>,
    /// Mapped files and shared memory.
    pub mapped_files: Option<u64>,
    /// Stacks of threads.
    pub stacks: Option<u64>,
    /// What is left of the resident set. Negative where parts were read at different moments.
    pub unexplained: Option<i64>,
}

impl Budget {
    /// The parts of `reading`'s resident set, given where pages were last seen to be.
    ///
    /// Blocks are counted when they are handed out and pages when they are touched. A block that was never touched takes
    /// no memory; so the allocator's blocks are cut to the pages that it has, and the array buffers, which are blocks,
    /// to those.
    #[must_use]
    pub fn of(reading: &Reading, resident: Option<Resident>) -> Self {
        let Some(resident) = resident else { return Self::default() };
        let in_use = reading.malloc.map(|books| books.in_use.min(resident.malloc));
        let buffers = reading.outside.array_buffers.map(|held| held.min(in_use.unwrap_or(resident.malloc)));
        let budget = Self {
            v8_heap: Some(resident.v8_heap),
            array_buffers: buffers,
            native_live: in_use.zip(buffers).map(|(in_use, buffers)| in_use - buffers),
            allocator_slack: in_use.map(|in_use| resident.malloc - in_use),
            mapped_files: Some(resident.files),
            stacks: Some(resident.stacks),
            unexplained: None,
        };
        Self { unexplained: reading.rss.map(|rss| rss.cast_signed() - budget.explained()), ..budget }
    }

    fn explained(&self) -> i64 {
        let parts = [
            self.v8_heap,
            self.array_buffers,
            self.native_live,
            self.allocator_slack,
            self.mapped_files,
            self.stacks,
        ];
        parts.into_iter().flatten().fold(0, u64::saturating_add).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MallocBooks, OutsideHeap};

    const MIB: u64 = 1 << 20;
    const RESIDENT: Resident =
        Resident { v8_heap: 40 * MIB, malloc: 30 * MIB, files: 20 * MIB, stacks: MIB, other: 9 * MIB };

    fn reading(in_use: Option<u64>, buffers: Option<u64>) -> Reading {
        Reading {
            rss: Some(100 * MIB),
            malloc: in_use.map(|in_use| MallocBooks { in_use: in_use * MIB, ..MallocBooks::default() }),
            outside: OutsideHeap { array_buffers: buffers.map(|held| held * MIB), external: None },
            ..Reading::default()
        }
    }

    /// Buffers, native, slack and unexplained, MiB.
    fn parts(in_use: Option<u64>, buffers: Option<u64>) -> [Option<i64>; 4] {
        let budget = Budget::of(&reading(in_use, buffers), Some(RESIDENT));
        assert_eq!(budget.explained() + budget.unexplained.unwrap(), 100 * MIB.cast_signed());
        let unsigned = [budget.array_buffers, budget.native_live, budget.allocator_slack];
        let [a, b, c] = unsigned.map(|part| part.map(u64::cast_signed));
        [a, b, c, budget.unexplained].map(|part| part.map(|bytes| bytes / MIB.cast_signed()))
    }

    #[test]
    fn no_byte_is_counted_twice_and_none_is_hidden() {
        for (what, in_use, buffers, expected) in [
            ("all books", Some(25), Some(10), [Some(10), Some(15), Some(5), Some(9)]),
            ("a buffer that was never touched", Some(225), Some(200), [Some(30), Some(0), Some(0), Some(9)]),
            ("no word of V8", Some(25), None, [None, None, Some(5), Some(34)]),
            ("no word of the allocator", None, Some(10), [Some(10), None, None, Some(29)]),
            ("neither", None, None, [None, None, None, Some(39)]),
        ] {
            assert_eq!(parts(in_use, buffers), expected, "{what}");
        }
    }

    #[test]
    fn without_pages_there_are_no_parts() {
        assert_eq!(Budget::of(&reading(Some(25), Some(10)), None), Budget::default());
    }

    #[test]
    fn parts_that_were_read_earlier_may_exceed_what_is_resident_now() {
        let shrunk = Reading { rss: Some(50 * MIB), ..reading(Some(25), Some(10)) };
        assert_eq!(Budget::of(&shrunk, Some(RESIDENT)).unexplained, Some(-41 * MIB.cast_signed()));
    }
}
