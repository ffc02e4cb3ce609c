//! The objects of one isolate that are followed, and the looks that are taken at all of them.

use super::{List, MANY_OLD, MAX_OLD, MAX_YOUNG};

/// Codes of [`Followed::pass`]: which look at all objects is being taken.
pub mod pass {
    /// None.
    pub const NONE: u32 = 0;
    /// Young ones, when a scavenge has copied what it keeps.
    pub const SCAVENGED: u32 = 1;
    /// All, when they are marked.
    pub const MARKED: u32 = 2;
    /// All, when they have moved.
    pub const MOVED: u32 = 3;
    /// Young ones, when a full collection is over: pages are promoted in place.
    pub const SETTLED: u32 = 4;
}

/// Bits of [`Followed::awaited`]: looks without which a collection must not end.
pub mod awaited {
    /// [`super::pass::SCAVENGED`].
    pub const SCAVENGED: u32 = 1 << 0;
    /// [`super::pass::MARKED`].
    pub const MARKED: u32 = 1 << 1;
    /// [`super::pass::MOVED`].
    pub const MOVED: u32 = 1 << 2;
}

/// The objects of one isolate that are followed. Written by the isolate's own thread only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Odd while the list of old objects is being rewritten.
    pub version: u64,
    /// When the marking of the open full collection began.
    began_ns: u64,
    /// Address of the heap that they are in; 0 until it has collected.
    heap: u64,
    /// Objects in the list of young ones.
    pub young: u32,
    /// Objects in that of old ones.
    pub old: u32,
    /// So many times the number of objects that are taken was halved.
    pub halvings: u32,
    /// The look that is being taken: a [`pass`].
    pub pass: u32,
    /// A set of [`awaited`] bits.
    pub awaited: u32,
    /// Whether that of old ones is being looked at: 0 or 1.
    in_old: u32,
    /// The next object to be looked at.
    at: u32,
    /// How many of those before it are kept.
    kept: u32,
    /// Whether this full collection lets go of every second old object: 0 or 1.
    thins: u32,
    /// Whether it is known when the marking of the open full collection began: 0 or 1.
    knows_began: u32,
    /// Full collections that were followed.
    pub collections: u64,
}
const _: () = assert!(size_of::<Followed>() == 72);

impl Followed {
    /// A scavenge of `heap` begins.
    #[inline(always)]
    pub fn scavenge(&mut self, heap: u64) {
        self.is_of(heap);
        self.awaited |= awaited::SCAVENGED;
    }

    /// A full collection of `heap` begins, whose marking began at `marking_ns`; with that 0 it marks now, for all that is known.
    #[inline(always)]
    pub fn full_collection(&mut self, heap: u64, marking_ns: u64, now_ns: u64) {
        self.is_of(heap);
        self.awaited |= awaited::MARKED | awaited::MOVED;
        self.knows_began = u32::from(marking_ns != 0);
        self.began_ns = if marking_ns == 0 { now_ns } else { marking_ns };
    }

    /// A thread that goes on with another isolate has none of the objects of the last one.
    #[inline(always)]
    fn is_of(&mut self, heap: u64) {
        if self.heap != 0 && self.heap != heap {
            self.young = 0;
            self.old = 0;
        }
        self.heap = heap;
    }

    /// Whether it proves an object to be alive that it is marked in the open full collection. Not one that was made when marking had
    /// begun; if it is not known when that was, not one that was marked as it was made.
    #[inline(always)]
    pub(super) fn proves(&self, born_ns: u64, born_marked: bool) -> bool {
        born_ns < self.began_ns && (self.knows_began != 0 || !born_marked)
    }

    /// Begins the look `pass` if `bit` says that it is awaited; whether it is.
    #[inline(always)]
    pub fn begin_awaited(&mut self, pass: u32, bit: u32) -> bool {
        if self.awaited & bit == 0 {
            return false;
        }
        self.awaited &= !bit;
        self.begin(pass);
        true
    }

    /// A collection of this kind is over. How many objects nothing is known of any more, as a look at them was not taken.
    #[inline(always)]
    pub fn end(&mut self, kind: u8) -> u32 {
        let is_full = self.awaited & (awaited::MARKED | awaited::MOVED) != 0;
        let is_lost = is_full || self.awaited != 0 || kind == crate::event::gc_kind::MINOR_MARK;
        let mut lost = 0;
        if is_lost {
            lost = self.young;
            self.young = 0;
        }
        if is_full {
            lost += self.old;
            self.old = 0;
            self.version = (self.version | 1) + 1;
        }
        self.awaited = 0;
        lost
    }

    /// Begins the look that is taken once a full collection is over.
    #[inline(always)]
    pub fn settle(&mut self) {
        self.collections += 1;
        self.begin(pass::SETTLED);
    }

    #[inline(always)]
    fn begin(&mut self, pass: u32) {
        self.pass = pass;
        self.in_old = 0;
        self.at = 0;
        self.kept = 0;
        if pass == pass::MARKED {
            self.thins = u32::from(self.old > MANY_OLD);
            self.halvings += self.thins;
        }
        if self.is_of_all() {
            self.version += 1;
        }
    }

    #[inline(always)]
    const fn is_of_all(&self) -> bool {
        matches!(self.pass, pass::MARKED | pass::MOVED)
    }

    /// The list and the place of the next object; `None` if the look is over.
    #[inline(always)]
    pub fn to_look_at(&mut self) -> Option<(List, u32)> {
        if self.pass == pass::NONE {
            return None;
        }
        if self.in_old == 0 {
            if self.at < self.young {
                return Some((List::Young, self.take()));
            }
            self.young = self.kept;
            if !self.is_of_all() {
                self.pass = pass::NONE;
                return None;
            }
            self.in_old = 1;
            self.at = 0;
            self.kept = 0;
        }
        if self.at < self.old {
            return Some((List::Old, self.take()));
        }
        self.old = self.kept;
        self.version += 1;
        self.pass = pass::NONE;
        None
    }

    #[inline(always)]
    fn take(&mut self) -> u32 {
        let at = self.at;
        self.at += 1;
        at
    }

    /// The object that was looked at is kept in its list: at this place.
    #[inline(always)]
    pub fn keep(&mut self) -> u32 {
        let at = self.kept;
        self.kept += 1;
        at
    }

    /// What an object that stood for `bytes` stands for from now on; `None` if it goes although it is alive. `random`: any number.
    #[inline(always)]
    #[must_use]
    pub fn thinned(&self, bytes: u64, random: u32) -> Option<u64> {
        match self.pass == pass::MARKED && self.thins != 0 {
            false => Some(bytes),
            true if random & 1 == 0 => Some(bytes << 1),
            true => None,
        }
    }

    /// For how many times its bytes a new object stands; `None` if it is not taken. `random`: any number.
    #[inline(always)]
    #[must_use]
    pub fn takes(&self, random: u32) -> Option<u32> {
        let halvings = self.halvings & 31;
        if random & ((1 << halvings) - 1) == 0 { Some(halvings) } else { None }
    }

    /// The place of one more object in a list; `None` if that is full.
    #[inline(always)]
    #[must_use]
    pub fn room(&self, list: List) -> Option<u32> {
        let (length, most) = match list {
            List::Young => (self.young, MAX_YOUNG),
            List::Old => (self.old, MAX_OLD),
        };
        if length < most { Some(length) } else { None }
    }

    /// It is there.
    #[inline(always)]
    pub fn added(&mut self, list: List) {
        match list {
            List::Young => self.young += 1,
            List::Old => self.old += 1,
        }
    }
}

#[cfg(test)]
mod tests;
