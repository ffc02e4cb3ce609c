//! What the kernel side remembers of one thread between probes, and how probes on it make up one collection.
//!
//! Kept here and free of eBPF so that the same code runs under plain unit tests. The order in which V8's functions are
//! entered was measured on Node 12 to 26: `CollectGarbage`, `SizeOfObjects`, one collector, `SizeOfObjects` (twice more
//! in mark-compacts of Node 12 to 18, equal values), end of `CollectGarbage`. Incremental marking starts outside.

use crate::{
    event::{GcEvent, LimitParts, compaction, gc_kind, seen},
    loss::LossReason,
    outside::OutsideBytes,
};

/// State of one thread that runs JavaScript. A thread has one isolate at a time, and collections do not nest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadState {
    /// The heap being collected; a key, never followed as a pointer without a check.
    pub heap: u64,
    /// When the open collection began; 0 while none is open.
    pub start_ns: u64,
    before_bytes: u64,
    after_bytes: u64,
    marking_start_ns: u64,
    stack: u64,
    reason: u8,
    marking_reason: u8,
    kind: u8,
    compacted: u8,
    seen: u8,
    _pad: [u8; 3],
}
const _: () = assert!(size_of::<ThreadState>() == 56);

impl ThreadState {
    /// Nothing known yet.
    pub const IDLE: Self = Self {
        heap: 0,
        start_ns: 0,
        before_bytes: 0,
        after_bytes: 0,
        marking_start_ns: 0,
        stack: 0,
        reason: 0,
        marking_reason: 0,
        kind: gc_kind::NONE,
        compacted: compaction::UNKNOWN,
        seen: 0,
        _pad: [0; 3],
    };

    /// Whether a collection is open on this thread.
    #[inline(always)]
    #[must_use]
    pub fn is_collecting(&self) -> bool {
        self.start_ns != 0
    }

    /// `Heap::CollectGarbage` was entered. Returns a loss if the previous collection never ended.
    #[inline(always)]
    pub fn start(&mut self, now_ns: u64, heap: u64, reason: u8) -> Option<LossReason> {
        let unfinished = self.is_collecting().then_some(LossReason::StartWithoutEnd);
        self.start_ns = now_ns;
        self.heap = heap;
        self.reason = reason;
        self.stack = 0;
        self.close_sizes();
        unfinished
    }

    /// The stack on which the open collection was entered has been walked, which took until now: that is no part of its pause.
    #[inline(always)]
    pub fn walked(&mut self, now_ns: u64, stack: u64) {
        self.start_ns = now_ns;
        self.stack = stack;
    }

    /// A collector was entered. If there are two in one collection the more thorough one names it.
    #[inline(always)]
    pub fn collector(&mut self, kind: u8) {
        if self.is_collecting() && kind > self.kind {
            self.kind = kind;
        }
    }

    /// `Heap::SizeOfObjects` returned: the last value before the collector counts, and the first one after it that is
    /// another. In a `libnode.so` (Debian's 18) `MarkCompact` itself asks for the size at its start, which released
    /// builds have inlined; a collection that frees nothing leaves the same value in any case.
    #[inline(always)]
    pub fn size(&mut self, bytes: u64) {
        if !self.is_collecting() {
            return;
        }
        if self.kind == gc_kind::NONE {
            self.before_bytes = bytes;
            self.seen |= seen::BEFORE;
        } else if self.seen & seen::AFTER == 0 || self.after_bytes == self.before_bytes {
            self.after_bytes = bytes;
            self.seen |= seen::AFTER;
        }
    }

    /// `Heap::StartIncrementalMarking` was entered.
    #[inline(always)]
    pub fn marking(&mut self, now_ns: u64, reason: u8) {
        self.marking_start_ns = now_ns;
        self.marking_reason = reason;
    }

    /// When the marking began that the open collection ends, if it is a full one; 0 if it marks itself, or that was not seen.
    #[inline(always)]
    #[must_use]
    pub fn marking_began(&self) -> u64 {
        self.marking_start_ns
    }

    /// `MarkCompactCollector::StartCompaction` returned: at the start of incremental marking, or inside an atomic
    /// mark-compact.
    #[inline(always)]
    pub fn compaction(&mut self, compacting: bool) {
        self.compacted = if compacting { compaction::YES } else { compaction::NO };
    }

    /// `Heap::CollectGarbage` returned. The event has no header yet.
    #[inline(always)]
    pub fn end(&mut self, limit: LimitParts, outside: OutsideBytes) -> Result<GcEvent, LossReason> {
        if !self.is_collecting() {
            return Err(LossReason::EndWithoutStart);
        }
        let full = self.kind == gc_kind::MARK_COMPACT;
        let event = GcEvent {
            heap: self.heap,
            start_ns: self.start_ns,
            before_bytes: self.before_bytes,
            after_bytes: self.after_bytes,
            limit,
            outside,
            marking_start_ns: if full { self.marking_start_ns } else { 0 },
            stack: self.stack,
            reason: self.reason,
            marking_reason: if full { self.marking_reason } else { 0 },
            kind: self.kind,
            compacted: if full { self.compacted } else { compaction::UNKNOWN },
            seen: self.seen | seen_of(limit, outside),
            ..GcEvent::default()
        };
        self.start_ns = 0;
        if full {
            self.marking_start_ns = 0;
            self.compacted = compaction::UNKNOWN;
        }
        if event.kind == gc_kind::NONE { Err(LossReason::NoCollector) } else { Ok(event) }
    }

    #[inline(always)]
    fn close_sizes(&mut self) {
        self.kind = gc_kind::NONE;
        self.seen = 0;
        self.before_bytes = 0;
        self.after_bytes = 0;
    }
}

/// Which of what was read at the end is known.
#[inline(always)]
fn seen_of(limit: LimitParts, outside: OutsideBytes) -> u8 {
    let unknown = OutsideBytes::UNKNOWN;
    let bit = |is_known: bool, bit: u8| if is_known { bit } else { 0 };
    bit(limit != LimitParts::default(), seen::LIMIT)
        | bit(outside.array_buffers != unknown.array_buffers, seen::ARRAY_BUFFERS)
        | bit(outside.external != unknown.external, seen::EXTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAP: u64 = 0x1000;
    const NO_LIMIT: LimitParts = LimitParts { max_semi_space: 0, max_old_generation: 0 };

    fn mark_compact_sizes(sizes: &[u64]) -> GcEvent {
        let mut thread = ThreadState::IDLE;
        assert_eq!(thread.start(10, HEAP, 1), None);
        thread.size(sizes[0]);
        thread.collector(gc_kind::MARK_COMPACT);
        for &bytes in &sizes[1..] {
            thread.size(bytes);
        }
        thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap()
    }

    #[test]
    fn first_size_after_the_collector_counts() {
        let event = mark_compact_sizes(&[900, 300, 301, 302]);
        assert_eq!((event.before_bytes, event.after_bytes), (900, 300));
        assert_eq!(event.seen, seen::BEFORE | seen::AFTER);
    }

    #[test]
    fn a_size_asked_for_at_the_start_of_the_collector_is_none_after_it() {
        let event = mark_compact_sizes(&[900, 900, 300, 301]);
        assert_eq!((event.before_bytes, event.after_bytes), (900, 300));
        let freed_nothing = mark_compact_sizes(&[900, 900]);
        assert_eq!((freed_nothing.before_bytes, freed_nothing.after_bytes), (900, 900));
    }

    #[test]
    fn last_size_before_the_collector_counts() {
        let mut thread = ThreadState::IDLE;
        thread.start(10, HEAP, 1);
        thread.size(5);
        thread.size(6);
        thread.collector(gc_kind::SCAVENGE);
        thread.size(2);
        let event = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((event.before_bytes, event.after_bytes), (6, 2));
    }

    #[test]
    fn sizes_outside_a_collection_are_ignored() {
        let mut thread = ThreadState::IDLE;
        thread.size(7);
        thread.collector(gc_kind::SCAVENGE);
        assert_eq!(thread, ThreadState::IDLE);
    }

    #[test]
    fn an_end_without_start_is_a_loss() {
        assert_eq!(
            ThreadState::IDLE.clone().end(NO_LIMIT, OutsideBytes::UNKNOWN),
            Err(LossReason::EndWithoutStart)
        );
    }

    #[test]
    fn a_start_without_end_is_a_loss_and_forgets_the_first() {
        let mut thread = ThreadState::IDLE;
        thread.start(10, HEAP, 1);
        thread.size(5);
        thread.collector(gc_kind::MARK_COMPACT);
        assert_eq!(thread.start(15, HEAP, 2), Some(LossReason::StartWithoutEnd));
        thread.walked(20, 7);
        thread.collector(gc_kind::SCAVENGE);
        let event = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((event.start_ns, event.reason, event.kind), (20, 2, gc_kind::SCAVENGE));
        assert_eq!((event.stack, event.seen), (7, 0));
    }

    #[test]
    fn a_pair_without_a_collector_is_no_collection() {
        let mut thread = ThreadState::IDLE;
        thread.start(10, HEAP, 1);
        assert_eq!(thread.end(NO_LIMIT, OutsideBytes::UNKNOWN), Err(LossReason::NoCollector));
        assert!(!thread.is_collecting());
    }

    #[test]
    fn compaction_and_marking_belong_to_the_next_mark_compact_only() {
        let mut thread = ThreadState::IDLE;
        thread.marking(5, 12);
        thread.compaction(true);
        thread.start(10, HEAP, 1);
        thread.collector(gc_kind::SCAVENGE);
        let scavenge = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((scavenge.compacted, scavenge.marking_start_ns), (compaction::UNKNOWN, 0));

        thread.start(20, HEAP, 9);
        thread.collector(gc_kind::MARK_COMPACT);
        let full = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((full.compacted, full.marking_start_ns, full.marking_reason), (compaction::YES, 5, 12));

        thread.start(30, HEAP, 9);
        thread.collector(gc_kind::MARK_COMPACT);
        let atomic = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((atomic.compacted, atomic.marking_start_ns), (compaction::UNKNOWN, 0));
    }

    #[test]
    fn probes_that_fire_twice_change_nothing() {
        let mut thread = ThreadState::IDLE;
        thread.start(10, HEAP, 1);
        thread.size(5);
        thread.size(5);
        thread.collector(gc_kind::SCAVENGE);
        thread.collector(gc_kind::SCAVENGE);
        thread.size(2);
        thread.size(2);
        let event = thread.end(NO_LIMIT, OutsideBytes::UNKNOWN).unwrap();
        assert_eq!((event.before_bytes, event.after_bytes), (5, 2));
        assert_eq!(thread.end(NO_LIMIT, OutsideBytes::UNKNOWN), Err(LossReason::EndWithoutStart));
    }

    #[test]
    fn what_was_read_at_the_end_is_marked_as_seen() {
        let limit = LimitParts { max_semi_space: 1, max_old_generation: 2 };
        let known = OutsideBytes { array_buffers: 0, external: 7 };
        for (limit, outside, expected) in [
            (NO_LIMIT, OutsideBytes::UNKNOWN, 0),
            (limit, OutsideBytes::UNKNOWN, seen::LIMIT),
            (NO_LIMIT, known, seen::ARRAY_BUFFERS | seen::EXTERNAL),
            (NO_LIMIT, OutsideBytes { external: u64::MAX, ..known }, seen::ARRAY_BUFFERS),
        ] {
            let mut thread = ThreadState::IDLE;
            thread.start(10, HEAP, 1);
            thread.collector(gc_kind::SCAVENGE);
            let event = thread.end(limit, outside).unwrap();
            assert_eq!((event.seen, event.outside), (expected, outside));
        }
    }
}
