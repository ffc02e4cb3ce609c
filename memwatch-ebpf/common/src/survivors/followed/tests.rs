//! Lists of objects, through whole collections.

extern crate std;

use std::{collections::BTreeMap, vec::Vec};

use super::{
    super::{
        pages::{MARKING, PAGE, PageLayout, page},
        slot::{Fate, Slot, slot_flag},
    },
    *,
};
use crate::event::gc_kind;

const HEAP: u64 = 0x7000;
/// Pages of the young and of the old generation.
const FROM: u64 = 4 * PAGE;
const TO: u64 = 5 * PAGE;
const OLD: u64 = 6 * PAGE;
const PAGES: PageLayout = PageLayout { flags: 8, marks: 0x128, marks_are_outside: 0, made_in_area: 1 };
const MAP: u64 = OLD + 0x1001;

/// What lies in memory, by address; pages of the young generation have flags.
struct Memory(BTreeMap<u64, u64>);

impl Memory {
    fn new() -> Self {
        Self(BTreeMap::from([(FROM + 8, 0x8), (TO + 8, 0x10), (OLD + 8, 0)]))
    }

    fn with(mut self, address: u64, word: u64) -> Self {
        self.0.insert(address, word);
        self
    }

    fn read(&self, address: u64) -> Option<u64> {
        self.0.get(&address).copied()
    }

    /// What the kernel side does in a look, with lists in place of its map.
    fn look(&self, followed: &mut Followed, young: &mut Vec<Slot>, old: &mut Vec<Slot>) {
        let read = |address| self.read(address);
        while let Some((list, index)) = followed.to_look_at() {
            let at = index as usize;
            let mut slot = if list == List::Young { young[at] } else { old[at] };
            match slot.look(followed, &PAGES, read) {
                Fate::Alive => {
                    let Some(bytes) = followed.thinned(slot.bytes, index) else { continue };
                    let list = if list == List::Young { &mut *young } else { &mut *old };
                    list[followed.keep() as usize] = Slot { bytes, ..slot };
                }
                Fate::Promoted => {
                    let at = followed.room(List::Old).unwrap() as usize;
                    old.truncate(at);
                    old.push(slot);
                    followed.added(List::Old);
                }
                Fate::Dead | Fate::Unknown => {}
            }
        }
        young.truncate(followed.young as usize);
        old.truncate(followed.old as usize);
    }
}

fn slot(address: u64, born_ns: u64) -> Slot {
    Slot { address, stack: 7, bytes: 100, born_ns, ..Slot::default() }
}

fn length(list: &[Slot]) -> u32 {
    u32::try_from(list.len()).unwrap()
}

fn followed(young: &[Slot], old: &[Slot]) -> Followed {
    let (young, old) = (length(young), length(old));
    Followed { young, old, ..Followed::default() }
}

#[test]
fn a_scavenge_copies_promotes_or_forgets() {
    let memory = Memory::new()
        .with(FROM + 0x100, TO + 0x200)
        .with(FROM + 0x300, MAP)
        .with(FROM + 0x500, OLD + 0x2000)
        .with(FROM + 0x700, 0);
    let made = [0x100, 0x300, 0x500, 0x700, 0x900].map(|at| slot(FROM + at, 1));
    let (mut young, mut old) = (made.to_vec(), Vec::new());
    let mut followed = followed(&young, &old);
    followed.scavenge(HEAP);
    assert!(followed.begin_awaited(pass::SCAVENGED, awaited::SCAVENGED));
    memory.look(&mut followed, &mut young, &mut old);
    assert_eq!((young, old), ([slot(TO + 0x200, 1)].to_vec(), [slot(OLD + 0x2000, 1)].to_vec()));
    // The second of two probes in one scavenge would take copies for dead.
    assert!(!followed.begin_awaited(pass::SCAVENGED, awaited::SCAVENGED));
    assert_eq!(followed.end(gc_kind::SCAVENGE), 0);
}

#[test]
fn a_large_object_is_alive_if_it_leads_to_itself_or_is_old() {
    let large = Slot { flags: slot_flag::LARGE, ..slot(FROM + 0x40, 1) };
    for (memory, lives) in [
        (Memory::new().with(FROM + 0x40, FROM + 0x40), true),
        (Memory::new().with(FROM + 0x40, MAP), false),
        (Memory::new().with(FROM + 8, 0).with(FROM + 0x40, MAP), true),
    ] {
        let (mut young, mut old) = ([large].to_vec(), Vec::new());
        let mut followed = followed(&young, &old);
        followed.scavenge(HEAP);
        followed.begin_awaited(pass::SCAVENGED, awaited::SCAVENGED);
        memory.look(&mut followed, &mut young, &mut old);
        assert_eq!((young.len(), old.len()), (0, usize::from(lives)));
    }
}

/// A full collection whose marking began at `marking_ns`, of objects that are all marked.
fn full(followed: &mut Followed, lists: [&mut Vec<Slot>; 2], marking_ns: u64) {
    let [young, old] = lists;
    let mut memory = Memory::new();
    for slot in young.iter().chain(&*old) {
        let bit = (slot.address & (PAGE - 1)) >> 3;
        let cell = page(slot.address) + 0x128 + ((bit >> 6) << 3);
        let word = memory.read(cell).unwrap_or(0) | 1 << (bit & 63);
        memory = memory.with(cell, word).with(slot.address, MAP);
    }
    followed.full_collection(HEAP, marking_ns, 50);
    followed.begin_awaited(pass::MARKED, awaited::MARKED);
    memory.look(followed, young, old);
    followed.begin_awaited(pass::MOVED, awaited::MOVED);
    memory.look(followed, young, old);
    assert_eq!(followed.end(gc_kind::MARK_COMPACT), 0);
    followed.settle();
    memory.look(followed, young, old);
}

#[test]
fn what_was_there_when_marking_began_is_proven_to_live() {
    let doubtful = Slot { flags: slot_flag::BORN_MARKED, ..slot(OLD + 0x3000, 10) };
    for (marking_ns, proofs) in [(0, [1, 1, 0]), (20, [1, 0, 1]), (5, [0, 0, 0])] {
        let (mut young, mut old) = (Vec::new(), [slot(OLD + 0x2000, 10), slot(OLD + 0x2800, 30)].to_vec());
        old.push(doubtful);
        let mut followed = followed(&young, &old);
        full(&mut followed, [&mut young, &mut old], marking_ns);
        assert_eq!(old.iter().map(|slot| slot.proofs).collect::<Vec<_>>(), proofs, "{marking_ns}");
        assert!(followed.version.is_multiple_of(2) && followed.version > 0 && followed.collections == 1);
    }
}

#[test]
fn what_is_not_marked_is_dead_and_what_moved_is_found() {
    let marks = OLD + 0x128 + ((0x2000 >> 9) << 3);
    let memory = Memory::new().with(marks, 1).with(OLD + 0x2000, TO + 0x80).with(OLD + 0x2008, MAP);
    let (mut young, mut old) = (Vec::new(), [slot(OLD + 0x2008, 1), slot(OLD + 0x2000, 1)].to_vec());
    let mut followed = followed(&young, &old);
    followed.full_collection(HEAP, 0, 50);
    followed.begin_awaited(pass::MARKED, awaited::MARKED);
    memory.look(&mut followed, &mut young, &mut old);
    followed.begin_awaited(pass::MOVED, awaited::MOVED);
    memory.look(&mut followed, &mut young, &mut old);
    assert_eq!(old, [Slot { proofs: 1, ..slot(TO + 0x80, 1) }]);
}

#[test]
fn a_collection_that_was_not_looked_at_leaves_nothing_to_be_guessed() {
    let (young, old) = ([slot(FROM, 1)].to_vec(), [slot(OLD, 1)].to_vec());
    let mut scavenged = followed(&young, &old);
    scavenged.scavenge(HEAP);
    assert_eq!((scavenged.end(gc_kind::SCAVENGE), scavenged.young, scavenged.old), (1, 0, 1));
    let mut collected = followed(&young, &old);
    collected.full_collection(HEAP, 0, 9);
    collected.begin_awaited(pass::MARKED, awaited::MARKED);
    assert_eq!((collected.end(gc_kind::MARK_COMPACT), collected.young, collected.old), (2, 0, 0));
    assert!(collected.version.is_multiple_of(2));
    let mut marked = followed(&young, &old);
    assert_eq!((marked.end(gc_kind::MINOR_MARK), marked.young, marked.old), (1, 0, 1));
    let mut other = followed(&young, &old);
    other.scavenge(HEAP);
    other.begin_awaited(pass::SCAVENGED, awaited::SCAVENGED);
    other.end(gc_kind::SCAVENGE);
    other.scavenge(HEAP + 8);
    assert_eq!((other.young, other.old), (0, 0));
}

#[test]
fn with_many_every_second_goes_and_the_others_stand_for_it() {
    let many = MANY_OLD + 2;
    let (mut young, mut old) = (Vec::new(), Vec::new());
    for at in 0..u64::from(many) {
        old.push(slot(OLD + 0x2000 + 8 * at, 10));
    }
    let mut followed = followed(&young, &old);
    full(&mut followed, [&mut young, &mut old], 0);
    let stands_for: u64 = old.iter().map(|slot| slot.bytes).sum();
    assert_eq!((length(&old), stands_for), (many / 2, u64::from(many) * 100));
    assert_eq!((0..8).filter_map(|random| followed.takes(random)).collect::<Vec<_>>(), [1; 4]);
    full(&mut followed, [&mut young, &mut old], 0);
    assert_eq!(length(&old), many / 2);
}

#[test]
fn a_new_object_is_in_the_list_of_its_page() {
    let memory = Memory::new().with(OLD + 8, MARKING);
    let read = |address| memory.read(address);
    assert_eq!(Slot::new(slot(TO + 0x40, 1), &PAGES, read), Some((slot(TO + 0x40, 1), List::Young)));
    let born = Slot::new(slot(OLD + 0x40, 1), &PAGES, read);
    assert_eq!(born, Some((Slot { flags: slot_flag::BORN_MARKED, ..slot(OLD + 0x40, 1) }, List::Old)));
    assert_eq!(Slot::new(slot(0x40, 1), &PAGES, read), None);
    let full = Followed { old: MAX_OLD, ..Followed::default() };
    assert_eq!((full.room(List::Old), full.room(List::Young)), (None, Some(0)));
}
