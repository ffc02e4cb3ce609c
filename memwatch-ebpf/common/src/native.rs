//! What crosses the boundary about blocks of `malloc`: sampled blocks with a copy of the stack, and books by call site.

use crate::stack::StackKey;

/// Bytes of stack that are copied with a sampled block. Sixteen frames of an addon's C++ seldom take more.
pub const STACK_BYTES: usize = 4096;
/// Call sites that are kept apart; the blocks of further ones are counted as lost.
pub const MAX_CALL_SITES: u32 = 1 << 14;
/// Blocks that can be outstanding at once while every one is followed; further ones are counted as lost.
pub const MAX_BLOCKS: u32 = 1 << 20;
/// Threads that can be inside of a call of the allocator at once.
pub const MAX_IN_FLIGHT: u32 = 4096;
/// Return addresses inside of functions that only pass an allocation on.
pub const MAX_WRAPPERS: u32 = 64;
/// Bytes of the ring buffer of sampled blocks: room for 1000.
pub const SAMPLE_RING_BYTES: u32 = 4 << 20;

/// Stacks of JavaScript of one window that are kept apart: more than there is room for samples.
pub const MAX_CALLERS: u32 = 1024;
/// Bytes of the ring buffer of these: room for 400 at a time.
pub const CALLER_RING_BYTES: u32 = 1 << 20;

/// A sampled block: the only record in the ring buffer of events of an instance that follows an allocator.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSample {
    /// `CLOCK_MONOTONIC`, nanoseconds: when the block was handed out.
    pub time_ns: u64,
    /// The block.
    pub address: u64,
    /// How many blocks of its call site it stands for.
    pub weight: u64,
    /// Its usable bytes.
    pub size: u64,
    /// Key of its [`CallSite`]: a return address.
    pub call_site: u64,
    /// Serial number of the window that it was taken in.
    pub window: u64,
    /// The registers that unwinding begins with.
    pub ip: u64,
    /// The stack pointer: where `stack` was copied from.
    pub sp: u64,
    /// The frame pointer, if it is one.
    pub bp: u64,
    /// Which stack of JavaScript called; zeros if none did, or if it could not be walked.
    pub caller: StackKey,
    /// Frame pointer of the exit frame by which that left JavaScript; 0 likewise.
    pub exit_fp: u64,
    /// Bytes of `stack` that could be read: all, or fewer near the stack's end.
    pub stack_len: u64,
    /// The stack above `sp`.
    pub stack: [u8; STACK_BYTES],
}
const _: () = assert!(size_of::<BlockSample>() == 104 + STACK_BYTES);

/// Books of one call site on one CPU: of all time while every block is followed, and when the next one is sampled.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallSite {
    /// Blocks that were handed out. Followed blocks only, as the three below.
    pub allocated_blocks: u64,
    /// Their usable bytes.
    pub allocated_bytes: u64,
    /// Blocks that were freed, on this CPU.
    pub freed_blocks: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// Serial number of the window that `taken` is about.
    pub window: u64,
    /// Samples taken in it since its blocks were last taken to be twice as many.
    pub taken: u64,
    /// The sample is taken at so many blocks from now.
    pub due: u64,
    /// Blocks of the last sample's stratum that come after it.
    pub left: u64,
    /// By kind of window: of so many blocks one is sampled. 0 stands for 1.
    pub strata: [u64; 2],
}
const _: () = assert!(size_of::<CallSite>() == 80);

/// Strata grow no larger.
const LARGEST_STRATUM: u64 = 1 << 24;

impl CallSite {
    /// Begins to sample in a window. Strata are half as large as the last window of this kind left them, which makes for one
    /// and a half to two times [`Window::samples`] of a site that goes on as before. `random` is any number.
    #[inline(always)]
    pub fn begin(&mut self, window: &Window, random: u32) {
        self.window = window.serial;
        self.taken = 0;
        self.left = 0;
        let stratum = self.stratum(window) / 2;
        self.draw(window, stratum, random);
    }

    /// Whether the block that was just handed out is sampled: how many blocks it stands for.
    ///
    /// Blocks are sampled at a random place in each stratum, so that a caller that asks for many in a row has its share of
    /// the samples and no more. How many there will be is not known, so strata become twice as large after every
    /// [`Window::samples`]: first blocks first, as a site with few must be seen too.
    #[inline(always)]
    pub fn take(&mut self, window: &Window, random: impl FnOnce() -> u32) -> Option<u64> {
        if self.due > 1 {
            self.due -= 1;
            return None;
        }
        let weight = self.stratum(window);
        self.taken += 1;
        let is_enough = self.taken >= window.samples && weight < LARGEST_STRATUM;
        if is_enough {
            self.taken = 0;
        }
        self.draw(window, weight << u32::from(is_enough), random());
        Some(weight)
    }

    #[inline(always)]
    fn stratum(&self, window: &Window) -> u64 {
        self.strata[(window.kind & 1) as usize].max(1)
    }

    #[inline(always)]
    fn draw(&mut self, window: &Window, stratum: u64, random: u32) {
        let stratum = stratum.max(1);
        let place = 1 + ((stratum * u64::from(random)) >> 32);
        self.due = self.left + place;
        self.left = stratum - place;
        self.strata[(window.kind & 1) as usize] = stratum;
    }
}

/// A block that is outstanding; or one that was sampled in the open window, with that window's number as `call_site`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its usable bytes, or those asked for where the allocator keeps no header before the block.
    pub size: u64,
    /// Key of its [`CallSite`].
    pub call_site: u64,
}
const _: () = assert!(size_of::<Block>() == 16);

/// [`Block::size`] of a sampled block that was handed out again while its window was open.
pub const NO_SIZE: u64 = u64::MAX;
/// Sampled blocks of one window that are kept apart.
pub const MAX_SAMPLED: u32 = 4096;

/// What a thread that is inside of the allocator has asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Bytes.
    pub size: u64,
    /// `posix_memalign`: where the block's address will be written. `realloc`: the old block's address, if it was followed.
    pub address: u64,
    /// `realloc`: the old block.
    pub old: Block,
}
const _: () = assert!(size_of::<Request>() == 32);

/// What is sampled from now on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Serial number, from 1.
    pub serial: u64,
    /// About so many samples a call site and CPU, more of busy ones.
    pub samples: u64,
    /// 0 or 1: how busy a site is differs between kinds of windows.
    pub kind: u64,
}
const _: () = assert!(size_of::<Window>() == 24);

/// Steps of [`TrapClock::gaps`].
pub const GAP_STEPS: usize = 32;
/// A step is `1 << GAP_SHIFT` nanoseconds: 128.
pub const GAP_SHIFT: u32 = 7;

/// The time from one trap of a thread to its next, on one CPU. Where a thread does nothing but allocate that is the trap
/// itself: what it costs this very target, on this machine.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapClock {
    /// The thread of the last trap.
    pub thread: u64,
    /// When it was.
    pub time_ns: u64,
    /// How many gaps of each length there were; the last step is everything longer.
    pub gaps: [u64; GAP_STEPS],
}
const _: () = assert!(size_of::<TrapClock>() == 16 + 8 * GAP_STEPS);

/// Counters of an instance that follows an allocator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NativeCount {
    /// Traps: what the target pays for.
    Traps = 0,
    /// Frees of blocks that were not followed: handed out before the probes were live, or lost.
    UnknownFrees = 1,
    /// Blocks that were handed out a second time without a free that was seen.
    Replaced = 2,
}

impl NativeCount {
    /// How many there are.
    pub const LEN: u32 = 3;
}

/// Cookies of `alloc_enter`: in which arguments the bytes asked for are.
pub mod asked {
    /// The first (`malloc`, `valloc`).
    pub const FIRST: u64 = 0;
    /// The product of the first two (`calloc`).
    pub const PRODUCT: u64 = 1;
    /// The second (`memalign`, `aligned_alloc`).
    pub const SECOND: u64 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::mix;

    const WINDOWS: u64 = 4000;

    /// What the samples of many windows with so many blocks stand for, those of each window's first half and those of its
    /// second; and how many samples a window has.
    fn sampled(blocks: u64) -> ([u64; 2], u64) {
        let (mut site, mut seed, mut halves, mut samples) = (CallSite::default(), 1, [0; 2], 0);
        let mut random = || {
            seed = mix(seed, blocks);
            (seed >> 32) as u32
        };
        for serial in 1..=WINDOWS {
            let window = Window { serial, samples: 6, kind: 1 };
            site.begin(&window, random());
            for block in 0..blocks {
                if let Some(weight) = site.take(&window, &mut random) {
                    halves[usize::from(2 * block >= blocks)] += weight;
                    samples += 1;
                }
            }
        }
        (halves, samples / WINDOWS)
    }

    #[test]
    fn samples_stand_for_all_blocks_wherever_they_are() {
        for (blocks, fewest, most) in [(1, 1, 1), (6, 5, 6), (30, 6, 14), (1000, 6, 14), (40_000, 6, 14)] {
            let (halves, samples) = sampled(blocks);
            for (half, truth) in halves.into_iter().zip([blocks.div_ceil(2), blocks / 2]) {
                let truth = WINDOWS * truth;
                assert!(half.abs_diff(truth) <= truth / 20, "{blocks} blocks: {half} of {truth}");
            }
            assert!((fewest..=most).contains(&samples), "{blocks} blocks: {samples} samples a window");
        }
    }
}
