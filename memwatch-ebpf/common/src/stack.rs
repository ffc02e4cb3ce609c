//! Stacks of JavaScript: how the collector tells the kernel side to walk one, and what a walk brings back.
//!
//! A stack is counted in the kernel under a hash of what does not move with the garbage collector: script id, function
//! literal id, position. Only the first sample of a stack crosses the boundary, with the addresses at which the
//! collector finds names while they last.

use crate::target::NO_OFFSET;

/// Frames kept of one stack, the innermost ones; V8's own frames between functions count. Programs of ours had 8 to 20;
/// the verifier of 5.10 accepts this many passes through the walk.
pub const MAX_FRAMES: usize = 64;

/// How one process's V8 is walked. Offsets count from an untagged address. Written by the collector once it has checked
/// them against the running process; a process without has no stacks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackLayout {
    /// Where a thread keeps its isolate, from its thread pointer.
    pub isolate_from_thread: i64,
    /// Bytes that are allocated between two samples, on average.
    pub interval: u64,
    /// `Isolate`: frame pointer of the innermost exit frame.
    pub c_entry_fp: u32,
    /// `JSFunction`: its `SharedFunctionInfo`.
    pub function_shared: u32,
    /// `JSFunction`: its `Code`, or its handle in the table of code.
    pub function_code: u32,
    /// `Isolate`: base of the table of code; [`NO_OFFSET`] where functions point at their code themselves.
    pub code_table: u32,
    /// `SharedFunctionInfo`: its `Script`. The function literal id is [`LITERAL_BEHIND_SCRIPT`] bytes further.
    pub shared_script: u32,
    /// `Script`: its id.
    pub script_id: u32,
    /// `Map`: the instance type.
    pub map_type: u32,
    /// Instance type of a `BytecodeArray`.
    pub bytecode_type: u32,
    /// Allocator or space: its linear allocation area, or the pointer to it if `area_is_inside` is 0.
    pub area: u32,
    /// Whether the area is in the space itself: 0 or 1.
    pub area_is_inside: u32,
    /// Which argument of the large-object allocators is the size.
    pub large_size_argument: u32,
    /// `Isolate`: frame pointer of the outermost entry frame, 0 while the thread runs no JavaScript.
    pub entry_fp: u32,
    /// `Isolate`: frame pointer of generated code that calls C itself, without an exit frame; 0 if none does, and
    /// [`NO_OFFSET`] if it is not known where V8 notes that.
    pub direct_fp: u32,
    /// `Isolate`: where that code goes on.
    pub direct_pc: u32,
}
const _: () = assert!(size_of::<StackLayout>() == 72);

/// What the stacks of one process have cost it, on one CPU: threads of it are hit on several at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackCounts {
    /// How often a probe on an allocation was hit.
    pub hits: u64,
    /// How often a stack was walked.
    pub walks: u64,
}
const _: () = assert!(size_of::<StackCounts>() == 16);

impl StackLayout {
    /// Whether functions point at their code through the table of code.
    #[must_use]
    #[inline(always)]
    pub const fn has_code_table(&self) -> bool {
        self.code_table != NO_OFFSET
    }

    /// Whether it is known where V8 notes the calls that make no exit frame.
    #[must_use]
    #[inline(always)]
    pub const fn has_direct_calls(&self) -> bool {
        self.direct_fp != NO_OFFSET
    }
}

/// In a `SharedFunctionInfo`, from the script to the function literal id: 20 bytes in V8 9.4 to 14.6.
pub const LITERAL_BEHIND_SCRIPT: u32 = 20;

/// Codes of [`JsFrame::kind`].
pub mod frame_kind {
    /// A frame of V8 without a function; `position` is its marker.
    pub const TYPED: u32 = 0;
    /// A function in the interpreter; `position` is where it stands in its bytecode, `code` is the `BytecodeArray`.
    pub const INTERPRETED: u32 = 1;
    /// A function in machine code; `position` is the return address, `code` is the `Code` that the function has now.
    pub const COMPILED: u32 = 2;
    /// A function of which something could not be read: a page of it was not resident.
    pub const UNREADABLE: u32 = 3;
}

/// Codes of [`StackEvent::start`]: where a walk began.
pub mod stack_start {
    /// At the innermost exit frame; or nowhere, by [`super::StackEvent::end`].
    pub const EXIT: u32 = 0;
    /// At the frame that V8 notes while generated code calls C itself; the first frame's `position` is where that goes on.
    pub const DIRECT: u32 = 1;
}

/// Codes of [`StackEvent::end`]: why a walk ended.
pub mod stack_end {
    /// At the outermost entry into JavaScript.
    pub const COMPLETE: u32 = 0;
    /// No JavaScript is on the stack.
    pub const OUTSIDE: u32 = 1;
    /// There are more than `MAX_FRAMES` frames.
    pub const TRUNCATED: u32 = 2;
    /// A frame could not be read.
    pub const UNREADABLE: u32 = 3;
    /// A frame pointer did not lead outwards.
    pub const MALFORMED: u32 = 4;
    /// It did not begin: there is JavaScript on the stack, and nothing tells where.
    pub const NOWHERE: u32 = 5;
}

/// One frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsFrame {
    /// `Script::id`, 0 for functions without a script.
    pub script: u32,
    /// `SharedFunctionInfo::function_literal_id`, negative for builtins.
    pub literal: i32,
    /// Where in the function, by `kind`.
    pub position: u64,
    /// Tagged address of the `SharedFunctionInfo`; it moves when the heap is compacted.
    pub shared: u64,
    /// Tagged address of what holds the positions, by `kind`; 0 if it could not be read.
    pub code: u64,
    /// A [`frame_kind`].
    pub kind: u32,
    /// Zero.
    pub _pad: u32,
}
const _: () = assert!(size_of::<JsFrame>() == 40);

impl JsFrame {
    /// Which function of its isolate it is, in a number that stays when the heap is compacted: script and function literal;
    /// of a builtin, which has neither and does not move, its address.
    #[inline(always)]
    #[must_use]
    pub const fn identity(&self) -> u64 {
        if self.literal < 0 {
            self.shared
        } else {
            (self.script as u64) << 32 | self.literal.cast_unsigned() as u64
        }
    }
}

/// Key of the map of stacks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackKey {
    /// tgid in the upper half, pid in the lower: script ids are an isolate's, and a thread has one isolate.
    pub thread: u64,
    /// Hash of the frames' identities and positions, and of how the walk ended.
    pub hash: u64,
}
const _: () = assert!(size_of::<StackKey>() == 16);

impl StackKey {
    /// The process.
    #[must_use]
    pub const fn tgid(self) -> u32 {
        (self.thread >> 32) as u32
    }
}

/// Value of the map of stacks: what was allocated there; nothing at one that only a collection began on. Written by the
/// stack's own thread only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackVolume {
    /// Bytes that its samples stand for.
    pub bytes: u64,
    /// Samples.
    pub samples: u64,
}
const _: () = assert!(size_of::<StackVolume>() == 16);

impl StackVolume {
    /// One sample that stands for `bytes`.
    #[inline(always)]
    #[must_use]
    pub const fn sample(bytes: u64) -> Self {
        Self { bytes, samples: 1 }
    }
}

/// A stack that was seen for the first time.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackEvent {
    /// Number of the walk on its CPU. Differs from `last` if another walk got in between: then nothing of this is true.
    pub first: u64,
    /// Which stack.
    pub key: StackKey,
    /// A [`stack_end`].
    pub end: u32,
    /// How many of `frames` count.
    pub depth: u32,
    /// Frame pointer of the frame where the walk began; 0 if it did not.
    pub exit_fp: u64,
    /// A [`stack_start`].
    pub start: u32,
    /// Zero.
    pub _pad: u32,
    /// Innermost first.
    pub frames: [JsFrame; MAX_FRAMES],
    /// As `first`.
    pub last: u64,
}
const _: () = assert!(size_of::<StackEvent>() == 56 + 40 * MAX_FRAMES);

/// How much of the next sample a thread has allocated.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampler {
    /// Bytes since the last sample.
    pub bytes: u64,
    /// Bytes at which the next one is due.
    pub due: u64,
    /// Bytes that the sample stands for whose stack is walked next.
    pub taken: u64,
    /// The stack of the sample whose object is about to be made: [`StackKey::hash`]; 0 if none is.
    pub making: u64,
    /// Allocator or space that makes it; 0 of a large object.
    pub owner: u64,
    /// Its bytes.
    pub size: u64,
    /// Start and top of the areas that were last seen, of the young and of the old generation: the latest first.
    areas: [[u64; 2]; 2],
}
const _: () = assert!(size_of::<Sampler>() == 80);

impl Sampler {
    /// Of a thread that has taken no sample yet. `random`: any number.
    #[inline(always)]
    #[must_use]
    pub fn new(interval: u64, random: u32) -> Self {
        Self {
            bytes: 0,
            due: distance(interval, random),
            taken: 0,
            making: 0,
            owner: 0,
            size: 0,
            areas: [[0; 2]; 2],
        }
    }

    /// What was cut from an area since it was last seen. Mostly it is another one then. But V8 10 takes its slow path at each object
    /// that is made of another one (`{...row}`), with the area as it was: its used part was counted each time, which was a hundred
    /// times what was allocated.
    #[inline(always)]
    pub fn cut(&mut self, start: u64, top: u64) -> u64 {
        let [latest, other] = self.areas;
        let known = if latest[0] == start { latest } else { other };
        let is_known = known[0] == start && known[1] <= top;
        if latest[0] != start {
            self.areas[1] = latest;
        }
        self.areas[0] = [start, top];
        top.wrapping_sub(if is_known { known[1] } else { start })
    }

    /// Takes in `bytes`; whether a sample was due, and is taken. What is as large as the interval stands for itself, and not for
    /// small ones before it. `random`: any number.
    #[inline(always)]
    pub fn take(&mut self, bytes: u64, interval: u64, random: u32) -> bool {
        if bytes >= interval {
            self.taken = bytes;
            return true;
        }
        self.bytes += bytes;
        if self.bytes < self.due {
            return false;
        }
        self.taken = self.bytes;
        self.bytes = 0;
        self.due = distance(interval, random);
        true
    }
}

/// From one sample to the next, between half and one and a half of `interval`: a program that allocates in step with V8's pages
/// would otherwise be sampled at the same place for ever.
#[inline(always)]
fn distance(interval: u64, random: u32) -> u64 {
    interval / 2 + ((interval * u64::from(random)) >> 32)
}

/// A step of the stack's hash (the multiplication and shift of splitmix64).
#[inline(always)]
#[must_use]
pub const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_for_all_bytes_at_distances_that_vary_around_the_interval() {
        let interval = 1 << 20;
        let distances = [0, u32::MAX, 1 << 31].map(|random| Sampler::new(interval, random).due);
        assert_eq!(distances, [1 << 19, (1 << 20) + (1 << 19) - 1, 1 << 20]);
        let mut sampler = Sampler::new(interval, 0);
        let (mut total, mut stood_for) = (0, 0);
        for random in [0, u32::MAX, 1 << 31] {
            total += 1000;
            while !sampler.take(1000, interval, random) {
                total += 1000;
            }
            stood_for += sampler.taken;
        }
        assert_eq!(stood_for, total);
        assert!((5 << 19..(5 << 19) + 4000).contains(&total), "{total}");
    }

    #[test]
    fn what_was_cut_from_an_area_counts_once() {
        let mut sampler = Sampler::new(1000, 0);
        let (young, old, next) = (0x1000, 0x9000, 0x4000);
        let cut =
            [(young, 10), (young, 30), (old, 5), (young, 40), (young, 40), (old, 9), (next, 7), (young, 2)]
                .map(|(start, used)| sampler.cut(start, start + used));
        assert_eq!(cut, [10, 20, 5, 10, 0, 4, 7, 2]);
    }

    #[test]
    fn what_is_large_stands_for_itself_alone() {
        let mut sampler = Sampler::new(1000, 0);
        assert!(!sampler.take(400, 1000, 0));
        assert!(sampler.take(5000, 1000, 0));
        assert_eq!((sampler.taken, sampler.bytes), (5000, 400));
    }

    #[test]
    fn the_order_of_words_counts() {
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
        assert_ne!(mix(0, 0), mix(0, 1));
    }
}
