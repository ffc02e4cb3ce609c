//! The direct mappings of one process: whose each is, and who holds memory by them.

use std::{borrow::Cow, collections::HashMap, ops::Range, time::Duration};

use memwatch_common::{loss::LossReason, mapping::MappingChange, native::StackCopy, stack::StackEvent};

use super::{
    super::{
        Holder, Javascript,
        callers::Callers,
        error::NativeError,
        memory,
        sites::{Call, Key},
        symbols::{Frame, Names},
        unwind::Stacks,
    },
    charge::Charge,
    course::Course,
    ledger::Ledger,
};
use crate::{
    host::clock,
    model::{self, Mono},
    plan::malloc,
    sample::pace::Pace,
    target::{Allocator, libc, maps::Mapping, pagemap::Pagemap},
    vocabulary::TakenBy,
};

/// Sites that are told apart; mappings of further ones are counted as lost.
const MOST_SITES: usize = 4096;
/// Sites that are told.
const MOST_HOLDERS: usize = 10;
/// Addresses that are looked at page by page, which takes 2 ms for a gigabyte whether or not there is memory behind it. Where more
/// is accessible (it may be reserved, and hardly touched), the kernel is asked for what is in each mapping.
const MOST_BY_PAGE: u64 = 16 << 30;
/// Nothing younger is held against a site, as with blocks of malloc.
const YOUNGEST: Duration = Duration::from_secs(6);
/// What maps memory for others, beside the allocators: the dynamic loader. Until glibc 2.33 its file had the version in its
/// name, and the other name was a link to it.
const LOADER: [&[u8]; 2] = [b"ld-linux", b"ld-2."];

/// What a process has mapped itself.
pub(super) struct Process {
    pid: u32,
    /// Files that map for others, fit to be shown: those that hold V8 and `malloc`, whatever they are called.
    hosts: Vec<String>,
    stacks: Stacks<'static>,
    names: Names,
    callers: Callers,
    sites: Vec<Site>,
    index: HashMap<Key, usize>,
    ledger: Ledger,
    pagemap: Pagemap,
    pace: Pace,
    /// Mappings of sites beyond the limit.
    left_out: u64,
    /// Changes that were not seen, as far as is known.
    lost: u64,
    /// Since it is followed.
    changes: u64,
    charge: Charge,
}

/// One place that memory is mapped by.
struct Site {
    frames: Vec<u64>,
    callers: Vec<model::Frame>,
    course: Course,
}

/// What a site holds.
#[derive(Clone, Copy, Default)]
struct Held {
    bytes: u64,
    mappings: u64,
}

/// An interval of addresses that a process has mapped itself, and by which function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Its addresses.
    pub range: Range<u64>,
    /// Who asked for it.
    pub by: Option<Frame>,
}

impl Process {
    /// Of the process `pid`, as of [`super::Direct::follow`].
    pub(super) fn open(
        pid: u32,
        hosts: Vec<String>,
        javascript: Option<&Javascript>,
        bare: HashMap<u64, malloc::Frame>,
    ) -> Result<Self, NativeError> {
        let pagemap = Pagemap::open(pid).map_err(NativeError::Memory)?;
        Ok(Self {
            pid,
            hosts,
            stacks: Stacks::over(pid, Cow::Owned(bare)),
            names: Names::of(pid),
            callers: Callers::of_process(pid, javascript)?,
            sites: Vec::new(),
            index: HashMap::new(),
            ledger: Ledger::new(pagemap.page()),
            pagemap,
            pace: Pace::often(),
            left_out: 0,
            lost: 0,
            changes: 0,
            charge: Charge::new(clock::now()),
        })
    }

    /// Takes in a stack of JavaScript that is new.
    pub(super) fn stack(&mut self, event: &StackEvent) {
        self.callers.take(event);
    }

    /// Its callers in JavaScript.
    pub(super) fn callers(&mut self) -> &mut Callers {
        &mut self.callers
    }

    /// Takes in a change, with the stack that asked if it gave the process something.
    pub(super) fn change(&mut self, change: &MappingChange, copy: Option<&StackCopy>) {
        self.changes += 1;
        let site = copy.and_then(|copy| self.site(copy));
        self.ledger.apply(change, site);
    }

    /// If following it costs more than it may: changes a second. As of [`Charge::reading`].
    pub(super) fn charged(&mut self, now: Mono, change_s: f64, budget: f64) -> Option<f64> {
        self.charge.reading(now, self.changes, change_s, budget)
    }

    /// Changes since it is followed.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// What the collector lost of it: mappings that are not kept as there are too many, and what became of its stacks.
    pub(super) fn losses(&mut self) -> Vec<(LossReason, u64)> {
        let left_out = (LossReason::MappingsFull, self.ledger.left_out + self.left_out);
        self.callers.losses().into_iter().chain([left_out]).collect()
    }

    /// Whether more changes were lost than when this was asked last: `lost` so far.
    pub(super) fn has_lost_more(&mut self, lost: u64) -> bool {
        std::mem::replace(&mut self.lost, lost) < lost
    }

    /// Changes were not seen: what is no longer mapped is forgotten.
    pub(super) fn reconcile(&mut self) {
        self.ledger.keep(&memory::private_ranges(self.pid));
    }

    /// The site of whoever called the kernel; `None` if that is not to be told.
    fn site(&mut self, copy: &StackCopy) -> Option<usize> {
        let walked = self.stacks.unwind(copy);
        let frames = self.direct(&walked)?;
        let call = Call {
            call_site: *frames.first()?,
            frames,
            key: self.stacks.key(frames),
            callers: self.callers.by(copy.caller),
        };
        let key = call.site_key();
        if let Some(site) = self.index.get(&key) {
            return Some(*site);
        }
        if self.sites.len() >= MOST_SITES {
            self.left_out += 1;
            return None;
        }
        let (frames, callers) = (frames.to_vec(), call.callers.to_vec());
        self.sites.push(Site { frames, callers, course: Course::default() });
        self.index.insert(key, self.sites.len() - 1);
        Some(self.sites.len() - 1)
    }

    /// The frames from whoever called `mmap` on. `None` if that is an allocator or the C library, whose blocks are malloc's; the
    /// dynamic loader; V8 and what is linked with it, whose pages are the heap's; or not known.
    fn direct<'f>(&self, walked: &'f [u64]) -> Option<&'f [u64]> {
        let file = |at: usize| self.stacks.mapping(*walked.get(at)?);
        let wrapper = usize::from(file(0).is_some_and(|file| libc::is_libc(file.file_name())));
        file(wrapper).filter(|caller| !self.maps_for_others(caller))?;
        walked.get(wrapper..)
    }

    fn maps_for_others(&self, file: &Mapping) -> bool {
        let name = file.file_name();
        Allocator::of_file(name).is_some()
            || LOADER.iter().any(|loader| name.starts_with(loader))
            || self.hosts.iter().any(|host| file.is_of(host))
    }

    /// Who holds memory, largest first, if it is time to look again.
    pub(super) fn look(&mut self, now: Mono) -> Option<Vec<Holder>> {
        let mut pace = self.pace;
        let held = pace.run(now, || self.held(now));
        self.pace = pace;
        held.map(|held| self.holders(now, &held))
    }

    /// By site.
    fn held(&self, now: Mono) -> Vec<Held> {
        let mut held = vec![Held::default(); self.sites.len()];
        let pieces = || self.ledger.pieces().filter(|(_, piece)| now.since(piece.taken) >= YOUNGEST);
        if pieces().next().is_none() {
            return held;
        }
        // Gigabytes may be reserved that nobody can access: they would take long to look at.
        let accessible = memory::accessible_ranges(self.pid);
        let parts = pieces().flat_map(|(range, _)| common(range, &accessible));
        let vast = parts.map(|part| part.end - part.start).sum::<u64>() > MOST_BY_PAGE;
        let mappings = if vast { memory::held_ranges(self.pid) } else { Vec::new() };
        for (range, piece) in pieces() {
            let bytes = if vast {
                share(range, &mappings)
            } else {
                common(range, &accessible).map(|part| self.resident(&part)).sum()
            };
            if let Some(held) = held.get_mut(piece.site) {
                held.bytes += bytes;
                held.mappings += u64::from(bytes > 0);
            }
        }
        held
    }

    fn resident(&self, range: &Range<u64>) -> u64 {
        let pages = self.pagemap.pages(range.start, range.end);
        pages.filter(|page| page.is_held()).count() as u64 * self.pagemap.page()
    }

    fn holders(&mut self, now: Mono, held: &[Held]) -> Vec<Holder> {
        for (site, held) in self.sites.iter_mut().zip(held) {
            site.course.reading(now, held.bytes);
        }
        let mut holding: Vec<(&Site, &Held)> =
            self.sites.iter().zip(held).filter(|(site, _)| site.course.goes_on(now)).collect();
        holding.sort_by_key(|(_, held)| std::cmp::Reverse(held.bytes));
        let total: u64 = holding.iter().map(|(_, held)| held.bytes).sum();
        holding.truncate(MOST_HOLDERS);
        let names = &mut self.names;
        let holder = |(site, held): (&Site, &Held)| Holder {
            by: TakenBy::Mmap,
            share: held.bytes as f64 / total.max(1) as f64,
            bytes: held.bytes,
            n: held.mappings,
            interval: None,
            frames: names.name(&site.frames),
            callers: site.callers.clone(),
        };
        holding.into_iter().map(holder).collect()
    }

    /// All that it has mapped itself, in the order of addresses.
    pub(super) fn mapped(&mut self) -> Vec<Mapped> {
        let (sites, names) = (&self.sites, &mut self.names);
        let mapped = |(range, piece): (&Range<u64>, &super::ledger::Piece)| {
            let frames = sites.get(piece.site).map(|site| names.name(&site.frames)).unwrap_or_default();
            Mapped { range: range.clone(), by: frames.into_iter().next() }
        };
        self.ledger.pieces().map(mapped).collect()
    }
}

/// What `range` has in common with `others`, which are in the order of their addresses.
fn common(range: &Range<u64>, others: &[Range<u64>]) -> impl Iterator<Item = Range<u64>> {
    let first = others.partition_point(|other| other.end <= range.start);
    let overlapping = others[first..].iter().take_while(|other| other.start < range.end);
    overlapping.map(|other| other.start.max(range.start)..other.end.min(range.end))
}

/// What `range` has of what is held in `mappings`, which are in the order of their addresses: its part of each where that has
/// neighbours in it that were mapped by others.
fn share(range: &Range<u64>, mappings: &[(Range<u64>, u64)]) -> u64 {
    let first = mappings.partition_point(|(mapping, _)| mapping.end <= range.start);
    let overlapping = mappings[first..].iter().take_while(|(mapping, _)| mapping.start < range.end);
    let part = |(mapping, held): &(Range<u64>, u64)| {
        let common = mapping.end.min(range.end) - mapping.start.max(range.start);
        let part = u128::from(*held) * u128::from(common) / u128::from(mapping.end - mapping.start).max(1);
        u64::try_from(part).unwrap_or(*held)
    };
    overlapping.map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_in_a_mapping_is_shared_by_those_who_mapped_it() {
        let mappings = [(10..20, 5), (30..40, 0), (50..1 << 40, 1 << 30)];
        for (range, expected) in [
            (0..10, 0),
            (10..20, 5),
            (10..12, 1),
            (0..35, 5),
            (18..60, 1),
            (50..1 << 40, 1 << 30),
            (1 << 39..1 << 40, 1 << 29),
        ] {
            assert_eq!(share(&range, &mappings), expected, "{range:?}");
        }
    }

    #[test]
    fn only_what_can_be_accessed_is_looked_at() {
        let others = [10..20, 30..40, 50..60];
        let bounds = |range: Range<u64>| common(&range, &others).map(|part| (part.start, part.end)).collect();
        for (range, expected) in [
            (0..10, vec![]),
            (15..35, vec![(15, 20), (30, 35)]),
            (20..30, vec![]),
            (31..32, vec![(31, 32)]),
            (0..99, vec![(10, 20), (30, 40), (50, 60)]),
        ] {
            let parts: Vec<_> = bounds(range);
            assert_eq!(parts, expected);
        }
    }
}
