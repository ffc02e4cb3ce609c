//! Bytes of the ring buffer to events. No policy: what is not understood is an error that the caller counts.

use memwatch_common::{
    event::{
        EventHeader, EventKind, GcEvent, HeapEvent, LimitParts, ProcessEvent, V8OutOfMemoryEvent, compaction,
        gc_kind, seen,
    },
    stack::StackEvent,
};

use crate::{
    bpf::raw,
    model::{Collection, GcKind, Mono, OutsideHeap},
};

/// Something that happened to a process, as the kernel side saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// When.
    pub time: Mono,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A collection ended.
    Collection(Collection),
    /// An isolate's heap was set up.
    HeapSetUp {
        /// Address of the heap.
        heap: u64,
        /// Its limit; `None` where it is not known.
        limit: Option<LimitParts>,
    },
    /// An isolate's heap was torn down.
    HeapTearDown {
        /// Address of the heap.
        heap: u64,
    },
    /// V8 is out of memory and aborts next.
    V8OutOfMemory {
        /// Address of the heap.
        heap: u64,
        /// V8's words; `None` if they could not be read. Text of the target: untrusted.
        location: Option<String>,
    },
    /// The process executes another program from here on.
    Exec,
    /// The main thread has ended.
    Exit {
        /// The wait status, where the kernel's layout is known.
        status: Option<u32>,
    },
    /// The kernel's OOM killer has chosen the process.
    OomKill,
}

/// A record that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its kind demands.
    #[error("record of {0} bytes is too short for its kind")]
    TooShort(usize),
    /// A kind of record that this collector does not know.
    #[error("unknown kind of record {0}")]
    UnknownKind(u32),
    /// A stack that another one was written over.
    #[error("a stack that another one was written over")]
    Torn,
    /// A kind of collection that this collector does not know.
    #[error("unknown kind of collection {0}")]
    UnknownCollection(u8),
}

/// Decodes one record.
pub fn decode(bytes: &[u8]) -> Result<Event, Malformed> {
    let header: EventHeader = typed(bytes)?;
    let what = match EventKind::try_from(header.kind).map_err(Malformed::UnknownKind)? {
        EventKind::Gc => What::Collection(collection(&typed(bytes)?)?),
        EventKind::HeapSetUp => {
            let event: HeapEvent = typed(bytes)?;
            What::HeapSetUp { heap: event.heap, limit: known_limit(event.limit) }
        }
        EventKind::HeapTearDown => What::HeapTearDown { heap: typed::<HeapEvent>(bytes)?.heap },
        EventKind::V8OutOfMemory => {
            let event: V8OutOfMemoryEvent = typed(bytes)?;
            What::V8OutOfMemory { heap: event.heap, location: c_string(&event.location) }
        }
        EventKind::Exec => What::Exec,
        EventKind::Exit => {
            let event: ProcessEvent = typed(bytes)?;
            What::Exit { status: (event.code_known != 0).then_some(event.code) }
        }
        EventKind::OomKill => What::OomKill,
    };
    Ok(Event { pid: header.tgid, tid: header.tid, time: Mono(header.time_ns), what })
}

/// Whose record these bytes are, also where the rest of them is not understood.
#[must_use]
pub fn process_of(bytes: &[u8]) -> Option<u32> {
    typed::<EventHeader>(bytes).ok().map(|header| header.tgid)
}

/// Decodes a stack that is new. One that another walk got into is malformed.
pub fn stack(bytes: &[u8]) -> Result<StackEvent, Malformed> {
    let event: StackEvent = typed(bytes)?;
    if event.first == event.last { Ok(event) } else { Err(Malformed::Torn) }
}

fn typed<T: aya::Pod>(bytes: &[u8]) -> Result<T, Malformed> {
    raw::read(bytes).ok_or(Malformed::TooShort(bytes.len()))
}

fn collection(event: &GcEvent) -> Result<Collection, Malformed> {
    let has = |bit| event.seen & bit != 0;
    Ok(Collection {
        heap: event.heap,
        tid: event.header.tid,
        start: Mono(event.start_ns),
        end: Mono(event.header.time_ns),
        kind: match event.kind {
            gc_kind::SCAVENGE => GcKind::Scavenge,
            gc_kind::MINOR_MARK => GcKind::MinorMark,
            gc_kind::MARK_COMPACT => GcKind::MarkCompact,
            other => return Err(Malformed::UnknownCollection(other)),
        },
        reason: event.reason,
        before_bytes: has(seen::BEFORE).then_some(event.before_bytes),
        after_bytes: has(seen::AFTER).then_some(event.after_bytes),
        limit: has(seen::LIMIT).then_some(event.limit),
        compacted: match event.compacted {
            compaction::NO => Some(false),
            compaction::YES => Some(true),
            _ => None,
        },
        marking_start: (event.marking_start_ns != 0).then_some(Mono(event.marking_start_ns)),
        stack: (event.stack != 0).then_some(event.stack),
        outside: OutsideHeap {
            array_buffers: has(seen::ARRAY_BUFFERS).then_some(event.outside.array_buffers),
            external: has(seen::EXTERNAL).then_some(event.outside.external),
        },
    })
}

fn known_limit(limit: LimitParts) -> Option<LimitParts> {
    (limit.max_old_generation != 0).then_some(limit)
}

fn c_string(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u32) -> EventHeader {
        EventHeader { kind, tgid: 10, tid: 11, _pad: 0, time_ns: 500 }
    }

    fn bytes_of(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn header_words(kind: u32) -> [u64; 3] {
        let header = header(kind);
        [u64::from(header.kind) | u64::from(header.tgid) << 32, u64::from(header.tid), header.time_ns]
    }

    fn gc_bytes(kind: u8, seen: u8) -> Vec<u8> {
        let stack = u64::from(seen) << 40;
        let mut bytes = bytes_of(&header_words(EventKind::Gc as u32));
        bytes.extend(bytes_of(&[0xbeef, 400, 30, 20, 5, 6, 7, 8, 350, stack]));
        bytes.extend([9, 12, kind, compaction::YES, seen, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_collection_keeps_only_what_was_seen() {
        let sizes = seen::BEFORE | seen::AFTER | seen::LIMIT;
        let outside = seen::ARRAY_BUFFERS | seen::EXTERNAL;
        let all = decode(&gc_bytes(gc_kind::MARK_COMPACT, sizes | outside)).unwrap();
        let What::Collection(full) = all.what else { panic!("{all:?}") };
        assert_eq!((full.before_bytes, full.after_bytes, full.compacted), (Some(30), Some(20), Some(true)));
        assert_eq!(full.limit, Some(LimitParts { max_semi_space: 5, max_old_generation: 6 }));
        assert_eq!((full.pause().as_nanos(), full.marking_start), (100, Some(Mono(350))));
        assert_eq!(full.outside, OutsideHeap { array_buffers: Some(7), external: Some(8) });
        assert_eq!(full.stack, Some(u64::from(sizes | outside) << 40));

        let What::Collection(bare) = decode(&gc_bytes(gc_kind::SCAVENGE, 0)).unwrap().what else { panic!() };
        assert_eq!((bare.before_bytes, bare.after_bytes, bare.limit), (None, None, None));
        assert_eq!(bare.stack, None);
        assert_eq!(bare.outside, OutsideHeap::default());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let cases = [
            (gc_bytes(gc_kind::NONE, 0), Malformed::UnknownCollection(0)),
            (gc_bytes(77, 0), Malformed::UnknownCollection(77)),
            (bytes_of(&header_words(99)), Malformed::UnknownKind(99)),
            (bytes_of(&header_words(EventKind::Gc as u32)), Malformed::TooShort(24)),
            (Vec::new(), Malformed::TooShort(0)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode(&bytes), Err(expected));
        }
    }

    #[test]
    fn no_length_panics() {
        let whole = gc_bytes(gc_kind::SCAVENGE, 0);
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), Err(Malformed::TooShort(length)));
        }
    }

    #[test]
    fn an_exit_without_a_readable_status_has_none() {
        let mut bytes = bytes_of(&header_words(EventKind::Exit as u32));
        bytes.extend(bytes_of(&[0]));
        assert_eq!(decode(&bytes).unwrap().what, What::Exit { status: None });
    }
}
