//! What crosses the boundary about blocks of `malloc`: sampled blocks with a copy of the stack, and books by call site.

use crate::{stack::StackKey, strides::Strides};

/// Bytes of stack that are copied. Sixteen frames of an addon's C++ seldom take more.
pub const STACK_BYTES: usize = 4096;
/// Call sites that are kept apart; the blocks of further ones are counted as lost.
pub const MAX_CALL_SITES: u32 = 1 << 14;
/// Blocks that can be outstanding at once while every one is followed; further ones are counted as lost.
pub const MAX_BLOCKS: u32 = 1 << 20;
/// Threads that can be inside of a call of the allocator at once.
pub const MAX_IN_FLIGHT: u32 = 4096;
/// Return addresses inside of functions that only pass an allocation on.
pub const MAX_WRAPPERS: u32 = 96;
/// Bytes of the ring buffer of sampled blocks: room for 500 that are not fetched yet, which is done every 2 ms.
pub const SAMPLE_RING_BYTES: u32 = 2 << 20;
/// The same where every block is followed: all call sites that there are come at once, and the collector may be kept from
/// its CPU.
pub const FOLLOW_RING_BYTES: u32 = 16 << 20;

/// Stacks of JavaScript of one window that are kept apart: more than there is room for samples.
pub const MAX_CALLERS: u32 = 1024;
/// Bytes of the ring buffer of these: room for 200 at a time.
pub const CALLER_RING_BYTES: u32 = 512 << 10;

/// A sampled block: the only record in the ring buffer of events of an instance that follows an allocator.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSample {
    /// `CLOCK_MONOTONIC`, nanoseconds: when the block was handed out.
    pub time_ns: u64,
    /// The block.
    pub address: u64,
    /// Its usable bytes.
    pub size: u64,
    /// Key of its [`CallSite`]: a return address.
    pub call_site: u64,
    /// Serial number of the window that it was taken in.
    pub window: u64,
    /// How many blocks of its call site it stands for.
    pub stands_for: u64,
    /// The stack that asked for it.
    pub copy: StackCopy,
}
const _: () = assert!(size_of::<BlockSample>() == 48 + size_of::<StackCopy>());

/// A copy of a thread's stack, to be unwound by the collector.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackCopy {
    /// The registers that unwinding begins with.
    pub ip: u64,
    /// The stack pointer: where `stack` was copied from.
    pub sp: u64,
    /// The frame pointer, if it is one.
    pub bp: u64,
    /// Which stack of JavaScript called; zeros if none did, or if it could not be walked.
    pub caller: StackKey,
    /// Frame pointer of the frame where that begins: the exit frame by which it left JavaScript, or that of its caller if there
    /// is no exit frame; 0 likewise.
    pub exit_fp: u64,
    /// Bytes of `stack` that could be read: all, or fewer near the stack's end.
    pub stack_len: u64,
    /// The stack above `sp`.
    pub stack: [u8; STACK_BYTES],
}
const _: () = assert!(size_of::<StackCopy>() == 56 + STACK_BYTES);

/// Books of one call site on one CPU: of the current window while blocks are sampled, of all time while every block is followed.
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
    /// Serial number of the window that the rest is about.
    pub window: u64,
    /// Samples taken in it.
    pub taken: u64,
    /// Which of its blocks are sampled.
    pub strides: Strides,
}
const _: () = assert!(size_of::<CallSite>() == 88);

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

/// What is sampled from now on. The collector changes it while programs run, in place: it is one word, for no program to see half
/// of a change. (As two words, one window of fifty lost what one call site had taken, in one of eight runs of fifty.)
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window(u64);
const _: () = assert!(size_of::<Window>() == 8);

impl Window {
    /// Nothing is sampled.
    pub const CLOSED: Self = Self(0);
    /// The bits of the number of samples, below the serial number.
    const SAMPLES_BITS: u32 = 8;

    /// `serial`: from 1, higher than that of any window before; its lowest bit is the kind of window, as windows of a kind see
    /// about as much. `samples`: about so many of a call site on each CPU, more of busy ones.
    #[must_use]
    pub const fn open(serial: u64, samples: u8) -> Self {
        Self(serial << Self::SAMPLES_BITS | samples as u64)
    }

    /// Its serial number; 0 if none is open.
    #[inline(always)]
    #[must_use]
    pub const fn serial(self) -> u64 {
        self.0 >> Self::SAMPLES_BITS
    }

    /// Samples of a call site on each CPU; 0 if none is open.
    #[inline(always)]
    #[must_use]
    pub const fn samples(self) -> u64 {
        self.0 & ((1 << Self::SAMPLES_BITS) - 1)
    }
}

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

/// Cookie of a probe inside of an allocating function: where what it looks for is there. Registers are given by their place
/// in the kernel's `pt_regs`, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Bytes from the stack pointer to the caller's frame, the return address right below it.
    pub frame: u16,
    /// The register with the block's address; `None` for the one that functions return their results in.
    pub result: Option<u8>,
    /// A register with the bytes asked for; `None` where the block's header says how many there are.
    pub asked: Option<u8>,
}

impl Spot {
    /// As a cookie: the frame, then each register's place behind a byte that says whether there is one.
    #[must_use]
    pub fn cookie(self) -> u64 {
        let [low, high] = self.frame.to_le_bytes();
        let register = |place: Option<u8>| [u8::from(place.is_some()), place.unwrap_or(0)];
        let [[has_result, result], [has_asked, asked]] = [register(self.result), register(self.asked)];
        u64::from_le_bytes([low, high, has_result, result, has_asked, asked, 0, 0])
    }

    /// Of a cookie.
    #[must_use]
    #[inline(always)]
    pub fn of(cookie: u64) -> Self {
        let [low, high, has_result, result, has_asked, asked, ..] = cookie.to_le_bytes();
        let register = |has: u8, place| (has != 0).then_some(place);
        Self {
            frame: u16::from_le_bytes([low, high]),
            result: register(has_result, result),
            asked: register(has_asked, asked),
        }
    }
}

/// Cookies of `alloc_enter` and `realloc_enter`: in which arguments the bytes asked for are.
pub mod asked {
    /// The first (`malloc`, `valloc`).
    pub const FIRST: u64 = 0;
    /// The product of the first two (`calloc`).
    pub const PRODUCT: u64 = 1;
    /// The second (`realloc`, `memalign`, `aligned_alloc`).
    pub const SECOND: u64 = 2;
    /// The product of the second and the third (`reallocarray`).
    pub const LAST_PRODUCT: u64 = 3;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_what_their_cookies_say() {
        for (frame, result, asked) in
            [(80, None, None), (8, Some(0), None), (48, Some(72), Some(32)), (0, None, Some(255))]
        {
            let spot = Spot { frame, result, asked };
            assert_eq!(Spot::of(spot.cookie()), spot);
        }
    }
}
