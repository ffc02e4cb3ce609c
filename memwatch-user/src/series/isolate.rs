//! One isolate: everything that its collections tell, kept up to date collection by collection.

use super::{Memwatch, MemwatchLeak, Pauses, Sizes, Valleys};
use crate::model::{Collection, GcKind, Mono};

/// One isolate since it was first seen.
#[derive(Clone, Debug)]
pub struct Isolate {
    /// Serial number within the process, from 1.
    pub serial: u32,
    /// Id of its thread.
    pub tid: u32,
    /// Whether it belongs to a worker thread.
    pub worker: bool,
    /// When it was first seen: its birth, or when we were attached.
    pub since: Mono,
    /// Its heap's limit in bytes, as last read; `None` while that is unknown.
    pub limit: Option<u64>,
    /// The part of it that the old generation may take; `None` while that is unknown.
    pub old_generation: Option<u64>,
    /// Its pauses.
    pub pauses: Pauses,
    /// node-memwatch's statistics of it.
    pub memwatch: Memwatch,
    /// Its heap right after mark-compacts.
    pub valleys: Valleys,
    /// How large its heap was lately, after collections of any kind.
    pub sizes: Sizes,
    /// The most that takes have found since the last full collection, or what that left if that is less.
    reached: u64,
    /// What was reachable at takes of its heap; `None` before the first.
    pub takes: Option<Box<Valleys>>,
}

impl Isolate {
    /// An isolate of which nothing is known yet but when it was first seen.
    #[must_use]
    pub fn new(serial: u32, tid: u32, worker: bool, since: Mono, limit: Option<u64>) -> Self {
        let valleys = Valleys::new(since);
        Self {
            serial,
            tid,
            worker,
            since,
            limit,
            old_generation: None,
            pauses: Pauses::default(),
            memwatch: Memwatch::default(),
            valleys,
            sizes: Sizes::default(),
            reached: 0,
            takes: None,
        }
    }

    /// Takes in one collection. `limit` is the heap's limit in force, bytes; with `None` the last one stays.
    ///
    /// Returns node-memwatch's event when this collection is its fifth of growth.
    pub fn collection(&mut self, c: &Collection, limit: Option<u64>) -> Option<MemwatchLeak> {
        self.limit = limit.or(self.limit);
        self.old_generation = c.limit.map(|parts| parts.max_old_generation).or(self.old_generation);
        self.pauses.add(c.pause());
        self.valleys.collection(c);
        if let Some(after) = c.after_bytes {
            self.sizes.add(c.end.since(self.since).as_secs_f64(), after as f64);
        }
        if c.kind == GcKind::MarkCompact {
            self.reached = c.after_bytes.map_or(self.reached, |left| left.min(self.reached));
            self.memwatch.full_collection(c.end, c.after_bytes)
        } else {
            self.memwatch.other_collection();
            None
        }
    }

    /// Takes in what a take of its heap found reachable.
    ///
    /// The process runs on while it is read, so that a part may be missing: what hangs on something that moves on, as a chain on its
    /// newest link, was missing in every other take. There is at least what any take found since the last full collection, and at
    /// most what that one left.
    pub fn take(&mut self, at: Mono, bytes: u64) {
        self.reached = self.reached.max(bytes);
        let takes = self.takes.get_or_insert_with(|| Box::new(Valleys::new(self.since)));
        takes.take(at, self.reached, self.valleys.allocated());
    }

    /// By how much its heap has grown since the last mark-compact, as far as that is remembered: what came to stay, and garbage.
    #[must_use]
    pub fn uncollected(&self) -> f64 {
        let since = self.valleys.last().map_or(f64::NEG_INFINITY, |last| last.t);
        let mut sizes = self.sizes.points().iter().filter(|size| size.0 > since).map(|size| size.1);
        let lowest = sizes.clone().fold(f64::INFINITY, f64::min);
        sizes.next_back().map_or(0.0, |last| last - lowest)
    }

    /// Bytes that its last take found reachable; `None` before the first.
    #[must_use]
    pub fn reachable(&self) -> Option<u64> {
        self.takes.as_ref()?.live()
    }

    /// What the objects that survive can grow up to, bytes: they end in the old generation, and V8 aborts when that is full,
    /// whatever room the semi-spaces have left (a heap of `--max-old-space-size=96` has a limit of 144 MiB, and died at 96).
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        self.old_generation.or(self.limit)
    }

    /// Share of the time since it was first seen that it spent in collections, 0 to 1.
    #[must_use]
    pub fn gc_share(&self, now: Mono) -> f64 {
        let watched = now.since(self.since).as_secs_f64();
        if watched > 0.0 { (self.pauses.total().as_secs_f64() / watched).min(1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{model::LimitParts, series::valleys::tests::mark_compact};

    #[test]
    fn the_share_of_time_in_collections_is_of_the_time_watched() {
        let mut isolate = Isolate::new(1, 7, false, Mono(0), None);
        assert!(isolate.gc_share(Mono(0)) <= 0.0);
        let mut c = mark_compact(10.0, 9 << 20, 5 << 20);
        c.start = Mono(9_000_000_000);
        assert_eq!(isolate.collection(&c, Some(1 << 30)), None);
        assert!((isolate.gc_share(Mono(10_000_000_000)) - 0.1).abs() < 1e-9);
        assert_eq!(isolate.pauses.total(), Duration::from_secs(1));
        assert_eq!(isolate.limit, Some(1 << 30));
    }

    #[test]
    fn what_came_since_the_last_mark_compact_is_not_collected() {
        let mut isolate = Isolate::new(1, 7, false, Mono(0), None);
        let scavenge = |t, after| Collection { kind: GcKind::Scavenge, ..mark_compact(t, 0, after) };
        let mut feed = |collections: &[Collection]| {
            for collection in collections {
                isolate.collection(collection, None);
            }
            format!("{:.0}", isolate.uncollected())
        };
        assert_eq!(feed(&[]), "0");
        assert_eq!(feed(&[scavenge(3.0, 50), scavenge(6.0, 70), scavenge(9.0, 90)]), "40");
        assert_eq!(feed(&[mark_compact(12.0, 95, 60)]), "0");
        assert_eq!(feed(&[scavenge(15.0, 65), scavenge(18.0, 75)]), "10");
    }

    #[test]
    fn what_a_take_has_lost_is_there_until_a_full_collection_says_otherwise() {
        let at = |s: f64| mark_compact(s, 0, 0).end;
        let mut isolate = Isolate::new(1, 7, false, Mono(0), None);
        for (t, bytes) in [(10.0, 50), (20.0, 5), (30.0, 60), (40.0, 5), (50.0, 45)] {
            if t > 35.0 && bytes == 5 {
                isolate.collection(&mark_compact(35.0, 90, 40), None);
            }
            isolate.take(at(t), bytes);
        }
        let seen: Vec<f64> = isolate.takes.unwrap().points().iter().map(|point| point.after).collect();
        assert_eq!(seen, [50.0, 50.0, 60.0, 40.0, 45.0]);
    }

    #[test]
    fn an_unread_limit_leaves_the_last_one() {
        let mut isolate = Isolate::new(1, 7, false, Mono(0), Some(5));
        isolate.collection(&mark_compact(1.0, 9, 5), None);
        assert_eq!((isolate.limit, isolate.room()), (Some(5), Some(5)));
        let limit = Some(LimitParts { max_semi_space: 1, max_old_generation: 2 });
        isolate.collection(&Collection { limit, ..mark_compact(2.0, 9, 5) }, Some(5));
        isolate.collection(&mark_compact(3.0, 9, 5), None);
        assert_eq!((isolate.limit, isolate.room()), (Some(5), Some(2)));
    }
}
