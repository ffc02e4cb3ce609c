//! The heap right after mark-compacts: what was live then, which is all that a verdict on the heap may stand on.
//!
//! Between mark-compacts the heap's size says nothing: a healthy HTTP client was seen to climb from 6 to over 20 MB in
//! 40 s before the one mark-compact that took it back.

use super::climb::{Climb, Scavenges};
use crate::model::{Collection, GcKind, Mono};

/// Points kept. A pair of neighbours gives one up when there are more, so the reach doubles and the state does not.
pub(crate) const CAPACITY: usize = 64;
/// Mark-compacts closer than this are one valley: V8 near its limit runs eighty in fifteen seconds.
const MIN_DISTANCE_S: f64 = 0.25;
/// So are those closer than this share of the time since the first: late points must not outvote early ones.
const MIN_DISTANCE_SHARE: f64 = 1.0 / 40.0;

/// Of the first valleys it is known how the heap climbed to each from the one before: later ones are many.
const CLIMBS: usize = 3;

/// One mark-compact, or the lowest of several close together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Valley {
    /// When it ended, seconds since the isolate was first seen.
    pub t: f64,
    /// Bytes that survived.
    pub after: f64,
    /// Bytes allocated by the isolate since it was first seen.
    pub allocated: f64,
    /// Of the bytes that came since the last mark-compact and were there before this one, the share that stayed.
    /// Below zero if more went than came; `None` for the first, or if nothing came.
    pub retention: Option<f32>,
}

/// The valleys of one isolate.
#[derive(Clone, Debug)]
pub struct Valleys {
    since: Mono,
    first_t: f64,
    /// When the last valley began, seconds. Its point is its lowest, which may be later: counted from there, a heap that
    /// falls or stays the same would be one valley for ever.
    opened_t: f64,
    len: usize,
    /// Mark-compacts taken in, including those merged or given up since.
    seen: u64,
    /// Points taken in, including those given up since.
    opened: u64,
    points: [Valley; CAPACITY],
    /// Bytes after the last collection of any kind.
    after_any: Option<u64>,
    /// The last mark-compact.
    last: Option<Valley>,
    /// Its bytes after.
    after_full: Option<u64>,
    allocated: f64,
    scavenges: Scavenges,
    climbs: [Option<Climb>; CLIMBS],
}

impl Valleys {
    /// No valleys yet; `since` is the origin of [`Valley::t`].
    #[must_use]
    pub fn new(since: Mono) -> Self {
        Self {
            since,
            first_t: 0.0,
            opened_t: 0.0,
            len: 0,
            seen: 0,
            opened: 0,
            points: [Valley::default(); CAPACITY],
            after_any: None,
            last: None,
            after_full: None,
            allocated: 0.0,
            scavenges: Scavenges::default(),
            climbs: [None; CLIMBS],
        }
    }

    /// Takes in one collection of any kind: each tells what was allocated, mark-compacts what is live.
    pub fn collection(&mut self, c: &Collection) {
        if let (Some(before), Some(after)) = (c.before_bytes, self.after_any) {
            self.allocated += before.saturating_sub(after) as f64;
        }
        self.after_any = c.after_bytes;
        let t = c.end.since(self.since).as_secs_f64();
        match (c.kind, c.before_bytes, c.after_bytes) {
            // A clock that steps back does not make points go back.
            (GcKind::MarkCompact, Some(before), Some(after)) => {
                self.mark_compact(self.last.map_or(t, |last| t.max(last.t)), before, after);
            }
            (GcKind::Scavenge | GcKind::MinorMark, _, Some(after)) => self.scavenges.add(t, after as f64),
            _ => {}
        }
    }

    /// Takes in what a take of the heap found reachable: what a full collection would have left. `allocated` as
    /// [`Valley::allocated`].
    pub fn take(&mut self, at: Mono, bytes: u64, allocated: f64) {
        let t = at.since(self.since).as_secs_f64();
        let t = self.last.map_or(t, |last| t.max(last.t));
        self.after_full = Some(bytes);
        self.allocated = allocated;
        self.point(Valley { t, after: bytes as f64, allocated, retention: None }, None);
    }

    /// Points kept, in order of time.
    #[must_use]
    pub fn points(&self) -> &[Valley] {
        &self.points[..self.len]
    }

    /// The last mark-compact of known size, as it was, even where it is one point with others.
    #[must_use]
    pub fn last(&self) -> Option<Valley> {
        self.last
    }

    /// Mark-compacts of known size so far.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Valleys so far. A change says that there is something new to judge; mark-compacts that follow each other closely
    /// change nothing, so however often a process collects, it is judged some forty times in each e-fold of its age.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// How the heap climbed to each of [`Self::points`] but the first, where scavenges tell; empty when they are more than
    /// four.
    #[must_use]
    pub fn climbs(&self) -> &[Option<Climb>] {
        self.climbs.get(..self.len.saturating_sub(1)).unwrap_or_default()
    }

    /// Bytes after the last mark-compact.
    #[must_use]
    pub fn live(&self) -> Option<u64> {
        self.after_full
    }

    /// Bytes allocated since the isolate was first seen, as far as collections tell.
    #[must_use]
    pub fn allocated(&self) -> f64 {
        self.allocated
    }

    fn mark_compact(&mut self, t: f64, before: u64, after: u64) {
        let retention = self.after_full.and_then(|last| retention(last, before, after));
        let climb = self.scavenges.take(self.last.map_or(0.0, |last| t - last.t));
        self.after_full = Some(after);
        self.point(Valley { t, after: after as f64, allocated: self.allocated, retention }, climb);
    }

    fn point(&mut self, point: Valley, climb: Option<Climb>) {
        self.seen += 1;
        self.last = Some(point);
        match self.len.checked_sub(1).map(|i| self.points[i]) {
            None => {
                self.first_t = point.t;
                self.push(point);
            }
            Some(last) if self.is_same_valley(point.t) => self.points[self.len - 1] = lower(last, point),
            Some(_) => {
                if let Some(place) = self.climbs.get_mut(self.len - 1) {
                    *place = climb;
                }
                self.push(point);
            }
        }
    }

    fn is_same_valley(&self, t: f64) -> bool {
        t - self.opened_t < MIN_DISTANCE_S.max((t - self.first_t) * MIN_DISTANCE_SHARE)
    }

    fn push(&mut self, point: Valley) {
        if self.len == CAPACITY {
            self.halve();
        }
        self.points[self.len] = point;
        self.len += 1;
        self.opened += 1;
        self.opened_t = point.t;
    }

    /// Of each pair of neighbours keeps the lower: the envelope stays.
    fn halve(&mut self) {
        for i in 0..CAPACITY / 2 {
            let (a, b) = (self.points[2 * i], self.points[2 * i + 1]);
            self.points[i] = if b.after < a.after { b } else { a };
        }
        self.len = CAPACITY / 2;
    }
}

/// The lower of two mark-compacts of one valley, with the lower retention of both.
fn lower(a: Valley, b: Valley) -> Valley {
    let retention = match (a.retention, b.retention) {
        (Some(x), Some(y)) => Some(x.min(y)),
        (x, y) => x.or(y),
    };
    Valley { retention, ..if b.after <= a.after { b } else { a } }
}

fn retention(last: u64, before: u64, after: u64) -> Option<f32> {
    let came = before.checked_sub(last).filter(|&came| came > 0)?;
    #[expect(clippy::cast_possible_truncation, reason = "a share needs no more than seven digits")]
    Some(((after as f64 - last as f64) / came as f64) as f32)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::OutsideHeap;

    /// A mark-compact that ends at `t` seconds, without a pause.
    pub(crate) fn mark_compact(t: f64, before: u64, after: u64) -> Collection {
        let end = Mono(u64::try_from(std::time::Duration::from_secs_f64(t).as_nanos()).unwrap());
        Collection {
            heap: 1,
            tid: 7,
            start: end,
            end,
            kind: GcKind::MarkCompact,
            reason: 0,
            before_bytes: Some(before),
            after_bytes: Some(after),
            limit: None,
            compacted: None,
            marking_start: None,
            stack: None,
            outside: OutsideHeap::default(),
        }
    }

    fn fed(collections: impl IntoIterator<Item = (f64, u64, u64)>) -> Valleys {
        let mut valleys = Valleys::new(Mono(0));
        for (t, before, after) in collections {
            valleys.collection(&mark_compact(t, before, after));
        }
        valleys
    }

    #[test]
    fn the_state_is_below_four_kib() {
        assert!(size_of::<Valleys>() < 4096, "{}", size_of::<Valleys>());
    }

    #[test]
    fn allocation_counts_all_collections_and_retention_only_mark_compacts() {
        let mut valleys = fed([(1.0, 100, 50)]);
        let scavenge = Collection { kind: GcKind::Scavenge, ..mark_compact(2.0, 90, 60) };
        valleys.collection(&scavenge);
        valleys.collection(&mark_compact(3.0, 150, 75));
        let last = valleys.points()[1];
        assert_eq!((last.t, last.after), (3.0, 75.0));
        assert_eq!((last.allocated, last.retention), (40.0 + 90.0, Some(0.25)));
        assert_eq!(valleys.points()[0].retention, None);
    }

    #[test]
    fn climbs_are_those_between_the_first_mark_compacts() {
        let mut valleys = fed([(1.0, 100, 50)]);
        for t in 2..12_u32 {
            let scavenge =
                Collection { kind: GcKind::Scavenge, ..mark_compact(f64::from(t), 0, 60 + 5 * u64::from(t)) };
            valleys.collection(&scavenge);
        }
        for t in [12.0, 20.0] {
            valleys.collection(&mark_compact(t, 120, 110));
        }
        let rates: Vec<_> = valleys.climbs().iter().map(|climb| climb.map(|climb| climb.rate)).collect();
        assert_eq!(rates, [Some(5.0), None]);
        let many = fed((0..5).map(|i| (f64::from(i), 100, 50)));
        assert_eq!((many.points().len(), many.climbs().len()), (5, 0));
    }

    #[test]
    fn collections_of_unknown_size_are_left_out() {
        let mut valleys = fed([(1.0, 100, 50)]);
        valleys.collection(&Collection { after_bytes: None, ..mark_compact(2.0, 99, 0) });
        valleys.collection(&Collection { before_bytes: None, ..mark_compact(3.0, 0, 60) });
        assert_eq!((valleys.seen(), valleys.points().len(), valleys.allocated()), (1, 1, 49.0));
    }

    #[test]
    fn a_storm_is_one_valley_and_keeps_its_lowest() {
        let valleys = fed([(10.0, 100, 50), (10.1, 90, 45), (10.2, 90, 48), (20.0, 99, 60)]);
        let kept: Vec<_> = valleys.points().iter().map(|v| (v.t, v.after)).collect();
        assert_eq!(kept, [(10.1, 45.0), (20.0, 60.0)]);
        assert_eq!((valleys.seen(), valleys.opened()), (4, 2));
    }

    #[test]
    fn a_heap_that_stays_the_same_or_falls_has_valleys() {
        for fall in [0, 1] {
            let valleys = fed((0..1000).map(|i| (i as f64, 9000, 5000 - fall * i)));
            assert!((100..200).contains(&valleys.opened()), "{}", valleys.opened());
        }
    }

    #[test]
    fn a_full_ring_halves_to_its_lower_envelope() {
        // Every other point is 1000 higher; all are far enough apart to be valleys of their own.
        let points =
            (0..=CAPACITY as u64).map(|i| (1.03_f64.powf(i as f64) * 100.0, 5000, i + 1000 * (i % 2)));
        let valleys = fed(points);
        assert_eq!(valleys.points().len(), CAPACITY / 2 + 1);
        assert!(valleys.points().iter().all(|v| v.after < 1000.0));
        assert!(valleys.points().is_sorted_by(|a, b| a.t < b.t));
    }

    #[test]
    fn a_million_collections_stay_bounded_and_ordered() {
        let valleys = fed((0..1_000_000_u64).map(|i| (i as f64, 2000 + i % 7, 1000 + i % 5)));
        assert!(valleys.points().len() <= CAPACITY);
        assert!(valleys.points().is_sorted_by(|a, b| a.t < b.t));
        assert!(valleys.points()[0].t < 2.0);
    }
}
