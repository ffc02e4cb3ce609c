//! Why V8 collects: codes of its enum `GarbageCollectionReason`, in its own words.

/// The words by code. The enum was only ever appended to: one table serves Node 12 to 26. Taken from the binaries' own
/// `Heap::GarbageCollectionReasonToString`; where a wording changed the newest is given (12 says "idle task" for 12, 20
/// says "finalize MinorMC" for 26).
const REASONS: [&str; 31] = [
    "unknown",
    "allocation failure",
    "allocation limit",
    "context disposal",
    "counters extension",
    "debugger",
    "deserialize",
    "external memory pressure",
    "finalize incremental marking via stack guard",
    "finalize incremental marking via task",
    "full hash-table",
    "heap profiler",
    "task",
    "last resort",
    "low memory notification",
    "make heap iterable",
    "memory pressure",
    "memory reducer",
    "runtime",
    "sampling profiler",
    "snapshot creator",
    "testing",
    "external finalize",
    "global allocation limit",
    "measure memory",
    "background allocation failure",
    "finalize concurrent MinorMS",
    "CppHeap allocation failure",
    "frozen",
    "idle context disposal",
    "finalize MinorMS for major GC",
];

/// V8's words for `code`; `None` for a code that a later V8 has added.
#[must_use]
pub(crate) fn words(code: u8) -> Option<&'static str> {
    REASONS.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_v8s_words() {
        for (code, expected) in [
            (0, Some("unknown")),
            (1, Some("allocation failure")),
            (9, Some("finalize incremental marking via task")),
            (12, Some("task")),
            (21, Some("testing")),
            (23, Some("global allocation limit")),
            (30, Some("finalize MinorMS for major GC")),
            (31, None),
            (255, None),
        ] {
            assert_eq!(words(code), expected, "{code}");
        }
    }
}
