//! Looks at each sampled block from outside, again and again at growing ages, instead of tracing `free`: half the traps,
//! and nothing to match.

use std::collections::{BTreeMap, HashMap};

use memwatch_common::native::BlockSample;

use super::{
    chunk::{self, Bytes, Look},
    memory::Memory,
    sites::{AGES, Seen, Sites},
};
use crate::{model::Mono, plan::malloc::Marks};

/// Blocks of one site that wait for one age; further ones are not looked at any more. A share of 0.5 is known to ±0.12.
const MOST_WAITING: u32 = 64;
/// Blocks that are looked at altogether: about 10 MB of ours.
const MOST_BLOCKS: usize = 50_000;

/// Sampled blocks that are looked at.
pub(super) struct Verify {
    marks: Marks,
    /// By when the next look is due.
    due: BTreeMap<(Mono, u64), Block>,
    /// Which of them is at an address.
    at: HashMap<u64, (Mono, u64)>,
    /// How many of one site and kind of window wait for one age.
    waiting: HashMap<(usize, Seen, usize), u32>,
    serial: u64,
}

struct Block {
    address: u64,
    size: u64,
    site: usize,
    seen: Seen,
    taken: Mono,
    /// Which age is next.
    age: usize,
    first: Option<Bytes>,
    state: Look,
}

impl Verify {
    /// Of an allocator that leaves such marks.
    pub(super) fn of(marks: Marks) -> Self {
        let (due, at, waiting) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Self { marks, due, at, waiting, serial: 0 }
    }

    /// Takes in a block that was handed out at `site`. Whatever was at its address before has been freed. `reused`: it has
    /// been handed out again meanwhile.
    pub(super) fn add(&mut self, sample: &BlockSample, site: usize, seen: Seen, reused: bool) {
        if let Some(before) = self.at.remove(&sample.address).and_then(|key| self.due.get_mut(&key)) {
            before.state = Look::Freed;
        }
        let block = Block {
            address: sample.address,
            size: sample.size,
            site,
            seen,
            taken: Mono(sample.time_ns),
            age: 0,
            first: None,
            state: if reused { Look::Freed } else { Look::Unchanged },
        };
        self.wait(block);
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Mono> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Looks at every block whose time has come.
    pub(super) fn look(&mut self, now: Mono, memory: &mut Memory, sites: &mut Sites) {
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        memory.look();
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let mut block = entry.remove();
            self.forget(&block);
            block.look(self.marks, memory);
            if let Some(found) = sites.found(block.site, block.seen, block.age) {
                *match block.state {
                    Look::Unchanged => &mut found.live,
                    Look::Changed => &mut found.changed,
                    Look::Freed => &mut found.freed,
                } += 1;
            }
            block.age += 1;
            self.wait(block);
        }
    }

    /// Puts a block where its next look is due, unless enough of its site wait for that.
    fn wait(&mut self, block: Block) {
        let Some(age) = AGES.get(block.age) else { return };
        let waiting = self.waiting.entry((block.site, block.seen, block.age)).or_default();
        if *waiting >= MOST_WAITING || self.due.len() >= MOST_BLOCKS {
            return;
        }
        *waiting += 1;
        self.serial += 1;
        let due = Mono(block.taken.0.saturating_add(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)));
        if block.state != Look::Freed {
            self.at.insert(block.address, (due, self.serial));
        }
        self.due.insert((due, self.serial), block);
    }

    fn forget(&mut self, block: &Block) {
        if let Some(waiting) = self.waiting.get_mut(&(block.site, block.seen, block.age)) {
            *waiting = waiting.saturating_sub(1);
        }
        if block.state != Look::Freed {
            self.at.remove(&block.address);
        }
    }
}

impl Block {
    /// A block that was freed stays so; that what is there now looks alive is no matter.
    fn look(&mut self, marks: Marks, memory: &Memory) {
        if self.state == Look::Freed {
            return;
        }
        let now = match chunk::read(marks, memory, self.address, self.size) {
            Ok(now) => now,
            Err(look) => {
                self.state = look;
                return;
            }
        };
        let look = chunk::compare(&now, self.first.as_ref());
        // Right after it was handed out it is still being written to.
        if self.age > 0 {
            self.first.get_or_insert(now);
        }
        // What was changed once and is as it was by now was changed all the same.
        if look != Look::Unchanged {
            self.state = look;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sites::{Call, Found};
    use super::*;
    use memwatch_common::{
        native::{STACK_BYTES, StackCopy},
        stack::StackKey,
    };

    fn sample(address: u64, size: u64) -> BlockSample {
        BlockSample {
            time_ns: 0,
            address,
            size,
            call_site: 1,
            window: 1,
            stands_for: 1,
            copy: StackCopy {
                ip: 0,
                sp: 0,
                bp: 0,
                caller: StackKey::default(),
                exit_fp: 0,
                stack_len: 0,
                stack: [0; STACK_BYTES],
            },
        }
    }

    /// As chunks of glibc's look, in our own memory: size word, block, the neighbour's size word.
    fn chunk(words: &mut [u64; 16]) -> u64 {
        words[0] = 0x71;
        words[13 + 1] = 0x31;
        std::ptr::from_ref(&words[1]) as u64
    }

    fn site(sites: &mut Sites, key: u64) -> usize {
        sites
            .sample(Call { call_site: key, frames: &[key], key: &[key], callers: &[] }, Seen::All, 1.0)
            .unwrap()
    }

    #[test]
    fn a_block_that_is_freed_counts_as_freed_from_then_on() {
        let mut memory = Memory::open(std::process::id()).unwrap();
        let (mut stays, mut goes) = (Box::new([7_u64; 16]), Box::new([7_u64; 16]));
        let mut sites = Sites::default();
        let site = site(&mut sites, 1);
        let mut verify = Verify::of(Marks::Glibc);
        verify.add(&sample(chunk(&mut stays), 0x68), site, Seen::All, false);
        verify.add(&sample(chunk(&mut goes), 0x68), site, Seen::All, false);
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        verify.look(at(0), &mut memory, &mut sites);
        verify.look(at(1), &mut memory, &mut sites);
        verify.look(at(3), &mut memory, &mut sites);
        goes[0] = 0x31;
        verify.look(at(7), &mut memory, &mut sites);
        goes[0] = 0x71;
        verify.look(at(13), &mut memory, &mut sites);
        let both = Found { live: 2, freed: 0, changed: 0 };
        let one = Found { live: 1, freed: 1, changed: 0 };
        let found: Vec<Found> = (0..5).map(|age| *sites.found(site, Seen::All, age).unwrap()).collect();
        assert_eq!(found, [both, both, both, one, one]);
        assert_eq!(verify.next(), Some(at(24)));
    }

    #[test]
    fn an_address_that_is_handed_out_again_was_freed() {
        let mut memory = Memory::open(std::process::id()).unwrap();
        let mut words = Box::new([7_u64; 16]);
        let address = chunk(&mut words);
        let mut sites = Sites::default();
        let numbers = [site(&mut sites, 1), site(&mut sites, 2), site(&mut sites, 3)];
        let mut verify = Verify::of(Marks::Glibc);
        verify.add(&sample(address, 0x68), numbers[0], Seen::All, false);
        verify.add(&sample(address, 0x68), numbers[1], Seen::All, true);
        verify.add(&sample(address, 0x68), numbers[2], Seen::All, false);
        verify.look(Mono(0), &mut memory, &mut sites);
        let live = numbers.map(|number| sites.found(number, Seen::All, 0).unwrap().live);
        assert_eq!(live, [0, 0, 1]);
    }

    #[test]
    fn a_site_with_many_blocks_does_not_crowd_out_the_others() {
        let mut verify = Verify::of(Marks::Glibc);
        for number in 0..1000 {
            verify.add(&sample(0x1000 + number * 16, 8), 0, Seen::All, false);
        }
        verify.add(&sample(0x10, 8), 1, Seen::All, false);
        assert_eq!(verify.due.len(), MOST_WAITING as usize + 1);
    }
}
