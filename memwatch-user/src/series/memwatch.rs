//! node-memwatch's statistics and its `leak` event, from the collections of one isolate.
//!
//! Names and rules are those of memwatch-next 0.3.0 (`src/memwatch.cc`), with its arithmetic put right: there counters
//! and sizes are 32-bit unsigned (a trend below zero becomes a huge one, heaps wrap at 4 GiB), `n / 10` is an integer
//! division (so the damping of the first ten collections never happens), and a rate over less than a second is
//! −2147483648. The variant with those faults, for comparisons, belongs to the evaluation and not here.

use crate::model::Mono;

/// Collections that the recent base reaches back (`RECENT_PERIOD`).
const RECENT_PERIOD: f64 = 10.0;
/// Collections that the ancient base reaches back (`ANCIENT_PERIOD`).
const ANCIENT_PERIOD: f64 = 120.0;
/// Collections of growth in a row that node-memwatch calls a leak.
const GROWTH_RUN: u32 = 5;
/// Collections until the extremes are kept.
const SETTLED: u64 = 3;

/// node-memwatch's state.
#[derive(Clone, Debug, Default)]
pub struct Memwatch {
    full: u64,
    other: u64,
    /// Full collections of which the size after is known: what the averages are over.
    sized: u64,
    recent: f64,
    ancient: f64,
    last: u64,
    extremes: Option<(u64, u64)>,
    run: Run,
}

/// Growth without a break.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    length: u32,
    /// The collection that began it, and the size after that one: node-memwatch measures from there.
    start: Mono,
    base: u64,
}

/// node-memwatch's `stats` event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemwatchStats {
    /// Mark-compacts.
    pub num_full_gc: u64,
    /// Every other collection.
    pub num_inc_gc: u64,
    /// As node-memwatch counts them: equal to `num_full_gc`.
    pub heap_compactions: u64,
    /// Percent by which the recent base is above the ancient one, to one decimal.
    pub usage_trend: f64,
    /// Bytes after mark-compacts, smoothed over about ten of them: the recent base.
    pub estimated_base: f64,
    /// Bytes after the last mark-compact.
    pub current_base: u64,
    /// Smallest heap after a mark-compact; `None` until the third.
    pub min: Option<u64>,
    /// Largest heap after a mark-compact; `None` until the third.
    pub max: Option<u64>,
}

/// node-memwatch's `leak` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemwatchLeak {
    /// The first collection of the run.
    pub start: Mono,
    /// The last collection of the run.
    pub end: Mono,
    /// Bytes by which the heap grew between the two.
    pub growth: u64,
    /// In node-memwatch's words.
    pub reason: String,
}

impl Memwatch {
    /// Takes in a collection that is no mark-compact.
    pub fn other_collection(&mut self) {
        self.other += 1;
    }

    /// Takes in a mark-compact that ended at `at` and left `after` bytes; returns the event if it is due.
    pub fn full_collection(&mut self, at: Mono, after: Option<u64>) -> Option<MemwatchLeak> {
        self.full += 1;
        let after = after?;
        let leak = self.grow(at, after);
        self.sized += 1;
        self.last = after;
        self.average(after as f64);
        if self.sized >= SETTLED {
            let (min, max) = self.extremes.unwrap_or((after, after));
            self.extremes = Some((min.min(after), max.max(after)));
        }
        leak
    }

    /// The `stats` event; `None` before the first mark-compact with a known size.
    #[must_use]
    pub fn stats(&self) -> Option<MemwatchStats> {
        let trend = if self.ancient > 0.0 { (self.recent - self.ancient) / self.ancient } else { 0.0 };
        (self.sized > 0).then(|| MemwatchStats {
            num_full_gc: self.full,
            num_inc_gc: self.other,
            heap_compactions: self.full,
            usage_trend: (trend * 1000.0).round() / 10.0,
            estimated_base: self.recent,
            current_base: self.last,
            min: self.extremes.map(|e| e.0),
            max: self.extremes.map(|e| e.1),
        })
    }

    /// The leak rule. As in the original the first collection ever counts as growth, from nothing.
    fn grow(&mut self, at: Mono, after: u64) -> Option<MemwatchLeak> {
        if after <= self.last {
            self.run.length = 0;
            return None;
        }
        if self.run.length == 0 {
            self.run = Run { length: 0, start: at, base: after };
        }
        self.run.length += 1;
        if self.run.length < GROWTH_RUN {
            return None;
        }
        self.run.length = 0;
        let growth = after.saturating_sub(self.run.base);
        let seconds = at.since(self.run.start).as_secs();
        Some(MemwatchLeak { start: self.run.start, end: at, growth, reason: reason(growth, seconds) })
    }

    /// Both bases: exponential averages, damped while there are fewer than ten collections.
    fn average(&mut self, after: f64) {
        let n = self.sized as f64;
        let (recent, ancient) = if n < RECENT_PERIOD {
            let damped = |power| (n / RECENT_PERIOD).powf(power) * n;
            (damped(2.5), damped(2.4))
        } else {
            (RECENT_PERIOD - 1.0, n.min(ANCIENT_PERIOD) - 1.0)
        };
        // The first has no past to weigh against: the original starts from zero, which its missing damping hides.
        let first = self.sized == 1;
        let blend = |base: f64, weight: f64| {
            if first { after } else { (base * weight + after) / (weight + 1.0) }
        };
        self.recent = blend(self.recent, recent);
        self.ancient = blend(self.ancient, ancient);
    }
}

fn reason(growth: u64, seconds: u64) -> String {
    let seen = format!("heap growth over {GROWTH_RUN} consecutive GCs ({})", nice_delta(seconds));
    if seconds == 0 {
        return seen;
    }
    let hourly = growth as f64 / (seconds as f64 / 3600.0);
    format!("{seen} - {}/hr", nice_size(hourly))
}

/// `mw_util::niceSize`: binary units, at most two decimals, no trailing zeros.
fn nice_size(bytes: f64) -> String {
    let hundredths = |unit: f64| (bytes / unit * 100.0).round() / 100.0;
    if bytes > 1_048_576.0 {
        format!("{} mb", hundredths(1_048_576.0))
    } else if bytes > 1024.0 {
        format!("{} kb", hundredths(1024.0))
    } else {
        format!("{} bytes", bytes.trunc())
    }
}

/// `mw_util::niceDelta`: hours and minutes only beyond a whole one of them.
fn nice_delta(seconds: u64) -> String {
    let (hours, seconds) = split(seconds, 3600, "h ");
    let (minutes, seconds) = split(seconds, 60, "m ");
    format!("{hours}{minutes}{seconds}s")
}

fn split(seconds: u64, unit: u64, name: &str) -> (String, u64) {
    if seconds > unit {
        (format!("{}{name}", seconds / unit), seconds % unit)
    } else {
        (String::new(), seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sizes: &[u64]) -> (Memwatch, Vec<MemwatchLeak>) {
        let mut memwatch = Memwatch::default();
        let at = |i: usize| Mono(i as u64 * 5_000_000_000);
        let leaks =
            sizes.iter().enumerate().filter_map(|(i, &size)| memwatch.full_collection(at(i), Some(size)));
        let leaks = leaks.collect();
        (memwatch, leaks)
    }

    #[test]
    fn five_in_a_row_is_a_leak_in_its_own_words() {
        let mib = 1 << 20;
        let (_, leaks) = run(&[8 * mib, 9 * mib, 10 * mib, 11 * mib, 12 * mib, 13 * mib]);
        let [leak] = leaks.as_slice() else { panic!("one event, not {leaks:?}") };
        assert_eq!((leak.start, leak.end, leak.growth), (Mono(0), Mono(20_000_000_000), 4 * mib));
        assert_eq!(leak.reason, "heap growth over 5 consecutive GCs (20s) - 720 mb/hr");
    }

    #[test]
    fn a_break_or_a_tie_starts_over() {
        for sizes in [[1, 2, 3, 4, 4, 5], [1, 2, 3, 4, 3, 4], [6, 5, 4, 3, 2, 1]] {
            assert_eq!(run(&sizes).1, [], "{sizes:?}");
        }
        assert_eq!(run(&[9, 1, 2, 3, 4, 5, 6]).1.len(), 1);
    }

    #[test]
    fn no_rate_over_less_than_a_second() {
        assert_eq!(reason(1 << 20, 0), "heap growth over 5 consecutive GCs (0s)");
        assert_eq!(reason(1 << 20, 1), "heap growth over 5 consecutive GCs (1s) - 3600 mb/hr");
    }

    #[test]
    fn sizes_and_durations_read_as_the_original_prints_them() {
        for (bytes, text) in [
            (12_236_882.0, "11.67 mb"),
            (1024.0, "1024 bytes"),
            (1536.0, "1.5 kb"),
            (1e12, "953674.32 mb"),
            (0.7, "0 bytes"),
        ] {
            assert_eq!(nice_size(bytes), text);
        }
        for (seconds, text) in [(0, "0s"), (60, "60s"), (61, "1m 1s"), (3601, "1h 1s"), (7325, "2h 2m 5s")] {
            assert_eq!(nice_delta(seconds), text);
        }
    }

    #[test]
    fn bases_follow_the_heap_and_the_trend_has_a_sign() {
        let (flat, _) = run(&[100; 30]);
        let stats = flat.stats().unwrap();
        assert!((stats.estimated_base - 100.0).abs() < 1e-9);
        assert_eq!((stats.usage_trend, stats.min, stats.max), (0.0, Some(100), Some(100)));
        let falling: Vec<u64> = (0..60).map(|i| 10_000 - i * 100).collect();
        assert!(run(&falling).0.stats().unwrap().usage_trend < -10.0);
        let rising: Vec<u64> = (0..60).map(|i| 10_000 + i * 100).collect();
        assert!(run(&rising).0.stats().unwrap().usage_trend > 5.0);
    }

    #[test]
    fn the_bases_are_the_formulas_by_hand() {
        // n = 2: recent weight (2/10)^2.5 * 2 = 0.035777; n = 10: nine parts of the old, one of the new.
        let (two, _) = run(&[1000, 2000]);
        assert!(
            (two.stats().unwrap().estimated_base - (1000.0 * 0.035_777 + 2000.0) / 1.035_777).abs() < 0.01
        );
        let (ten, _) = run(&[1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 2000]);
        let stats = ten.stats().unwrap();
        assert!((stats.estimated_base - 1100.0).abs() < 1e-6);
        assert_eq!((stats.min, stats.max, stats.current_base), (Some(1000), Some(2000), 2000));
    }

    #[test]
    fn extremes_start_with_the_third_and_unknown_sizes_are_only_counted() {
        let (mut memwatch, _) = run(&[1, 9]);
        assert_eq!(memwatch.stats().unwrap().min, None);
        memwatch.other_collection();
        assert_eq!(memwatch.full_collection(Mono(1), None), None);
        let stats = memwatch.stats().unwrap();
        assert_eq!((stats.num_full_gc, stats.heap_compactions, stats.num_inc_gc), (3, 3, 1));
        assert_eq!((stats.min, stats.current_base), (None, 9));
        assert_eq!(Memwatch::default().stats(), None);
    }
}
