//! One process: every kind of memory and every resource that it holds, as series on one axis of time.
//!
//! The axis is the time that the process could run: what it spent stopped or frozen is left out, so that a leak keeps
//! its rate and its shape.

use std::collections::BTreeMap;

use super::{Buckets, Epochs, Isolate};
use crate::model::{Collection, GcKind, Mono, OutsideHeap, Reading};

/// One series: by time, and by mark-compact.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The lowest values of stretches of time.
    pub buckets: Buckets,
    /// The lowest values between mark-compacts. Empty for what garbage cannot hold: descriptors, threads, isolates.
    pub epochs: Epochs,
}

/// What a process's isolates hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Isolates {
    /// How many are alive.
    pub count: u64,
    /// Bytes that their last mark-compacts left; `None` before the first one.
    pub live: Option<u64>,
    /// Bytes that takes of their heaps found reachable; `None` before the first one.
    pub reachable: Option<u64>,
    /// Bytes that they have allocated since each was first seen.
    pub allocated: f64,
}

/// The series of one process, in units of what they count. At most 25 KiB, of which a process that holds
/// little takes a third.
#[derive(Clone, Debug, Default)]
pub struct ProcessSeries {
    /// Open file descriptors of all sorts.
    pub descriptors: Series,
    /// Of them sockets.
    pub sockets: Series,
    /// Of them all others.
    pub files: Series,
    /// Threads.
    pub threads: Series,
    /// Isolates.
    pub isolates: Series,
    /// Bytes outside of the heaps that V8 was told of: array buffers and the rest.
    pub external: Series,
    /// Bytes of it beside array buffers, which its owner may have taken from malloc.
    pub told: Series,
    /// Bytes in use by the allocator's books, without array buffers.
    pub native: Series,
    /// Bytes that the allocator holds and that are not in use.
    pub slack: Series,
    /// Anonymous bytes that nothing explains: neither heaps, stacks, what V8 was told of, nor the allocator.
    pub remainder: Series,
    /// Anonymous bytes.
    pub anonymous: Series,
    /// Anonymous bytes that malloc does not have in use: of a heap that grows they are the heap, garbage and all, whatever the age
    /// of the last look at which mapping holds what.
    pub beside_malloc: Series,
    /// Bytes that the last mark-compacts left in all heaps.
    pub heaps: Series,
    /// Bytes that takes found reachable in all heaps.
    pub reachable: Series,
    /// Bytes allocated in all heaps so far.
    pub allocated: Series,
    clock: RunningTime,
    allocation: Allocation,
    /// Whether readings tell what is outside of the heaps; until one does, collections do.
    reads_outside: bool,
    beside: BesideBuffers,
}

impl Series {
    /// Takes in a value, if it is known.
    fn observe(&mut self, t: f64, y: Option<f64>) {
        if let Some(y) = y {
            self.buckets.observe(t, y);
        }
    }

    /// The same of what garbage may hold.
    fn observe_collected(&mut self, t: f64, y: Option<f64>) {
        self.observe(t, y);
        if let Some(y) = y {
            self.epochs.observe(t, y);
        }
    }
}

impl<'a> FromIterator<&'a Isolate> for Isolates {
    fn from_iter<T: IntoIterator<Item = &'a Isolate>>(isolates: T) -> Self {
        isolates.into_iter().fold(Self::default(), |all, isolate| Self {
            count: all.count + 1,
            live: isolate.valleys.live().map(|live| all.live.unwrap_or(0) + live).or(all.live),
            reachable: isolate.reachable().map(|bytes| all.reachable.unwrap_or(0) + bytes).or(all.reachable),
            allocated: all.allocated + isolate.valleys.allocated(),
        })
    }
}

impl ProcessSeries {
    /// Takes in one reading, and what the isolates hold at that moment.
    ///
    /// One that is no later than the last is ignored. Of a process that is suspended nothing is taken in.
    pub fn reading(&mut self, reading: &Reading, isolates: &Isolates) {
        let Some(t) = self.clock.advance(reading.at, reading.suspended) else { return };
        self.counts(t, reading, isolates);
        self.outside_of_heaps(t, reading);
        let known = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
        self.anonymous.observe(t, known(reading.rss_anon.map(|anon| anon.saturating_add(swap(reading)))));
        self.beside_malloc.observe(t, beside_malloc(reading));
        self.heaps.observe(t, known(isolates.live));
        self.allocated.observe(t, Some(self.allocation.so_far(isolates.allocated)));
    }

    /// Takes in what a take of all heaps found reachable.
    pub fn take(&mut self, at: Mono, isolates: &Isolates) {
        self.reachable.observe(self.clock.at(at), isolates.reachable.map(|bytes| bytes as f64));
    }

    /// Takes in a collection of any of the isolates.
    pub fn collection(&mut self, c: &Collection) {
        let t = self.clock.at(c.end);
        self.beside.collection(c);
        if !self.reads_outside {
            self.external.observe_collected(t, external(&c.outside));
        }
        if c.kind == GcKind::MarkCompact {
            for series in [&mut self.external, &mut self.told, &mut self.native, &mut self.remainder] {
                series.epochs.mark_compact(t);
            }
        }
    }

    fn counts(&mut self, t: f64, reading: &Reading, isolates: &Isolates) {
        let count = |n: u64| Some(n as f64);
        if let Some(open) = reading.descriptors {
            self.descriptors.observe(t, count(open.total));
            self.sockets.observe(t, open.sockets.and_then(count));
            self.files.observe(t, open.sockets.and_then(|sockets| count(open.total.saturating_sub(sockets))));
        }
        self.threads.observe(t, reading.threads.and_then(count));
        self.isolates.observe(t, count(isolates.count));
    }

    fn outside_of_heaps(&mut self, t: f64, reading: &Reading) {
        let outside = self.beside.settled(reading.outside);
        let told = external(&outside);
        self.reads_outside |= told.is_some();
        self.external.observe_collected(t, told);
        self.told.observe_collected(t, beside_buffers(&outside));
        self.native.observe_collected(t, native(reading));
        self.slack.observe(t, slack(reading));
        self.remainder.observe_collected(t, remainder(&Reading { outside, ..*reading }));
    }
}

/// Time without what the process spent suspended.
#[derive(Clone, Copy, Debug, Default)]
struct RunningTime {
    last: Option<Mono>,
    suspended: bool,
    ran: f64,
}

impl RunningTime {
    /// The time of a reading, seconds; `None` if the reading tells nothing.
    fn advance(&mut self, at: Mono, suspended: bool) -> Option<f64> {
        let last = self.last.unwrap_or(at);
        if at < last {
            return None;
        }
        if !suspended && !self.suspended {
            self.ran += at.since(last).as_secs_f64();
        }
        (self.last, self.suspended) = (Some(at), suspended);
        (!suspended).then_some(self.ran)
    }

    /// The time of something else that happened since the last reading.
    fn at(&self, at: Mono) -> f64 {
        self.ran + self.last.map_or(0.0, |last| at.since(last).as_secs_f64())
    }
}

/// What was allocated, though the count of an isolate that goes is lost.
#[derive(Clone, Copy, Debug, Default)]
struct Allocation {
    last: f64,
    total: f64,
}

impl Allocation {
    fn so_far(&mut self, now: f64) -> f64 {
        self.total += (now - self.last).max(0.0);
        self.last = now;
        self.total
    }
}

/// What V8 was told of beside array buffers, by isolate. When V8 has freed the buffers that it found dead, only the
/// allocator's total falls: V8's own follows at the next collection (half a minute later was seen), so that the difference
/// would look like new memory until then. The freeing may be over when the collection itself ends; so of the differences
/// at the ends of the last two collections the smaller one counts.
#[derive(Clone, Debug, Default)]
struct BesideBuffers {
    by_heap: BTreeMap<u64, [u64; 2]>,
}

impl BesideBuffers {
    /// Isolates that are remembered: those of workers that come and go would become many.
    const MOST: usize = 256;

    fn collection(&mut self, c: &Collection) {
        let (Some(external), Some(buffers)) = (c.outside.external, c.outside.array_buffers) else { return };
        if self.by_heap.len() >= Self::MOST {
            self.by_heap.clear();
        }
        let now = external.saturating_sub(buffers);
        let last = self.by_heap.get(&c.heap).map_or(now, |[last, _]| *last);
        self.by_heap.insert(c.heap, [now, last]);
    }

    /// The reading with V8's total as it will be.
    fn settled(&self, outside: OutsideHeap) -> OutsideHeap {
        if self.by_heap.is_empty() {
            return outside;
        }
        let smaller = self.by_heap.values().map(|[now, last]| *now.min(last));
        let beside = smaller.fold(0, u64::saturating_add);
        let external = outside.array_buffers.map(|buffers| buffers.saturating_add(beside));
        OutsideHeap { external: external.min(outside.external).or(outside.external), ..outside }
    }
}

fn external(outside: &OutsideHeap) -> Option<f64> {
    outside.external.max(outside.array_buffers).map(|bytes| bytes as f64)
}

fn beside_buffers(outside: &OutsideHeap) -> Option<f64> {
    Some(outside.external?.saturating_sub(outside.array_buffers?) as f64)
}

/// Node's allocator takes array buffers from malloc.
fn native(reading: &Reading) -> Option<f64> {
    let buffers = reading.outside.array_buffers.unwrap_or(0);
    reading.malloc.map(|books| books.in_use.saturating_sub(buffers) as f64)
}

fn beside_malloc(reading: &Reading) -> Option<f64> {
    let anonymous = reading.rss_anon?.saturating_add(swap(reading));
    Some(anonymous.saturating_sub(reading.malloc?.in_use) as f64)
}

fn slack(reading: &Reading) -> Option<f64> {
    let held = reading.resident?.malloc;
    reading.malloc.map(|books| held.saturating_sub(books.in_use) as f64)
}

/// With the allocator's books: what is neither V8's nor the allocator's, so another allocator's. Without them native
/// memory is in it too, and so is what the allocator holds and does not use.
fn remainder(reading: &Reading) -> Option<f64> {
    let resident = reading.resident?;
    let anonymous = reading.rss_anon?.saturating_add(swap(reading)) as f64;
    let told = if reading.malloc.is_some() {
        resident.malloc as f64 + beside_buffers(&reading.outside).unwrap_or(0.0)
    } else {
        external(&reading.outside).unwrap_or(0.0)
    };
    Some((anonymous - resident.v8_heap as f64 - resident.stacks as f64 - told).max(0.0))
}

fn swap(reading: &Reading) -> u64 {
    reading.swap.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Descriptors, MallocBooks, Resident},
        series::valleys::tests::mark_compact,
    };

    const ONE: Isolates = Isolates { count: 1, live: Some(7), reachable: None, allocated: 0.0 };

    fn mono(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    fn full(seconds: u64) -> Reading {
        Reading {
            at: mono(seconds),
            rss_anon: Some(100),
            swap: Some(20),
            resident: Some(Resident { v8_heap: 30, malloc: 50, stacks: 5, ..Resident::default() }),
            malloc: Some(MallocBooks { in_use: 40, free: 10, ..MallocBooks::default() }),
            outside: OutsideHeap { array_buffers: Some(10), external: Some(18) },
            descriptors: Some(Descriptors { total: 20, sockets: Some(8), ..Descriptors::default() }),
            threads: Some(11),
            ..Reading::default()
        }
    }

    fn fed(readings: impl IntoIterator<Item = Reading>) -> ProcessSeries {
        let mut series = ProcessSeries::default();
        for reading in readings {
            series.reading(&reading, &ONE);
        }
        series
    }

    fn lows(series: &Series) -> Vec<f64> {
        series.buckets.closed().iter().map(|low| low.1).collect()
    }

    #[test]
    fn each_kind_of_memory_is_counted_once() {
        let with_books = fed([full(0), full(5)]);
        let one_each = [
            ("files", &with_books.files, 12.0),
            ("sockets", &with_books.sockets, 8.0),
            ("external", &with_books.external, 18.0),
            ("told", &with_books.told, 8.0),
            ("native", &with_books.native, 30.0),
            ("slack", &with_books.slack, 10.0),
            ("anonymous", &with_books.anonymous, 120.0),
            ("beside malloc", &with_books.beside_malloc, 80.0),
            ("nobody's, beside the allocator's", &with_books.remainder, 27.0),
            ("heaps", &with_books.heaps, 7.0),
        ];
        for (name, series, value) in one_each {
            assert_eq!(lows(series), [value], "{name}");
        }
        let without = fed([0, 5].map(|t| Reading { malloc: None, ..full(t) }));
        assert_eq!((lows(&without.native), lows(&without.remainder)), (vec![], vec![67.0]));
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        let series = fed([0, 5, 10].map(|t| Reading { at: mono(t), ..Reading::default() }));
        let unknown = [&series.files, &series.external, &series.native, &series.remainder, &series.anonymous];
        assert!(unknown.iter().all(|series| series.buckets.begun() == 0));
        assert_eq!(lows(&series.isolates), [1.0, 1.0]);
    }

    #[test]
    fn suspended_time_is_no_time_and_nothing_goes_back() {
        let mut series = fed([full(10), full(13)]);
        series.reading(&Reading { suspended: true, ..full(14) }, &ONE);
        series.reading(&full(1000), &ONE);
        series.reading(&full(1004), &ONE);
        series.reading(&full(3), &ONE);
        assert!((series.clock.ran - 7.0).abs() < 1e-9, "{}", series.clock.ran);
        let times: Vec<f64> = series.files.buckets.closed().iter().map(|low| low.0).collect();
        assert_eq!(times, [0.0, 3.0]);
    }

    #[test]
    fn an_isolate_that_goes_takes_nothing_back_from_what_was_allocated() {
        let mut allocation = Allocation::default();
        for (now, total) in [(100.0, 100), (150.0, 150), (30.0, 150), (40.0, 160)] {
            assert_eq!(allocation.so_far(now).to_string(), total.to_string());
        }
    }

    #[test]
    fn isolates_add_up() {
        let mut second = Isolate::new(2, 8, true, Mono(0), None);
        second.collection(&mark_compact(1.0, 90, 50), None);
        let isolates = [Isolate::new(1, 7, false, Mono(0), None), second];
        let together: Isolates = isolates.iter().collect();
        assert_eq!((together.count, together.live), (2, Some(50)));
        assert_eq!([].iter().collect::<Isolates>(), Isolates::default());
    }

    #[test]
    fn what_v8_has_yet_to_hear_of_is_not_new() {
        let ended = |external, buffers| Collection {
            outside: OutsideHeap { array_buffers: Some(buffers), external: Some(external) },
            ..mark_compact(1.0, 9, 5)
        };
        let mut beside = BesideBuffers::default();
        let read = |beside: &BesideBuffers, external, buffers| {
            let outside = OutsideHeap { array_buffers: Some(buffers), external: Some(external) };
            beside.settled(outside).external
        };
        assert_eq!(read(&beside, 70, 60), Some(70));
        for (at_end, now, expected) in [
            ((70, 60), (75, 65), 75),
            // It frees 40 after the collection, and 30 before the end of the next.
            ((80, 70), (80, 30), 40),
            ((80, 40), (85, 45), 55),
            ((58, 48), (58, 48), 58),
        ] {
            beside.collection(&ended(at_end.0, at_end.1));
            assert_eq!(read(&beside, now.0, now.1), Some(expected), "{at_end:?}");
        }
    }

    #[test]
    fn all_series_together_are_small() {
        let mut series = ProcessSeries::default();
        for second in 0..10_000 {
            series.reading(&full(second), &ONE);
            let c = mark_compact(second as f64, 9, 5);
            series.collection(&c);
        }
        let points =
            |series: &Series| size_of_val(series.buckets.closed()) + series.epochs.lows().count() * 24;
        let all = [
            &series.descriptors,
            &series.sockets,
            &series.files,
            &series.threads,
            &series.isolates,
            &series.external,
            &series.told,
            &series.native,
            &series.slack,
            &series.remainder,
            &series.anonymous,
            &series.heaps,
            &series.allocated,
        ];
        let state = size_of::<ProcessSeries>() + all.map(points).iter().sum::<usize>();
        assert!(state < 25 * 1024, "{state}");
    }
}
