//! How the heap climbs from one mark-compact to the next, by its sizes right after scavenges.
//!
//! They hold what was promoted and has died since, so none of them says what is live. But they tell the course, of which
//! a mark-compact shows the end only: whether what came did so evenly or at once, and how fast.

/// A time and a value: seconds and bytes.
type Point = (f64, f64);

/// Sizes kept of one climb. Every other one is given up when there are more.
const CAPACITY: usize = 12;
/// Fewer sizes do not tell the course,
const ENOUGH: usize = 4;
/// nor do those that cover less than this share of the time.
const COVERED: f64 = 0.5;

/// How the heap climbed from one mark-compact to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Climb {
    /// By how much its sizes after scavenges rose, bytes a second.
    pub rate: f64,
    /// In which share of the time half of that came, if all the steepest rises had followed each other: a half if it came
    /// evenly, nothing if it came at once.
    pub half: f64,
}

/// Sizes after scavenges since the last mark-compact, evenly thinned out.
#[derive(Clone, Debug, Default)]
pub(super) struct Scavenges {
    /// Scavenges so far; of each two to the power of `thinned` one is kept.
    seen: u32,
    thinned: u32,
    len: usize,
    sizes: [Point; CAPACITY],
    latest: Point,
}

impl Scavenges {
    /// Takes in the size after a scavenge, bytes at `t` seconds.
    pub(super) fn add(&mut self, t: f64, bytes: f64) {
        self.latest = (t, bytes);
        if self.seen.trailing_zeros() >= self.thinned {
            if self.len == CAPACITY {
                self.thin();
            }
            self.sizes[self.len] = (t, bytes);
            self.len += 1;
        }
        self.seen = self.seen.wrapping_add(1);
    }

    /// The climb in the `stretch_s` seconds that a mark-compact ends, if enough scavenges tell of it. Begins anew.
    pub(super) fn take(&mut self, stretch_s: f64) -> Option<Climb> {
        let seen = std::mem::take(self);
        let mut sizes = seen.sizes[..seen.len].to_vec();
        sizes.extend(sizes.last().is_some_and(|last| last.0 < seen.latest.0).then_some(seen.latest));
        let (first, last) = (sizes.first()?, sizes.last()?);
        let (seconds, rise) = (last.0 - first.0, last.1 - first.1);
        let tells = sizes.len() >= ENOUGH && seconds > 0.0 && seconds >= COVERED * stretch_s;
        tells.then(|| Climb { rate: rise / seconds, half: time_of_half(&sizes) / seconds })
    }

    /// Keeps every other size.
    fn thin(&mut self) {
        for i in 0..CAPACITY / 2 {
            self.sizes[i] = self.sizes[2 * i];
        }
        self.len = CAPACITY / 2;
        self.thinned += 1;
    }
}

/// Seconds that the steepest rises between neighbours of `points` need for half of the growth from the first to the last.
#[must_use]
pub(crate) fn time_of_half(points: &[Point]) -> f64 {
    let growth = points.first().zip(points.last()).map_or(0.0, |(first, last)| last.1 - first.1);
    let mut steps: Vec<Point> = points.windows(2).map(|w| (w[1].0 - w[0].0, w[1].1 - w[0].1)).collect();
    steps.sort_unstable_by(|a, b| (b.1 / b.0).total_cmp(&(a.1 / a.0)));
    let (mut missing, mut time) = (growth / 2.0, 0.0);
    for (seconds, rise) in steps {
        if missing <= 0.0 || rise <= 0.0 {
            break;
        }
        time += seconds * (missing / rise).min(1.0);
        missing -= rise;
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climb(sizes: impl IntoIterator<Item = Point>, stretch_s: f64) -> Option<Climb> {
        let mut scavenges = Scavenges::default();
        sizes.into_iter().for_each(|(t, bytes)| scavenges.add(t, bytes));
        scavenges.take(stretch_s)
    }

    #[test]
    fn an_even_climb_and_a_step_are_told_apart() {
        let even = climb((0..100).map(|t| (f64::from(t), 50.0 + 3.0 * f64::from(t))), 100.0).unwrap();
        assert!((even.rate - 3.0).abs() < 1e-9 && (even.half - 0.5).abs() < 1e-9, "{even:?}");
        for at in [3, 50, 70, 99] {
            let step = |t: u32| (f64::from(t), if t < at { 50.0 } else { 90.0 });
            let step = climb((0..100).map(step), 100.0).unwrap();
            assert!(step.half < 0.1, "{step:?} at {at}");
        }
    }

    #[test]
    fn few_scavenges_or_such_of_a_short_time_tell_nothing() {
        let line = |n: u32| (0..n).map(|t| (f64::from(t), f64::from(t)));
        for (n, stretch_s, tells) in [(0, 1.0, false), (3, 1.0, false), (4, 6.0, true), (4, 7.0, false)] {
            assert_eq!(climb(line(n), stretch_s).is_some(), tells, "{n} in {stretch_s} s");
        }
        assert_eq!(climb([(1.0, 5.0); 8], 0.0), None);
    }

    #[test]
    fn each_climb_is_for_itself() {
        let mut scavenges = Scavenges::default();
        for t in 0..8 {
            scavenges.add(f64::from(t), 0.0);
        }
        assert!(scavenges.take(8.0).is_some() && scavenges.take(8.0).is_none());
    }
}
