//! Verdicts on all kinds of memory of one process, reconciled: one cause is named once, and what only comes along with
//! it is not called a leak too.

use super::{
    Finding, Kind, Level, Unit,
    follow::{explained, growth},
    trend::Point,
};
use crate::vocabulary::{Reason, Seen, reason::Other};

/// A verdict on one kind of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which isolate; `None` if it is about the process.
    pub isolate: Option<u32>,
    /// Which memory.
    pub kind: Kind,
    /// What is said of it.
    pub finding: Finding,
}

/// A verdict before it is reconciled with the others.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) verdict: Verdict,
    /// The series that it is about, or that its kind's sum is.
    pub(super) points: Vec<Point>,
    /// Less growth than this explains nothing.
    pub(super) explains_from: f64,
    /// 80 % interval of the rate, an hour.
    pub(super) narrow: [f64; 2],
    /// It only comes along with another.
    pub(super) is_companion: bool,
}

impl Claim {
    /// What was found of one isolate's heap; `points` are of all heaps together.
    pub(super) fn of_heap(isolate: u32, finding: &Finding, points: &[Point]) -> Self {
        let ends = finding.rate_interval.unwrap_or_default();
        let low = ends[0].unwrap_or(0.0);
        let high = ends[1].or(finding.rate).unwrap_or(0.0);
        Self {
            verdict: Verdict { isolate: Some(isolate), kind: Kind::JsHeap, finding: finding.clone() },
            points: points.to_vec(),
            explains_from: MIB,
            narrow: [low, high],
            is_companion: false,
        }
    }

    /// The claim at no higher a level.
    pub(super) fn at_most(mut self, level: Level) -> Self {
        self.verdict.finding.level = self.verdict.finding.level.min(level);
        self
    }

    fn demote(&mut self, why: Seen) {
        let finding = &mut self.verdict.finding;
        finding.level = finding.level.min(Level::Growing);
        finding.reasons.push(Reason::plain(why));
        self.is_companion = true;
    }
}

const MIB: f64 = 1_048_576.0;
/// The most that one descriptor brings along: a TLS connection with its buffers.
const MOST_FOR_DESCRIPTOR: f64 = 0.25 * MIB;
/// The most that one worker does.
const MOST_FOR_ISOLATE: f64 = 128.0 * MIB;
/// And descriptors: its loop's epoll, its pipes and events.
const MOST_DESCRIPTORS_FOR_ISOLATE: f64 = 32.0;

/// The most that V8 takes from malloc beside each byte of its heaps, of the pages of which it keeps books there: what it marks
/// objects in, places of references, lists of free memory. Of heaps that grow it was 0.7 % (Node 22) and 4 % (Node 26).
const MOST_BOOKS: f64 = 0.08;

/// Whether it is memory that may be another's companion, or have companions.
const fn is_cause(kind: Kind) -> bool {
    !matches!(kind, Kind::Fragmentation | Kind::Load | Kind::None)
}

/// Lowers what only comes along with another to `growing`, and tells each alarm what the other kinds do.
pub(super) fn reconcile(claims: &mut [Claim]) {
    claims.sort_by_key(|claim| (claim.verdict.kind, claim.verdict.isolate));
    for i in 0..claims.len() {
        for j in i + 1..claims.len() {
            if let Some((companion, why)) = companion(&claims[i], &claims[j]) {
                claims[if companion == Companion::Second { j } else { i }].demote(why);
            }
        }
    }
    let others: Vec<Other> = claims.iter().map(summary).collect();
    for claim in claims.iter_mut().filter(|claim| claim.verdict.finding.level >= Level::Suspect) {
        rule_out(claim, &others);
    }
}

/// Takes V8's own books of its heaps for no growth of malloc's: they come with the pages, long before enough full collections tell
/// whether the heaps grow. `heaps`: what is there of these.
pub(super) fn books_of_heaps(claims: &mut [Claim], heaps: &[Point]) {
    for claim in claims.iter_mut().filter(|claim| claim.verdict.kind == Kind::Native) {
        let finding = &mut claim.verdict.finding;
        let grows = finding.level >= Level::Growing;
        if let Some(each) = explained(&claim.points, heaps).filter(|each| grows && *each <= MOST_BOOKS) {
            finding.level = Level::Inconclusive;
            let times = Some(1.0 / each);
            finding.reasons.push(Reason::plain(Seen::Companion { of: Kind::JsHeap, each: None, times }));
            claim.is_companion = true;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Companion {
    First,
    Second,
}

/// Which of two claims only comes along with the other, and the reason that says so. `first` is of the kind that is
/// sought first.
fn companion(first: &Claim, second: &Claim) -> Option<(Companion, Seen)> {
    let (a, b) = (first.verdict.kind, second.verdict.kind);
    let known = first.is_companion || second.is_companion;
    if known || a == b || !is_cause(a) || !is_cause(b) {
        return None;
    }
    if first.verdict.finding.unit == Unit::Count {
        return along(first, second).map(|why| (Companion::Second, why));
    }
    let larger = if rise(second) > rise(first) { Companion::First } else { Companion::Second };
    let why = match larger {
        Companion::First => in_step(second, first)?,
        Companion::Second => in_step(first, second)?,
    };
    Some((larger, why))
}

/// What comes along with each thing that is counted.
fn along(cause: &Claim, other: &Claim) -> Option<Seen> {
    let most = match (cause.verdict.kind, other.verdict.finding.unit) {
        (Kind::Isolates, Unit::Count) => MOST_DESCRIPTORS_FOR_ISOLATE,
        (Kind::Isolates, Unit::Bytes) => MOST_FOR_ISOLATE,
        _ => MOST_FOR_DESCRIPTOR,
    };
    let each = follows(cause, other).filter(|each| *each <= most)?;
    Some(Seen::Companion { of: cause.verdict.kind, each: Some(each), times: None })
}

/// What is in step with memory that grows by more.
fn in_step(cause: &Claim, other: &Claim) -> Option<Seen> {
    follows(cause, other)?;
    let times = rise(cause) / rise(other);
    Some(Seen::Companion { of: cause.verdict.kind, each: None, times: Some(times) })
}

/// How much of `other` there is for each unit of `cause`, where that explains its growth.
fn follows(cause: &Claim, other: &Claim) -> Option<f64> {
    let grows = growth(&cause.points) >= cause.explains_from && other.verdict.finding.level >= Level::Growing;
    if grows { explained(&other.points, &cause.points) } else { None }
}

fn rise(claim: &Claim) -> f64 {
    growth(&claim.points).max(1.0)
}

fn summary(claim: &Claim) -> Other {
    let (Verdict { kind, isolate, .. }, finding) = (&claim.verdict, &claim.verdict.finding);
    Other {
        kind: *kind,
        isolate: *isolate,
        level: finding.level,
        rate_per_hour: finding.rate,
        unit: finding.unit,
    }
}

/// Tells an alarm what the other kinds of memory do.
fn rule_out(claim: &mut Claim, others: &[Other]) {
    let own = (claim.verdict.kind, claim.verdict.isolate);
    let others = others.iter().filter(|other| (other.kind, other.isolate) != own);
    let others: Vec<Other> = others.copied().collect();
    if !others.is_empty() {
        claim.verdict.finding.reasons.push(Reason::plain(Seen::Others { others }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mono;

    /// A claim about `kind` that rises by `slope` a second from `base`, told of as `level`.
    fn claim(kind: Kind, level: Level, unit: Unit, base: f64, slope: f64) -> Claim {
        let points: Vec<Point> = (0..40).map(|i| f64::from(i) * 2.5).map(|t| (t, base + slope * t)).collect();
        let finding = Finding { level, unit, rate: Some(slope * 3600.0), ..Finding::nothing_yet(Mono(0)) };
        let isolate = (kind == Kind::JsHeap).then_some(1);
        let verdict = Verdict { isolate, kind, finding };
        Claim { verdict, points, explains_from: 2.0, narrow: [0.0; 2], is_companion: false }
    }

    fn bytes(kind: Kind, slope: f64) -> Claim {
        claim(kind, Level::Leak, Unit::Bytes, 10.0 * MIB, slope)
    }

    fn count(kind: Kind, slope: f64) -> Claim {
        claim(kind, Level::Leak, Unit::Count, 20.0, slope)
    }

    /// The kinds that are still called leaks.
    fn leaks(mut claims: Vec<Claim>) -> Vec<Kind> {
        reconcile(&mut claims);
        let leaks = claims.iter().filter(|claim| claim.verdict.finding.level == Level::Leak);
        leaks.map(|claim| claim.verdict.kind).collect()
    }

    #[test]
    fn the_cause_alone_is_a_leak() {
        use Kind::{External, Fds, Isolates, JsHeap, Native};
        for (name, claims, cause) in [
            (
                "buffers with wrappers",
                vec![bytes(JsHeap, 3e4), bytes(Native, 8e4), bytes(External, 7e5)],
                vec![External],
            ),
            ("objects with small buffers", vec![bytes(JsHeap, 9e5), bytes(External, 2e5)], vec![JsHeap]),
            ("objects that V8 keeps books of", vec![bytes(JsHeap, 9e5), bytes(Native, 4e4)], vec![JsHeap]),
            ("handles with wrappers", vec![bytes(JsHeap, 2e4), bytes(Native, 4e5)], vec![Native]),
            ("sockets", vec![bytes(JsHeap, 4e4), bytes(Native, 1e4), count(Fds, 5.0)], vec![Fds]),
            ("files, and a heap for itself", vec![bytes(JsHeap, 9e6), count(Fds, 5.0)], vec![Fds, JsHeap]),
            ("workers", vec![count(Fds, 1.0), bytes(Native, 1e6), count(Isolates, 0.25)], vec![Isolates]),
        ] {
            assert_eq!(leaks(claims), cause, "{name}");
        }
    }

    #[test]
    fn what_goes_another_way_is_no_companion() {
        let late = |mut claim: Claim| {
            for point in &mut claim.points {
                point.1 = 10.0 * MIB + 4e5 * (point.0 - 50.0).max(0.0);
            }
            claim
        };
        let both = vec![late(bytes(Kind::JsHeap, 0.0)), bytes(Kind::External, 7e5)];
        assert_eq!(leaks(both), [Kind::External, Kind::JsHeap]);
    }

    #[test]
    fn reasons_say_what_comes_along_and_what_the_others_do() {
        let mut claims = vec![bytes(Kind::JsHeap, 4e4), count(Kind::Fds, 5.0)];
        reconcile(&mut claims);
        let last = |i: usize| claims[i].verdict.finding.reasons.last().map(|reason| reason.seen.clone());
        let other = Other {
            kind: Kind::JsHeap,
            isolate: Some(1),
            level: Level::Growing,
            rate_per_hour: Some(4e4 * 3600.0),
            unit: Unit::Bytes,
        };
        assert_eq!(last(0), Some(Seen::Others { others: vec![other] }));
        let Some(Seen::Companion { of: Kind::Fds, each: Some(each), times: None }) = last(1) else {
            panic!("{:?}", last(1))
        };
        assert!((each - 8000.0).abs() < 1.0, "{each}");
    }
}
