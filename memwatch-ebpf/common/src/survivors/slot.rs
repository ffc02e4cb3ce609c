//! One object that is followed, and what becomes of it in a collection.

use super::{
    List,
    followed::{Followed, pass},
    pages::{MARKING, PageLayout, YOUNG},
};

/// V8's tag of pointers to heap objects: the first word of an object is a map, which has it, or where it has moved.
const TAG: u64 = 1;
/// Smaller numbers are no addresses: a first word that was overwritten.
const LOWEST: u64 = 1 << 16;

/// An object that is followed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its address, without tag.
    pub address: u64,
    /// The stack of JavaScript that made it: [`crate::stack::StackKey::hash`].
    pub stack: u64,
    /// Bytes that it stands for.
    pub bytes: u64,
    /// Its own bytes, with those of its neighbours that V8 allocates at once.
    pub size: u64,
    /// When it was made, `CLOCK_MONOTONIC`, nanoseconds.
    pub born_ns: u64,
    /// Full collections that it has survived whose marking began when it was there.
    pub proofs: u32,
    /// A set of [`slot_flag`]s.
    pub flags: u32,
}
const _: () = assert!(size_of::<Slot>() == 48);

/// Bits of [`Slot::flags`].
pub mod slot_flag {
    /// It has a page of its own.
    pub const LARGE: u32 = 1 << 0;
    /// It was made while V8 marked, and so is marked whatever becomes of it.
    pub const BORN_MARKED: u32 = 1 << 1;
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is dead.
    Dead,
    /// It is alive.
    Alive,
    /// It is alive, and on a page of the old generation by now.
    Promoted,
    /// That could not be read.
    Unknown,
}

impl Slot {
    /// A new object, and the list that it belongs to; `None` if its page cannot be read.
    #[inline(always)]
    pub fn new(object: Self, pages: &PageLayout, read: impl Fn(u64) -> Option<u64>) -> Option<(Self, List)> {
        let flags = pages.flags_of(object.address, read)?;
        let born = if flags & MARKING == 0 { 0 } else { slot_flag::BORN_MARKED };
        let list = if flags & YOUNG == 0 { List::Old } else { List::Young };
        Some((Self { flags: object.flags | born, ..object }, list))
    }

    /// What became of it in the look that `followed` takes.
    #[inline(always)]
    pub fn look(
        &mut self,
        followed: &Followed,
        pages: &PageLayout,
        read: impl Fn(u64) -> Option<u64> + Copy,
    ) -> Fate {
        let fate = match followed.pass {
            pass::SCAVENGED => self.scavenged(pages, read),
            pass::MARKED => self.marked(followed, pages, read),
            pass::MOVED => self.moved(read),
            _ => self.settled(pages, read),
        };
        fate.unwrap_or(Fate::Unknown)
    }

    #[inline(always)]
    fn scavenged(&mut self, pages: &PageLayout, read: impl Fn(u64) -> Option<u64> + Copy) -> Option<Fate> {
        // A large object stays where it is. One that is kept leads to itself, or has lost the flag already.
        if self.flags & slot_flag::LARGE != 0 && pages.flags_of(self.address, read)? & YOUNG == 0 {
            return Some(Fate::Promoted);
        }
        let word = read(self.address)?;
        if word & TAG != 0 {
            return Some(Fate::Dead);
        }
        if word < LOWEST {
            return None;
        }
        self.address = word;
        let is_young = pages.flags_of(word, read)? & YOUNG != 0 && self.flags & slot_flag::LARGE == 0;
        Some(if is_young { Fate::Alive } else { Fate::Promoted })
    }

    #[inline(always)]
    fn marked(
        &mut self,
        followed: &Followed,
        pages: &PageLayout,
        read: impl Fn(u64) -> Option<u64> + Copy,
    ) -> Option<Fate> {
        if !pages.is_marked(self.address, read)? {
            return Some(Fate::Dead);
        }
        if followed.proves(self.born_ns, self.flags & slot_flag::BORN_MARKED != 0) {
            self.proofs += 1;
        }
        self.flags &= !slot_flag::BORN_MARKED;
        Some(Fate::Alive)
    }

    #[inline(always)]
    fn moved(&mut self, read: impl Fn(u64) -> Option<u64>) -> Option<Fate> {
        let word = read(self.address)?;
        if word & TAG == 0 {
            if word < LOWEST {
                return None;
            }
            self.address = word;
        }
        Some(Fate::Alive)
    }

    #[inline(always)]
    fn settled(&self, pages: &PageLayout, read: impl Fn(u64) -> Option<u64>) -> Option<Fate> {
        let is_young = pages.flags_of(self.address, read)? & YOUNG != 0;
        Some(if is_young { Fate::Alive } else { Fate::Promoted })
    }
}
