//! The verdict on one isolate's heap, and how it lasts.

use std::time::Duration;

use super::{
    Finding, Level, Unit,
    basis::Basis,
    evidence, exhaustion, gates,
    recent::{Recent, SCALES},
    shape::Shape,
    tier::{Tier, tier},
    trend::{Z_80, Z_95},
};
use crate::{
    model::Mono,
    series::{Isolate, Valleys},
    vocabulary::{Question, Reason, Seen},
};

/// Share of lost collections above which nothing is claimed.
const MAX_LOST_SHARE: f64 = 0.1;
/// A process that is older has loaded its modules and filled what it fills at its start.
const PAST_START: Duration = Duration::from_secs(60);
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
    recent: Recent,
    /// At which scales the last look at the recent past found a leak.
    found: [bool; SCALES],
    /// The scale that the alarm comes from; `None` if it comes from the whole time.
    scale: Option<usize>,
    /// A question that is not asked.
    ignored: Option<Question>,
    basis: Basis,
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
            recent: Recent::default(),
            found: [false; SCALES],
            scale: None,
            ignored: None,
            basis: Basis::FullCollections,
        }
    }

    /// Goes by takes from now on, of which it is known whether a place of the program's own holds what grows.
    pub(super) fn holds(&mut self, is_held: bool, age: Duration) {
        let is_past_start = age >= PAST_START;
        self.basis = if is_held && is_past_start { Basis::TakesOfHolder } else { Basis::Takes };
    }

    /// One who judges by takes of the heap.
    #[must_use]
    pub fn of_takes(since: Mono) -> Self {
        Self { basis: Basis::Takes, ..Self::new(since) }
    }

    /// A judge who does not ask one of [`gates::QUESTIONS`]: for measuring what that question is good for.
    #[must_use]
    pub fn without(self, question: Question) -> Self {
        Self { ignored: Some(question), ..self }
    }

    /// The last verdict.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// Judges `isolate` at `now`. Call it after every mark-compact (or take) and once at the end; in between nothing new can
    /// be said but that enough time has passed, and a second call without a new one raises no alarm.
    pub fn judge(&mut self, isolate: &Isolate, now: Mono, circumstances: &Circumstances) -> &Finding {
        if circumstances.lost_share > MAX_LOST_SHARE {
            self.give_up(now, circumstances.lost_share);
            return &self.finding;
        }
        let Some(valleys) = self.points(isolate) else { return &self.finding };
        let is_new = valleys.opened() != self.judged;
        let age = circumstances.age.as_secs_f64();
        if is_new || self.finding.level == Level::Inconclusive {
            self.judged = valleys.opened();
            self.look(isolate, valleys, now, age, is_new);
        }
        for (scale, shape) in self.recent.look(valleys, age, isolate.room()) {
            self.look_back(scale, shape, now);
        }
        &self.finding
    }

    fn points<'a>(&self, isolate: &'a Isolate) -> Option<&'a Valleys> {
        match self.basis {
            Basis::FullCollections => Some(&isolate.valleys),
            Basis::Takes | Basis::TakesOfHolder => isolate.takes.as_deref(),
        }
    }

    fn look(&mut self, isolate: &Isolate, valleys: &Valleys, now: Mono, age: f64, is_new: bool) {
        let Some(shape) = Shape::of(valleys.points(), age, isolate.room()) else {
            let times: Vec<f64> = valleys.points().iter().map(|valley| valley.t).collect();
            self.finding.reasons = vec![evidence::too_few(self.basis, valleys.seen(), &times)];
            return;
        };
        let watched = now.since(isolate.since).as_secs_f64();
        let gates = self.asked(&shape);
        let tier = self.certain(tier(&shape, valleys.climbs(), &gates, watched), isolate, &shape);
        if self.scale.is_some() && tier.level < Level::Leak {
            return;
        }
        self.scale = None;
        let storm = is_storm(&shape) && self.rate.is_some();
        let level = self.confirmed(tier, is_new);
        let level = if is_new { self.held(level, &shape, storm) } else { level };
        if !storm {
            self.rate = Some(Rate::of(&shape));
        }
        self.say(level, now, &shape, evidence::of(self.basis, &shape, &gates, level, watched));
    }

    /// What takes find is what is there at least: they may miss a part, as the chain of spans that hung on a timer was missed by five
    /// of six. So nothing is stable beside what has come to be reachable, nor beside what has come since the last full collection, of
    /// which V8 has not said that it is garbage.
    fn certain(&self, tier: Tier, isolate: &Isolate, shape: &Shape) -> Tier {
        let (first, last) = (shape.first().1, shape.last().1);
        let is_open = || gates::matters(last - first, first) || gates::matters(isolate.uncollected(), last);
        if self.basis.is_read() && tier.level == Level::Stable && is_open() {
            return Tier { level: Level::Inconclusive, ..tier };
        }
        tier
    }

    /// Takes account of the recent past at one scale: a leak that is found there twice in a row is one, until four looks
    /// in a row find none or the heap has fallen back. `shape` is `None` where nothing new is.
    fn look_back(&mut self, scale: usize, shape: Option<Shape>, now: Mono) {
        let gates = shape.as_ref().map_or(Vec::new(), |shape| self.asked(shape));
        let leak = shape.filter(|shape| tier(shape, &[], &gates, shape.span()).level == Level::Leak);
        let again = std::mem::replace(&mut self.found[scale], leak.is_some());
        match leak {
            Some(shape) if again && (self.finding.level < Level::Leak || self.scale == Some(scale)) => {
                self.alarm(scale, &shape, &gates, now);
            }
            None if self.scale == Some(scale) => self.doubt(),
            _ => {}
        }
    }

    fn alarm(&mut self, scale: usize, shape: &Shape, gates: &[Reason], now: Mono) {
        if self.scale.is_none() {
            self.base = shape.first().1;
        }
        (self.scale, self.failures) = (Some(scale), 0);
        if !is_storm(shape) || self.rate.is_none() {
            self.rate = Some(Rate::of(shape));
        }
        self.say(Level::Leak, now, shape, evidence::of(self.basis, shape, gates, Level::Leak, shape.span()));
    }

    /// The recent past no longer shows the leak that it showed: after four times the whole time is judged again.
    fn doubt(&mut self) {
        self.failures += 1;
        if self.failures >= FAILURES_TO_CLEAR {
            self.scale = None;
        }
    }

    /// The questions that are asked, and the answers.
    fn asked(&self, shape: &Shape) -> Vec<Reason> {
        let is_ignored = |answer: &Reason| self.ignored.is_some() && answer.question() == self.ignored;
        gates::all(self.basis, shape).into_iter().filter(|answer| !is_ignored(answer)).collect()
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

    fn say(&mut self, level: Level, now: Mono, shape: &Shape, reasons: Vec<Reason>) {
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
            of_takes: self.basis.is_read(),
            reasons,
        };
    }

    fn give_up(&mut self, now: Mono, lost_share: f64) {
        let since = if self.finding.level == Level::Inconclusive { self.finding.since } else { now };
        let why = Reason::plain(Seen::Lost { share: lost_share });
        self.finding = Finding { reasons: vec![why], ..Finding::nothing_yet(since) };
        (self.failures, self.scale) = (0, None);
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

fn is_storm(shape: &Shape) -> bool {
    shape.limit.is_some_and(|limit| shape.last().1 > STORM_SHARE * limit)
}

#[cfg(test)]
mod tests;
