//! What is alive of what the isolates of one process made: objects that the kernel side follows, by the stack that made them. That
//! they are alive is known of those that have outlived a full collection, and of those that a take of the heap has reached: of the
//! two the latest counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use memwatch_common::{
    stack::{StackKey, StackVolume},
    survivors::Slot,
};

use crate::{attribute::Alive, bpf::survivors::SurvivorMaps, model::Stack};

/// So many objects that are proven to be alive say where memory comes from: the share of a place that makes half of them is known
/// within 31 of a hundred then.
const ENOUGH: u64 = 10;

/// Of one process, by thread.
#[derive(Default)]
pub(super) struct Survivors(BTreeMap<u64, OfIsolate>);

/// Of one isolate, as of its last full collection or take.
#[derive(Default)]
pub(super) struct OfIsolate {
    collections: u64,
    /// Where each object was when a take began, and when it was made: what is elsewhere when the take is had was not looked for there.
    asked: HashMap<u64, u64>,
    /// What is proven to be alive, by hash of the stack that made it.
    made: HashMap<u64, Made>,
    /// Stacks that made something which may be alive and that are not known otherwise any more, by hash.
    names: HashMap<u64, Stack>,
    /// Hashes of all stacks that did.
    hashes: HashSet<u64>,
}

/// What a stack made that is alive.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Made {
    volume: StackVolume,
    objects: u64,
}

impl Survivors {
    /// Reads anew what is alive of what the thread's isolate made, if it has made a full collection since.
    pub(super) fn update(&mut self, thread: u64, maps: &SurvivorMaps) {
        let isolate = self.0.entry(thread).or_default();
        if maps.collections(thread) != isolate.collections
            && let Some(old) = maps.old(thread)
        {
            isolate.update(old.collections, &old.slots, |slot| slot.proofs > 0);
        }
    }

    /// Addresses of all objects that threads' isolates have made and that may be alive: a take is about to tell of which it is true.
    pub(super) fn ask(&mut self, threads: impl Iterator<Item = u64>, maps: &SurvivorMaps) -> HashSet<u64> {
        let mut addresses = HashSet::new();
        for thread in threads {
            let slots = maps.old(thread).map(|old| old.slots).unwrap_or_default();
            addresses.extend(slots.iter().map(|slot| slot.address));
            self.0.entry(thread).or_default().asked =
                slots.iter().map(|slot| (slot.address, slot.born_ns)).collect();
        }
        addresses
    }

    /// The take has reached these.
    pub(super) fn reached(&mut self, alive: &HashSet<u64>, maps: &SurvivorMaps) {
        for (thread, isolate) in &mut self.0 {
            if let Some(old) = maps.old(*thread).filter(|_| !isolate.asked.is_empty()) {
                isolate.reached(alive, old.collections, &old.slots);
            }
        }
    }

    /// What is alive of what the thread's isolate made, if enough of it is proven to be.
    pub(super) fn enough(&self, thread: u64) -> Option<&OfIsolate> {
        let isolate = self.0.get(&thread)?;
        let samples: u64 = isolate.made.values().map(|made| made.volume.samples).sum();
        (samples >= ENOUGH).then_some(isolate)
    }

    /// What is alive of what the stack of that key made.
    pub(super) fn at(&self, key: StackKey) -> Alive {
        let made = self.0.get(&key.thread).and_then(|isolate| isolate.made.get(&key.hash));
        made.map_or(Alive::default(), |made| Alive { bytes: made.volume.bytes, objects: made.objects })
    }

    /// The stack of that key is about to be forgotten.
    pub(super) fn keep_name(&mut self, key: StackKey, stack: &Stack) {
        let isolate = self.0.get_mut(&key.thread).filter(|isolate| isolate.hashes.contains(&key.hash));
        if let Some(isolate) = isolate {
            isolate.names.insert(key.hash, stack.clone());
        }
    }

    /// The thread's isolate is gone.
    pub(super) fn forget(&mut self, thread: u64) {
        self.0.remove(&thread);
    }
}

impl OfIsolate {
    fn update(&mut self, collections: u64, slots: &[Slot], is_alive: impl Fn(&Slot) -> bool) {
        self.collections = collections;
        self.hashes = slots.iter().map(|slot| slot.stack).collect();
        self.names.retain(|hash, _| self.hashes.contains(hash));
        self.made.clear();
        for slot in slots.iter().filter(|slot| is_alive(slot)) {
            self.made.entry(slot.stack).or_default().add(slot);
        }
    }

    /// A take has reached what is at these addresses. `slots` are those of now: where one was when the take began, it was meant.
    fn reached(&mut self, alive: &HashSet<u64>, collections: u64, slots: &[Slot]) {
        let asked = std::mem::take(&mut self.asked);
        let was_there = |slot: &Slot| asked.get(&slot.address) == Some(&slot.born_ns);
        self.update(collections, slots, |slot| was_there(slot) && alive.contains(&slot.address));
    }

    /// Bytes and samples by hash of the stack that made them.
    pub(super) fn volumes(&self) -> impl Iterator<Item = (u64, StackVolume)> {
        self.made.iter().map(|(hash, made)| (*hash, made.volume))
    }

    /// The stack of that hash, if it was kept when it was forgotten otherwise.
    pub(super) fn name(&self, hash: u64) -> Option<&Stack> {
        self.names.get(&hash)
    }
}

impl Made {
    fn add(&mut self, slot: &Slot) {
        self.volume.bytes += slot.bytes;
        self.volume.samples += 1;
        // It stands for so many bytes, and so for that many objects of its size.
        self.objects += slot.bytes / slot.size.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackEnd;

    /// As after a full collection.
    fn update(survivors: &mut Survivors, collections: u64, slots: &[Slot]) {
        survivors.0.entry(THREAD).or_default().update(collections, slots, |slot| slot.proofs > 0);
    }

    const THREAD: u64 = 7 << 32 | 7;

    fn slot(stack: u64, proofs: u32) -> Slot {
        Slot { stack, proofs, bytes: 1000, size: 50, ..Slot::default() }
    }

    #[test]
    fn only_what_is_proven_counts_and_little_of_it_says_nothing() {
        let mut survivors = Survivors::default();
        update(&mut survivors, 1, &[slot(1, 1), slot(1, 2), slot(2, 0)]);
        assert_eq!(survivors.at(StackKey { thread: THREAD, hash: 1 }), Alive { bytes: 2000, objects: 40 });
        assert_eq!(survivors.at(StackKey { thread: THREAD, hash: 2 }), Alive::default());
        assert!(survivors.enough(THREAD).is_none());
        update(&mut survivors, 2, &vec![slot(3, 1); 10]);
        let volumes: Vec<_> = survivors.enough(THREAD).unwrap().volumes().collect();
        assert_eq!(volumes, [(3, StackVolume { bytes: 10_000, samples: 10 })]);
    }

    #[test]
    fn a_take_tells_what_is_alive_before_v8_does() {
        let slots = |moved: u64| {
            [0x10, 0x20, 0x30 + moved].map(|address| Slot { address, born_ns: address, ..slot(1, 0) })
        };
        let asked = slots(0).iter().map(|slot| (slot.address, slot.born_ns)).collect();
        let mut isolate = OfIsolate { asked, ..OfIsolate::default() };
        // One is not reachable, and one was moved meanwhile.
        let alive = HashSet::from([0x10, 0x30]);
        isolate.reached(&alive, 1, &slots(8));
        let volumes: Vec<_> = isolate.volumes().collect();
        assert_eq!(volumes, [(1, StackVolume { bytes: 1000, samples: 1 })]);
        assert!(isolate.asked.is_empty());
    }

    #[test]
    fn names_stay_for_as_long_as_something_is_alive() {
        let (mut survivors, stack) =
            (Survivors::default(), Stack { frames: Vec::new(), end: StackEnd::Outside });
        update(&mut survivors, 1, &[slot(1, 0)]);
        survivors.keep_name(StackKey { thread: THREAD, hash: 1 }, &stack);
        survivors.keep_name(StackKey { thread: THREAD, hash: 2 }, &stack);
        let isolate = &survivors.0[&THREAD];
        assert!(isolate.name(1).is_some() && isolate.name(2).is_none());
        update(&mut survivors, 2, &[slot(2, 1)]);
        assert!(survivors.0[&THREAD].name(1).is_none());
    }
}
