//! The verdict on one isolate's heap, and how it lasts.

use std::time::Duration;

use super::{
    Finding, Level, Unit, exhaustion,
    gates::{self, Gate, hourly},
    shape::{MIN_POINTS, Shape},
    tier::{Tier, tier},
    trend::{Z_80, Z_95},
};
use crate::{model::Mono, series::Isolate, units::size};

/// Share of lost collections above which nothing is claimed.
const MAX_LOST_SHARE: f64 = 0.1;
/// Valleys in a row that must speak against a verdict before it is taken back.
const FAILURES_TO_CLEAR: u32 = 4;
/// A heap that is back within this share of where its growth began has dropped what it held.
const FALLEN_BACK: f64 = 0.1;
/// Share of the limit from which V8 collects so often that the process slows down, and its growth in time with it.
const STORM_SHARE: f64 = 0.75;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// What the series cannot tell.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How long the isolate had existed when it was first seen: its process's age at the attach, zero if we saw its
    /// birth. A young process warms up; an old one has done so.
    pub age: Duration,
    /// Share of the isolate's collections that were lost, 0 to 1.
    pub lost_share: f64,
}

/// Judges one isolate's heap; keeps what a verdict needs to persist and to be taken back.
#[derive(Clone, Debug)]
pub struct HeapJudge {
    finding: Finding,
    /// Valleys at the last judgement.
    judged: u64,
    /// The last judgement found a leak that the next has to confirm.
    awaits_confirmation: bool,
    failures: u32,
    /// Where the growth began that the verdict is about, bytes.
    base: f64,
    rate: Option<Rate>,
    /// A question that is not asked.
    ignored: Option<&'static str>,
}

/// A slope with its intervals, bytes a second.
#[derive(Clone, Copy, Debug)]
struct Rate {
    slope: f64,
    wide: [Option<f64>; 2],
    narrow: [Option<f64>; 2],
}

impl HeapJudge {
    /// A judge who has seen nothing yet; `since` is when the isolate was first seen.
    #[must_use]
    pub fn new(since: Mono) -> Self {
        let finding = Finding::nothing_yet(since);
        Self {
            finding,
            judged: 0,
            awaits_confirmation: false,
            failures: 0,
            base: 0.0,
            rate: None,
            ignored: None,
        }
    }

    /// A judge who does not ask one of [`gates::NAMES`]: for measuring what that question is good for.
    #[must_use]
    pub fn without(self, gate: &'static str) -> Self {
        Self { ignored: Some(gate), ..self }
    }

    /// The last verdict.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Judges `isolate` at `now`. Call it after every mark-compact and once at the end; in between nothing new can be
    /// said but that enough time has passed, and a second call without a new mark-compact raises no alarm.
    pub fn judge(&mut self, isolate: &Isolate, now: Mono, circumstances: &Circumstances) -> &Finding {
        if circumstances.lost_share > MAX_LOST_SHARE {
            self.give_up(now, circumstances.lost_share);
            return &self.finding;
        }
        let is_new = isolate.valleys.opened() != self.judged;
        if is_new || self.finding.level == Level::Inconclusive {
            self.judged = isolate.valleys.opened();
            self.look(isolate, now, circumstances.age.as_secs_f64(), is_new);
        }
        &self.finding
    }

    fn look(&mut self, isolate: &Isolate, now: Mono, age: f64, is_new: bool) {
        let valleys = isolate.valleys.points();
        let Some(shape) = Shape::of(valleys, age, isolate.room()) else {
            self.finding.evidence = vec![too_few(isolate.valleys.seen())];
            return;
        };
        let mut gates = gates::all(&shape).to_vec();
        gates.retain(|gate| self.ignored != Some(gate.name));
        let watched = now.since(isolate.since).as_secs_f64();
        let tier = tier(&shape, &gates, watched, age + watched);
        let storm = is_storm(&shape) && self.rate.is_some();
        let level = self.confirmed(tier, is_new);
        let level = if is_new { self.held(level, &shape, storm) } else { level };
        if !storm {
            self.rate = Some(Rate::of(&shape));
        }
        self.say(level, now, &shape, &gates);
    }

    /// Makes a leak that needs confirmation a suspicion until the next mark-compact says the same.
    fn confirmed(&mut self, tier: Tier, is_new: bool) -> Level {
        let confirms = self.awaits_confirmation && is_new;
        if is_new {
            self.awaits_confirmation = tier.unconfirmed;
        }
        let is_known = self.finding.level == Level::Leak;
        if tier.unconfirmed && !confirms && !is_known { Level::Suspect } else { tier.level }
    }

    /// Keeps an alarm until several mark-compacts in a row speak against it, or the heap has fallen back.
    fn held(&mut self, level: Level, shape: &Shape, storm: bool) -> Level {
        let last = self.finding.level;
        if last == Level::Leak && level == Level::Suspect {
            // It has the marks of a leak still; only the points at hand span less than a first call takes.
            self.failures = 0;
            return last;
        }
        if level >= last || last < Level::Suspect {
            if level >= Level::Suspect && last < Level::Suspect {
                self.base = shape.first().1;
            }
            self.failures = 0;
            return level;
        }
        if !storm {
            self.failures += 1;
        }
        let fell_back = shape.last().1 <= self.base * (1.0 + FALLEN_BACK);
        if self.failures < FAILURES_TO_CLEAR && !fell_back { last } else { level }
    }

    fn say(&mut self, level: Level, now: Mono, shape: &Shape, gates: &[Gate]) {
        let since = if level == self.finding.level { self.finding.since } else { now };
        let rate = self.rate.filter(|_| shape.points.len() >= 3);
        let per_hour = |x: f64| x * SECONDS_PER_HOUR;
        self.finding = Finding {
            level,
            unit: Unit::Bytes,
            rate: rate.map(|r| per_hour(r.slope)),
            rate_interval: rate.map(|r| r.wide.map(|end| end.map(per_hour))),
            since,
            confidence: Some(1.0 - shape.trend.p),
            exhaustion: rate.filter(|_| level >= Level::Growing).and_then(|r| r.exhaustion(shape)),
            evidence: evidence(shape, gates),
        };
    }

    fn give_up(&mut self, now: Mono, lost_share: f64) {
        let since = if self.finding.level == Level::Inconclusive { self.finding.since } else { now };
        let why = format!("{:.0} % of the collections were lost", lost_share * 100.0);
        self.finding = Finding { evidence: vec![why], ..Finding::nothing_yet(since) };
        self.failures = 0;
    }
}

impl Rate {
    fn of(shape: &Shape) -> Self {
        let trend = &shape.trend;
        Self { slope: trend.slope, wide: trend.interval(Z_95), narrow: trend.interval(Z_80) }
    }

    /// From the 80 % interval: together with the two bounds of the limit a wider one would say nothing.
    fn exhaustion(self, shape: &Shape) -> Option<super::Exhaustion> {
        let low = self.narrow[0].unwrap_or(0.0);
        let high = self.narrow[1].unwrap_or(self.slope);
        let hourly = [low, high].map(|x| x * SECONDS_PER_HOUR);
        exhaustion::exhaustion(shape.last().1, shape.limit?, hourly)
    }
}

fn too_few(seen: u64) -> String {
    match seen {
        0 => "no mark-compact so far".to_owned(),
        1 => "only one mark-compact so far".to_owned(),
        _ => format!("only {seen} mark-compacts so far"),
    }
}

fn is_storm(shape: &Shape) -> bool {
    shape.limit.is_some_and(|limit| shape.last().1 > STORM_SHARE * limit)
}

fn evidence(shape: &Shape, gates: &[Gate]) -> Vec<String> {
    let (from, to) = (size(shape.first().1), size(shape.last().1));
    let (n, span, rate) = (shape.points.len(), shape.span(), hourly(shape.trend.slope));
    let seen = format!("heap after mark-compacts: {from} to {to} in {span:.0} s and {n} of them, {rate}");
    if n < MIN_POINTS {
        return vec![seen, format!("{MIN_POINTS} mark-compacts are needed for a verdict of leak")];
    }
    std::iter::once(seen).chain(gates.iter().map(Gate::evidence)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::valleys::tests::mark_compact;

    const MIB: u64 = 1 << 20;
    const OLD: Circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };

    /// A judge and an isolate that keeps 1 MiB/s, judged at a mark-compact every ten seconds.
    fn leaking(mark_compacts: u64, limit: u64) -> (HeapJudge, Isolate) {
        let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(limit));
        let mut judge = HeapJudge::new(Mono(0));
        for i in 1..=mark_compacts {
            feed(&mut judge, &mut isolate, i * 10, 20 + i * 10);
        }
        (judge, isolate)
    }

    fn feed(judge: &mut HeapJudge, isolate: &mut Isolate, seconds: u64, live_mib: u64) {
        let c = mark_compact(seconds as f64, (live_mib + 5) * MIB, live_mib * MIB);
        isolate.collection(&c, None);
        judge.judge(isolate, c.end, &OLD);
    }

    #[test]
    fn a_leak_has_rate_interval_forecast_and_evidence() {
        let (judge, _) = leaking(6, 1000 * MIB);
        let finding = judge.finding();
        let hourly = 3600.0 * MIB as f64;
        assert_eq!((finding.level, finding.since), (Level::Leak, Mono(50_000_000_000)));
        assert_eq!((finding.rate, finding.rate_interval), (Some(hourly), Some([Some(hourly); 2])));
        let left = finding.exhaustion.map(|e| (e.earliest_s.round(), e.latest_s.map(f64::round)));
        assert_eq!(left, Some((720.0, Some(920.0))));
        assert_eq!(finding.evidence.len(), 7);
        assert!(finding.evidence[1..].iter().all(|e| e.contains(" yes: ")), "{:?}", finding.evidence);
        assert!(finding.confidence.is_some_and(|c| c > 0.99));
    }

    /// As the demo does it: a few MiB a second, mark-compacts every one to three seconds, the base wobbling with them.
    #[test]
    fn a_fast_leak_that_goes_on_stays_a_leak() {
        let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(4096 * MIB));
        let mut judge = HeapJudge::new(Mono(0));
        let young = Circumstances { age: Duration::from_secs(1), lost_share: 0.0 };
        let (mut at, mut called) = (2_u64, None);
        for i in 0..250_u64 {
            at += 1 + i % 3;
            let live = 8 + at * 5 / 2 + [0, 3, 1, 4, 2][(i % 5) as usize];
            let c = mark_compact(at as f64, (live + 4) * MIB, live * MIB);
            isolate.collection(&c, None);
            let level = judge.judge(&isolate, c.end, &young).level;
            assert!(called.is_none() || level == Level::Leak, "{level:?} at {at} s, called at {called:?}");
            called = called.or((level == Level::Leak).then_some(at));
        }
        assert!(called.is_some_and(|at| at <= 45), "called at {called:?}");
    }

    #[test]
    fn no_level_rises_without_a_new_mark_compact() {
        let (mut judge, isolate) = leaking(4, 1000 * MIB);
        let before = judge.finding().clone();
        assert_eq!(before.level, Level::Suspect);
        for at in [41, 600, 86_400] {
            assert_eq!(*judge.judge(&isolate, Mono(at * 1_000_000_000), &OLD), before);
        }
    }

    #[test]
    fn much_loss_makes_it_inconclusive_until_the_next_valley() {
        let (mut judge, mut isolate) = leaking(6, 1000 * MIB);
        let lossy = Circumstances { lost_share: 0.2, ..OLD };
        let finding = judge.judge(&isolate, Mono(61_000_000_000), &lossy);
        assert_eq!((finding.level, finding.rate), (Level::Inconclusive, None));
        feed(&mut judge, &mut isolate, 70, 90);
        assert_eq!(judge.finding().level, Level::Leak);
    }

    #[test]
    fn near_the_limit_the_last_undisturbed_rate_stands() {
        let (mut judge, mut isolate) = leaking(6, 100 * MIB);
        let rate = judge.finding().rate;
        for i in 0..10 {
            feed(&mut judge, &mut isolate, 100 + i * 5, 85 + i / 4);
        }
        assert_eq!((judge.finding().level, judge.finding().rate), (Level::Leak, rate));
    }

    #[test]
    fn a_heap_that_fell_back_ends_the_alarm_at_once_and_a_plateau_after_four() {
        let (mut judge, mut isolate) = leaking(6, 1000 * MIB);
        feed(&mut judge, &mut isolate, 70, 30);
        assert!(judge.finding().level < Level::Suspect);

        let (mut judge, mut isolate) = leaking(6, 1000 * MIB);
        let levels: Vec<Level> = (7..20)
            .map(|i| {
                feed(&mut judge, &mut isolate, i * 10, 80);
                judge.finding().level
            })
            .collect();
        let held = levels.iter().take_while(|&&level| level == Level::Leak).count();
        assert!((3..=8).contains(&held) && levels.last() < Some(&Level::Suspect), "{levels:?}");
    }

    #[test]
    fn nothing_seen_is_inconclusive_and_says_so() {
        let isolate = Isolate::new(1, 1, false, Mono(0), None);
        let mut judge = HeapJudge::new(Mono(0));
        let finding = judge.judge(&isolate, Mono(90_000_000_000), &OLD);
        assert_eq!((finding.level, finding.confidence), (Level::Inconclusive, None));
        assert_eq!(finding.evidence, ["no mark-compact so far"]);
    }
}
