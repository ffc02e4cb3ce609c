//! Which of V8's functions each program is attached to, by mangled name.
//!
//! Parameter lists change between releases (`CollectGarbage` gained one in Node 25 and another in 26), so a function is
//! named by its prefix up to the `E` that ends its nested name; see [`is_instance`] for what may follow.

use memwatch_common::names::probe;
use serde::{Deserialize, Serialize};

/// Where in a function a program sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Its first instruction.
    Entry,
    /// Its return, by a changed return address on the stack: only where nothing walks the stack meanwhile.
    Return,
    /// Each instruction by which it is left.
    Exits,
}

/// What becomes of a job if a function has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Collections cannot be told without it.
    Required,
    /// The rest works; this is lost.
    Optional(&'static str),
}

/// One program and the functions it is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// The program's name: one of [`memwatch_common::names::probe`].
    pub program: &'static str,
    /// Where the program sits.
    pub at: At,
    /// Prefixes of mangled names; every function that matches one is probed.
    pub prefixes: &'static [&'static str],
    /// What is lost without it.
    pub need: Need,
    /// Whether the program reads arguments: the compiler's `.constprop` and `.isra` copies pass them otherwise.
    pub reads_arguments: bool,
}

/// All programs, in the order of attaching: kinds and sizes first, the end of a collection next, its start last, so that
/// whatever follows a seen start is seen too. Prefixes hold for Node 12 to 26 (read from the symbol tables of 12.22,
/// 14.21, 16.20, 18.20, 20.20, 22.23, 24.21, 25.9 and 26.10).
///
/// Of these only `SizeOfObjects` and `StartCompaction` have return probes: C++ calls them, and nothing walks the stack until they
/// return. See [`MADE`] for the others.
pub(crate) const FUNCTIONS: [Function; 13] = [
    Function {
        program: probe::SIZE_EXIT,
        at: At::Return,
        prefixes: &["_ZN2v88internal4Heap13SizeOfObjectsE", "_ZNK2v88internal4Heap13SizeOfObjectsE"],
        need: Need::Required,
        reads_arguments: false,
    },
    Function {
        program: probe::SCAVENGE,
        at: At::Entry,
        // Node 12 to 18 promote a whole young generation with `EvacuateYoungGeneration` in place of a scavenge.
        prefixes: &["_ZN2v88internal4Heap8ScavengeE", "_ZN2v88internal4Heap23EvacuateYoungGenerationE"],
        need: Need::Required,
        reads_arguments: false,
    },
    Function {
        program: probe::MARK_COMPACT,
        at: At::Entry,
        prefixes: &["_ZN2v88internal4Heap11MarkCompactE"],
        need: Need::Required,
        reads_arguments: false,
    },
    Function {
        program: probe::MINOR_MARK,
        at: At::Entry,
        // Renamed in Node 22.
        prefixes: &["_ZN2v88internal4Heap16MinorMarkCompactE", "_ZN2v88internal4Heap14MinorMarkSweepE"],
        need: Need::Optional("collections of a young generation that is marked (--minor-ms) are not seen"),
        reads_arguments: false,
    },
    Function {
        program: probe::COMPACTION,
        at: At::Return,
        prefixes: &["_ZN2v88internal20MarkCompactCollector15StartCompactionE"],
        need: Need::Optional("whether a mark-compact compacted is not known"),
        reads_arguments: false,
    },
    Function {
        program: probe::MARKING_START,
        at: At::Entry,
        prefixes: &["_ZN2v88internal4Heap23StartIncrementalMarkingE"],
        need: Need::Optional("how long incremental marking ran before a mark-compact is not known"),
        reads_arguments: true,
    },
    Function {
        program: probe::V8_OOM,
        at: At::Entry,
        prefixes: &["_ZN2v88internal4Heap23FatalProcessOutOfMemoryE"],
        need: Need::Optional("V8 running out of memory is seen as an abort only"),
        reads_arguments: true,
    },
    Function {
        program: probe::HEAP_SET_UP,
        at: At::Entry,
        prefixes: &["_ZN2v88internal4Heap5SetUpE"],
        need: Need::Optional("an isolate is first seen at its first collection"),
        reads_arguments: true,
    },
    Function {
        program: probe::HEAP_TEAR_DOWN,
        at: At::Entry,
        prefixes: &["_ZN2v88internal4Heap8TearDownE"],
        need: Need::Optional("the end of an isolate is not seen"),
        reads_arguments: true,
    },
    Function {
        program: probe::ALLOC_SLOW,
        at: At::Entry,
        prefixes: ALLOCATORS.split_at(SLOW_PATHS).0,
        need: Need::Optional("where JavaScript allocates is not known"),
        reads_arguments: true,
    },
    Function {
        program: probe::ALLOC_LARGE,
        at: At::Entry,
        prefixes: ALLOCATORS.split_at(SLOW_PATHS).1,
        need: Need::Optional("where JavaScript allocates objects of more than 128 kB is not known"),
        reads_arguments: true,
    },
    Function {
        program: probe::GC_EXIT,
        // V8 walks the stack meanwhile, and generated code may be what it returns to: `GCExtension::GC` ends in a jump here.
        at: At::Exits,
        prefixes: &[COLLECT_GARBAGE],
        need: Need::Required,
        reads_arguments: true,
    },
    Function {
        program: probe::GC_ENTER,
        at: At::Entry,
        prefixes: &[COLLECT_GARBAGE],
        need: Need::Required,
        reads_arguments: true,
    },
];

/// What allocates beyond the linear allocation area: first the slow paths of small objects, then the allocators of large ones. One
/// place a path: young and old space from 22 on; young, old in 20; young, old in 18; young, old in 16, where
/// `NewSpace::EnsureAllocation` is inlined into the former.
const ALLOCATORS: [&str; 9] = [
    "_ZN2v88internal13MainAllocator15AllocateRawSlowE",
    "_ZN2v88internal17SemiSpaceNewSpace16EnsureAllocationE",
    "_ZN2v88internal14PagedSpaceBase13RefillLabMainE",
    "_ZN2v88internal8NewSpace16EnsureAllocationE",
    "_ZN2v88internal10PagedSpace16EnsureAllocationE",
    "_ZN2v88internal8NewSpace15AllocateRawSlowE",
    "_ZN2v88internal10PagedSpace15AllocateRawSlowE",
    "_ZN2v88internal19NewLargeObjectSpace11AllocateRawE",
    "_ZN2v88internal19OldLargeObjectSpace11AllocateRawE",
];
/// How many of them are slow paths.
const SLOW_PATHS: usize = 7;

/// Programs that look at objects which are followed, in the order of attaching; each goes to the first function of its list that
/// there is. What is true in them and nowhere else: docs/design/survivors.md. Prefixes hold for Node 18 to 26.
pub(crate) const LOOKS: [Function; 3] = [
    Function {
        program: probe::SCAVENGED,
        at: At::Entry,
        // The latter is called in some scavenges only before Node 22 (12 of 71 on 20); the former is inlined in 26.
        prefixes: &[
            "_ZN2v88internal4Heap42UpdateYoungReferencesInExternalStringTableE",
            "_ZN2v88internal13GlobalHandles23ProcessWeakYoungObjectsE",
        ],
        need: Need::Optional(NOT_FOLLOWED),
        reads_arguments: false,
    },
    Function {
        program: probe::MARKED,
        at: At::Entry,
        prefixes: &[
            "_ZN2v88internal20MarkCompactCollector5SweepE",
            "_ZN2v88internal20MarkCompactCollector16StartSweepSpacesE",
        ],
        need: Need::Optional(NOT_FOLLOWED),
        reads_arguments: false,
    },
    Function {
        program: probe::MOVED,
        at: At::Entry,
        prefixes: &["_ZN2v88internal20MarkCompactCollector29UpdatePointersAfterEvacuationE"],
        need: Need::Optional(NOT_FOLLOWED),
        reads_arguments: false,
    },
];

/// The program that takes in where an object was made: at the return of whatever allocates in a slow path. C++ calls all of these,
/// and a walk of the stack below them begins at a frame of JavaScript.
pub(crate) const MADE: Function = Function {
    program: probe::MADE,
    at: At::Return,
    prefixes: &ALLOCATORS,
    need: Need::Optional(NOT_FOLLOWED),
    reads_arguments: false,
};

const NOT_FOLLOWED: &str = "what stays of what is allocated is not known";

const COLLECT_GARBAGE: &str = "_ZN2v88internal4Heap14CollectGarbageE";

/// In the name of an allocator of large objects: the overload that the one which is probed ends in, or has inlined.
const INNER_OVERLOAD: &str = "13ExecutabilityE";

/// What functions are called that take the memory of array buffers: of V8 (`src/objects/backing-store.cc`) and of Node's allocator
/// (`src/api/environment.cc`, Node 12 to 26).
const TAKES_ARRAY_BUFFERS: [&str; 2] = ["v8::internal::BackingStore::", "ArrayBufferAllocator::"];

/// Whether a function of that name, in the words of C++, takes the memory of array buffers.
pub(crate) fn takes_array_buffers(name: &str) -> bool {
    TAKES_ARRAY_BUFFERS.iter().any(|part| name.contains(part))
}

/// `Heap::MaxReserved`, whose code tells how the heap's limit is computed; const since Node 20. Never probed.
pub(crate) const MAX_RESERVED: [&str; 2] =
    ["_ZN2v88internal4Heap11MaxReservedE", "_ZNK2v88internal4Heap11MaxReservedE"];

/// How the names of [`FUNCTIONS`], [`MAX_RESERVED`] and those of [`super::outside_heap`] begin: a few hundred of a hundred
/// thousand names do.
pub(crate) const COMMON_PREFIXES: [&str; 17] = [
    "_ZN2v88internal4Heap",
    "_ZNK2v88internal4Heap",
    "_ZN2v88internal20MarkCompactCollector",
    "_ZN2v88internal13GlobalHandles23",
    "_ZN2v87Isolate17GetHeap",
    "_ZN2v87Isolate23GetArray",
    "_ZN4node2",
    "_ZTVN4node2",
    "_ZN2v88internal13MainAllocator15",
    "_ZN2v88internal17SemiSpaceNewSpace16",
    "_ZN2v88internal14PagedSpaceBase13",
    "_ZN2v88internal8NewSpace15",
    "_ZN2v88internal8NewSpace16",
    "_ZN2v88internal10PagedSpace15",
    "_ZN2v88internal10PagedSpace16",
    "_ZN2v88internal19NewLargeObjectSpace11",
    "_ZN2v88internal19OldLargeObjectSpace11",
];

/// Found among the names that a dynamic symbol table exports, it means: V8 is in this file. Addons need it, so it is in
/// stripped builds too.
pub(crate) const V8_MARK: &str = "_ZN2v82V810GetVersionEv";
/// Likewise: Node is in this file (or, as in Debian's stub, is called from it).
pub(crate) const NODE_MARK: &str = "_ZN4node";
/// Found among the names a dynamic symbol table uses, it means: Node is in a library of this name.
pub(crate) const NODE_LIBRARY: &str = "libnode.so";
/// A flag of V8, in the read-only data of every program that embeds it, with or without symbols.
pub(crate) const EMBEDDED_MARK: &str = "max-old-space-size";

/// GCC's and Clang's suffix for code that is rarely reached; GCC 8 numbers it.
const COLD: &str = ".cold";

/// Whether `symbol` is an instance of the function that `prefix` names: the prefix, a parameter list, and nothing else
/// or the suffix of a live copy.
///
/// * Lambdas inside the function begin with `_ZZN` and so do not match.
/// * `.cold` is a tail that is jumped to and `.part` one that the function itself calls: neither is an entry.
/// * `.constprop` and `.isra` are copies that callers call instead; they count where no argument is read.
/// * `.llvm` and `.lto_priv` only rename.
#[must_use]
pub(crate) fn is_instance(symbol: &str, prefix: &str, reads_arguments: bool) -> bool {
    let Some(rest) = symbol.strip_prefix(prefix) else { return false };
    let (parameters, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    let is_list =
        !parameters.is_empty() && parameters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_list && suffix_is_live(suffix, reads_arguments)
}

/// Whether `symbol` is the part of the function `body` that the compiler took out of its way.
#[must_use]
pub(crate) fn is_cold_part(symbol: &str, body: &str) -> bool {
    symbol.split_once(COLD).is_some_and(|(name, rest)| {
        name == body && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `CollectGarbage` from `_ZN2v88internal4Heap14CollectGarbageE`.
pub(crate) fn readable(prefix: &str) -> &str {
    let name = prefix.trim_end_matches('E');
    name.rfind(|char: char| char.is_ascii_digit()).map_or(name, |digit| &name[digit + 1..])
}

fn suffix_is_live(suffix: &str, reads_arguments: bool) -> bool {
    suffix.split('.').all(|part| match part {
        "" | "llvm" | "lto_priv" => true,
        "constprop" | "isra" => !reads_arguments,
        other => other.bytes().all(|byte| byte.is_ascii_digit()),
    })
}

impl Function {
    /// Whether the program is to be attached to `symbol`.
    #[must_use]
    pub(crate) fn is_instance(&self, symbol: &str) -> bool {
        !symbol.contains(INNER_OVERLOAD)
            && self.prefixes.iter().any(|prefix| is_instance(symbol, prefix, self.reads_arguments))
    }

    /// Whether it takes `symbol` to find the program's places: an instance, or where exits count its cold part.
    #[must_use]
    pub(crate) fn is_part(&self, symbol: &str) -> bool {
        let body = symbol.split_once(COLD).filter(|_| self.at == At::Exits).map_or(symbol, |(body, _)| body);
        self.is_instance(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_placed_once_and_the_start_comes_last() {
        let programs = FUNCTIONS.iter().chain(&LOOKS).chain([&MADE]).map(|function| function.program);
        let mut programs: Vec<_> = programs.collect();
        assert_eq!(programs[11..13], [probe::GC_EXIT, probe::GC_ENTER]);
        programs.sort_unstable();
        // Those that others go on with have no place.
        let mut placed = probe::ALL.to_vec();
        placed.retain(|program| ![probe::STACK, probe::LOOK].contains(program));
        placed.sort_unstable();
        assert_eq!(programs, placed);
    }

    #[test]
    fn programs_match_the_names_of_every_release() {
        for (symbol, program) in [
            (
                "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonENS_15GCCallbackFlagsE",
                probe::GC_ENTER,
            ),
            (
                "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonENS_15GCCallbackFlagsENS0_21PerformHeapLimitCheckENS0_34PerformIneffectiveMarkCompactCheckE",
                probe::GC_EXIT,
            ),
            ("_ZN2v88internal4Heap8ScavengeEv", probe::SCAVENGE),
            ("_ZN2v88internal4Heap23EvacuateYoungGenerationEv", probe::SCAVENGE),
            ("_ZN2v88internal4Heap16MinorMarkCompactEv", probe::MINOR_MARK),
            ("_ZN2v88internal4Heap14MinorMarkSweepEv", probe::MINOR_MARK),
            ("_ZN2v88internal4Heap13SizeOfObjectsEv", probe::SIZE_EXIT),
            ("_ZN2v88internal4Heap13SizeOfObjectsEv.constprop.1331", probe::SIZE_EXIT),
            (
                "_ZN2v88internal20MarkCompactCollector15StartCompactionENS1_19StartCompactionModeE",
                probe::COMPACTION,
            ),
            ("_ZN2v88internal4Heap5SetUpEPNS0_9LocalHeapE", probe::HEAP_SET_UP),
            ("_ZN2v88internal4Heap8TearDownEv.llvm.123456", probe::HEAP_TEAR_DOWN),
            (
                "_ZN2v88internal13MainAllocator15AllocateRawSlowEiNS0_19AllocationAlignmentENS0_16AllocationOriginE",
                probe::ALLOC_SLOW,
            ),
            ("_ZN2v88internal19OldLargeObjectSpace11AllocateRawEi", probe::ALLOC_LARGE),
            (
                "_ZN2v88internal19NewLargeObjectSpace11AllocateRawEPNS0_9LocalHeapEiNS0_14AllocationHintE",
                probe::ALLOC_LARGE,
            ),
        ] {
            let matching: Vec<_> =
                FUNCTIONS.iter().filter(|function| function.is_instance(symbol)).map(|f| f.program).collect();
            assert!(matching.contains(&program), "{symbol}: {matching:?}");
        }
    }

    #[test]
    fn a_cold_part_is_told_by_its_name() {
        for (symbol, expected) in [
            ("_ZN1fEv.cold", true),
            ("_ZN1fEv.cold.7", true),
            ("_ZN1fEv", false),
            ("_ZN1gEv.cold", false),
            ("_ZN1fEv.constprop.0.cold", false),
            ("_ZN1fEv.colder", false),
        ] {
            assert_eq!(is_cold_part(symbol, "_ZN1fEv"), expected, "{symbol}");
        }
        let cold = format!("{COLLECT_GARBAGE}NS0_15AllocationSpaceE.cold");
        let programs: Vec<_> = FUNCTIONS.iter().filter(|f| f.is_part(&cold)).map(|f| f.program).collect();
        assert_eq!(programs, [probe::GC_EXIT]);
    }

    #[test]
    fn no_program_matches_what_is_not_an_entry() {
        for symbol in [
            "_ZZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonENS_15GCCallbackFlagsEENKUlvE_clEv",
            "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE.constprop.7",
            "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE.part.0",
            "_ZN2v88internal4Heap8TearDownEv.cold",
            "_ZN2v88internal4Heap8ScavengeEv.part.12",
            "_ZN2v88internal4Heap8ScavengeE",
            "_ZN2v88internal4Heap11MaxReservedEv",
            "_ZN2v88internal4Heap19MarkCompactPrologueEv",
            "_ZN2v88internal16third_party_heap4Heap14CollectGarbageEv",
            "_ZN2v88internal19OldLargeObjectSpace11AllocateRawEiNS0_13ExecutabilityE",
            "_ZN5cppgc8internal4Heap14CollectGarbageENS0_16GarbageCollector6ConfigE",
        ] {
            assert!(!FUNCTIONS.iter().any(|function| function.is_instance(symbol)), "{symbol}");
        }
    }
}
