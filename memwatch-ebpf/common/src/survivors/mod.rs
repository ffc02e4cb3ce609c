//! Objects that are followed from where they are made, until they die: a sample of what an isolate allocates. Whether an object is
//! alive is read from what the garbage collector itself leaves behind, in the moments in which that is true:
//!
//! * when a scavenge has copied what it keeps, the first word of a dead object is still its map, that of a living one leads to its copy;
//! * when marking is over and sweeping has not begun, the mark bit of an object says it;
//! * when a mark-compact has evacuated pages, the first word of what moved leads to its copy.
//!
//! Elsewhere it is too late: from V8 11.3 on the first words of a page that was evacuated are overwritten, and mark bits are cleared
//! (measured on 18 to 26; docs/design/survivors.md). Kept here and free of eBPF so that the same code runs under plain unit tests.

mod followed;
mod pages;
mod slot;

pub use self::{
    followed::{Followed, awaited, pass},
    pages::PageLayout,
    slot::{Fate, Slot, slot_flag},
};

/// Objects of the young generation that are followed at once, of one isolate.
pub const MAX_YOUNG: u32 = 512;
/// Objects of the old generation that are followed at once, of one isolate.
pub const MAX_OLD: u32 = 4096;
/// With more than these the next full collection lets go of every second one, and from then on half as many are taken.
pub const MANY_OLD: u32 = MAX_OLD / 2;
/// Isolates of which objects are followed at once.
pub const MAX_ISOLATES: u32 = 4096;
/// Objects that are followed at once, over all targets.
pub const MAX_SLOTS: u32 = 65_536;

/// Where an object that is followed is kept.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotKey {
    /// tgid in the upper half, pid in the lower.
    pub thread: u64,
    /// Its place in the list of young objects; behind [`MAX_YOUNG`], in that of old ones.
    pub index: u32,
    /// Zero.
    pub _pad: u32,
}
const _: () = assert!(size_of::<SlotKey>() == 16);

impl SlotKey {
    /// The place at `index` of a list.
    #[inline(always)]
    #[must_use]
    pub const fn new(thread: u64, list: List, index: u32) -> Self {
        let first = match list {
            List::Young => 0,
            List::Old => MAX_YOUNG,
        };
        Self { thread, index: first + index, _pad: 0 }
    }
}

/// The lists that an isolate's objects are in: scavenges have to look at the young ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Objects on pages of the young generation.
    Young,
    /// All others.
    Old,
}
