//! The judge of one series: a verdict at each new point, and how it lasts.

use super::{
    growth::Growth,
    level::level,
    questions::{Evidence, all},
    subject::Subject,
};
use crate::{
    detect::{
        Finding, Kind, Level,
        follow::{self, explained, grew_as_well, resembles, roughly_explained},
        gates::hourly,
        kinds::{Claim, Verdict},
        trend::{Point, Z_80, Z_95},
    },
    model::Mono,
    series::Series,
    vocabulary::{
        Reason, Seen,
        reason::{Course, Independent, Load},
    },
};

/// Points in a row that must speak against a verdict before it is taken back.
const FAILURES_TO_CLEAR: u32 = 4;
/// What is back within this share of its growth has been given back.
const FALLEN_BACK: f64 = 0.1;
/// Growth by this share of what is material may explain another's.
const EXPLAINS: f64 = 0.25;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// What a judge is told beside the series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) now: Mono,
    /// How old the process was when its series began, seconds.
    pub(super) age_s: f64,
    /// How much of what the series uses up is left, in its unit.
    pub(super) left: Option<f64>,
    /// What the series may only follow.
    pub(super) loads: &'a [LoadCourse],
}

/// The course of one measure of the load.
#[derive(Clone, Debug)]
pub(super) struct LoadCourse {
    pub(super) measure: Load,
    pub(super) points: Vec<Point>,
    /// If it grew by less, nothing follows it.
    pub(super) least_growth: f64,
    /// Nothing holds more for each unit of it.
    pub(super) most_each: f64,
}

/// Judges one series; keeps what a verdict needs to persist and to be taken back.
#[derive(Clone, Debug)]
pub(super) struct SeriesJudge {
    pub(super) subject: &'static Subject,
    pub(super) finding: Finding,
    /// 80 % interval of the rate, an hour: for forecasts.
    pub(super) narrow: [f64; 2],
    /// The load that it follows.
    pub(super) load: Option<Load>,
    /// Buckets at the last judgement.
    judged: u64,
    /// The last judgement found a leak that the next has to confirm.
    awaits_confirmation: bool,
    failures: u32,
    /// Where the growth began that the verdict is about, and how far it had come when it was called.
    called: (f64, f64),
}

impl SeriesJudge {
    pub(super) fn new(subject: &'static Subject) -> Self {
        let reasons = vec![Reason::plain(Seen::FewReadings { of: subject.what })];
        Self {
            subject,
            finding: Finding { unit: subject.unit, reasons, ..Finding::nothing_yet(Mono::default()) },
            narrow: [0.0; 2],
            load: None,
            judged: 0,
            awaits_confirmation: false,
            failures: 0,
            called: (0.0, 0.0),
        }
    }

    /// Whether a bucket has closed since the last time.
    pub(super) fn has_news(&self, series: &Series) -> bool {
        series.buckets.begun() != self.judged
    }

    /// Judges `series` if there is news of it.
    pub(super) fn judge(&mut self, series: &Series, around: &Around) {
        if !self.has_news(series) {
            return;
        }
        self.judged = series.buckets.begun();
        let settled_s = self.subject.start_up_s - around.age_s;
        if let Some(growth) = Growth::of(series.buckets.closed(), settled_s) {
            let lows: Vec<Point> = series.epochs.lows().collect();
            self.look(&growth, &lows, around);
        }
    }

    /// What it claims about `kind`, of which `series` is the measure.
    pub(super) fn claim(&self, kind: Kind, series: &Series) -> Claim {
        Claim {
            verdict: Verdict { isolate: None, kind, finding: self.finding.clone() },
            points: series.buckets.closed().to_vec(),
            explains_from: EXPLAINS * self.subject.material,
            narrow: self.narrow,
            is_companion: false,
        }
    }

    fn look(&mut self, growth: &Growth, lows: &[Point], around: &Around) {
        let mut gates = all(&Evidence { subject: self.subject, growth, lows });
        self.load = None;
        if gates.iter().all(Reason::passes) {
            gates.extend(around.loads.iter().filter_map(|load| self.follows(growth, load)));
        }
        let left_s = around.left.map(|left| left / growth.trend.slope).filter(|left| *left >= 0.0);
        let level = level(self.subject, growth, &gates, left_s);
        let level = self.confirmed(level);
        let level = self.held(level, growth);
        self.say(level, around.now, growth, &gates);
    }

    /// A question that is asked last, and that only those answer who do not pass: is it its own growth?
    fn follows(&mut self, growth: &Growth, load: &LoadCourse) -> Option<Reason> {
        let (series, driver) = (&growth.points, &load.points);
        let grew = follow::growth(driver) >= load.least_growth;
        if !grew || !(grew_as_well(series, driver) || resembles(series, driver)) {
            return None;
        }
        let explained = match load.measure {
            Load::Sockets => explained,
            Load::Allocation => roughly_explained,
        };
        let each = explained(series, driver).filter(|each| *each <= load.most_each)?;
        self.load = Some(load.measure);
        let each = Some(each).filter(|_| load.measure == Load::Sockets);
        let seen = Independent::Follows { load: load.measure, each };
        Some(Reason::test(Seen::Independent(seen), false))
    }

    /// Makes a leak a suspicion until the next point says the same.
    fn confirmed(&mut self, level: Level) -> Level {
        let confirms = std::mem::replace(&mut self.awaits_confirmation, level == Level::Leak);
        let is_known = self.finding.level == Level::Leak;
        if level == Level::Leak && !confirms && !is_known { Level::Suspect } else { level }
    }

    /// Keeps an alarm until several points in a row speak against it, or most of what had come is gone.
    fn held(&mut self, level: Level, growth: &Growth) -> Level {
        let (last, value) = (self.finding.level, growth.last().1);
        if last < Level::Growing {
            self.called = (growth.first().1, value);
        }
        self.called.1 = self.called.1.max(value);
        if level >= last || last < Level::Growing {
            self.failures = 0;
            return level;
        }
        if last == Level::Leak && level == Level::Suspect {
            self.failures = 0;
            return last;
        }
        self.failures += 1;
        let (base, top) = self.called;
        let fell_back = value <= base + FALLEN_BACK * (top - base);
        if self.failures < FAILURES_TO_CLEAR && !fell_back { last } else { level }
    }

    fn say(&mut self, level: Level, now: Mono, growth: &Growth, gates: &[Reason]) {
        let last = &self.finding;
        let since = if level == last.level { last.since } else { now };
        let per_hour = |x: f64| x * SECONDS_PER_HOUR;
        let (slope, narrow) = (growth.trend.slope, growth.trend.interval(Z_80));
        self.narrow = [narrow[0].unwrap_or(0.0), narrow[1].unwrap_or(slope)].map(per_hour);
        self.finding = Finding {
            level,
            unit: self.subject.unit,
            rate: Some(per_hour(slope)),
            rate_interval: Some(growth.trend.interval(Z_95).map(|end| end.map(per_hour))),
            since,
            confidence: Some(1.0 - growth.trend.p),
            exhaustion: None,
            of_takes: false,
            reasons: self.reasons(growth, gates),
        };
    }

    fn reasons(&self, growth: &Growth, gates: &[Reason]) -> Vec<Reason> {
        let course = Course {
            of: self.subject.what,
            first: growth.first().1,
            last: growth.last().1,
            span_s: growth.span(),
            rate_per_hour: hourly(growth.trend.slope),
            full_collections: None,
            takes: None,
            since_birth: false,
        };
        std::iter::once(Reason::plain(Seen::Course(course))).chain(gates.iter().cloned()).collect()
    }
}
