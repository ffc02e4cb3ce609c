//! A verdict in words.

use super::{holder, kind::kind_words, reason, site, strongest};
use crate::report::{
    color::Tone,
    record::{Holder, Level, Measure, Resource, Site, Unit, Verdict},
    text::{LONGEST_SENTENCE, escape_to, join},
};
use crate::units::{count_rate_interval, rate_interval, span, span_interval};
use crate::vocabulary::Seen;

/// How a level is meant.
#[must_use]
pub(crate) const fn tone(level: Level) -> Tone {
    match level {
        Level::Leak => Tone::Bad,
        Level::Suspect | Level::Growing => Tone::Warn,
        Level::Stable => Tone::Good,
        Level::Inconclusive => Tone::Dim,
    }
}

/// What is used up, as part of a sentence.
#[must_use]
pub(crate) const fn exhausts(what: Resource) -> &'static str {
    match what {
        Resource::HeapLimit => "heap limit",
        Resource::Cgroup => "cgroup's limit",
        Resource::Host => "host's memory",
        Resource::FdLimit => "limit of open files",
    }
}

/// The verdict in one line, for a log and an alert: `leak: JavaScript heap +11.7 MB/h (10.9 … 12.5 MB/h) · heap limit in 3h`.
#[must_use]
pub(crate) fn line(verdict: &Verdict, several: bool) -> String {
    format!("{}: {}", verdict.verdict.word(), claim(verdict, several))
}

/// The same without the level.
#[must_use]
pub(crate) fn claim(verdict: &Verdict, several: bool) -> String {
    let what = join_words([subject(verdict, several), speed(verdict)]);
    join([what, time_left(verdict), confidence_of_growth(verdict)])
}

/// Pieces that are not empty, with spaces between.
fn join_words(words: [String; 2]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Of what does not grow there is no trend to be sure of.
fn confidence_of_growth(verdict: &Verdict) -> String {
    if verdict.verdict >= Level::Growing { confidence(verdict) } else { String::new() }
}

/// `JavaScript heap of isolate 2`; the isolate only if there are `several`.
#[must_use]
pub(crate) fn subject(verdict: &Verdict, several: bool) -> String {
    let isolate = verdict
        .isolate
        .filter(|_| several)
        .map_or_else(String::new, |isolate| format!(" of isolate {isolate}"));
    format!("{}{isolate}", kind_words(verdict.kind))
}

/// `+11.7 MB/h (10.9 … 12.5 MB/h)`: how fast it grows, if it does. A rate beside `stable` or `inconclusive` would say what
/// the verdict denies.
#[must_use]
pub(crate) fn speed(verdict: &Verdict) -> String {
    let Some(rate) = rate_alone(verdict) else { return String::new() };
    let interval = interval(verdict).map(|interval| format!(" ({interval})"));
    rate + &interval.unwrap_or_default()
}

/// `10.9 … 12.5 MB/h`; nothing where both ends read the same.
fn interval(verdict: &Verdict) -> Option<String> {
    let ends = verdict.rate_interval?;
    let of_unit = match verdict.rate_unit {
        Unit::Bytes => rate_interval,
        Unit::Count => count_rate_interval,
    };
    let [low, high] = ends.map(|end| end.map(|end| verdict.rate_unit.rate(end)));
    (low.is_none() || low != high).then(|| of_unit(ends)).flatten()
}

/// `+11.7 MB/h`, `+28800/h`; nothing unless it grows.
#[must_use]
pub(crate) fn rate_alone(verdict: &Verdict) -> Option<String> {
    let rate = match verdict.rate_unit {
        Unit::Bytes => verdict.rate_bytes_per_hour,
        Unit::Count => verdict.rate_per_hour,
    };
    rate.filter(|rate| verdict.verdict >= Level::Growing && *rate > 0.0)
        .map(|rate| verdict.rate_unit.rate(rate))
}

/// What may well stop is given a time only if that is near, seconds.
const NEAR_S: f64 = 3600.0;

/// `heap limit in 2h 58m … 3h 30m`, `heap limit any moment`.
#[must_use]
pub(crate) fn time_left(verdict: &Verdict) -> String {
    let Some(ends) = verdict.time_to_exhaustion_s else { return String::new() };
    let near = ends[0].is_some_and(|earliest| earliest < NEAR_S);
    if verdict.verdict < Level::Suspect && !near {
        return String::new();
    }
    let what = verdict.exhausts.map_or("exhausted", exhausts);
    match ends {
        [Some(earliest), latest] if earliest < 1.0 => {
            let latest = latest.filter(|latest| *latest >= 1.0);
            let latest = latest.map_or_else(String::new, |latest| format!(", within {}", span(latest)));
            format!("{what} any moment{latest}")
        }
        ends => span_interval(ends).map_or_else(String::new, |left| format!("{what} in {left}")),
    }
}

/// `confidence 0.97`, `confidence 0.999`; rounded down, so that 1 is never said of less.
#[must_use]
pub(crate) fn confidence(verdict: &Verdict) -> String {
    let down = |confidence: f64| match (confidence * 1e3).floor() / 1e3 {
        down if down < 0.99 => format!("confidence {:.2}", (confidence * 1e2).floor() / 1e2),
        down => format!("confidence {down:.3}"),
    };
    verdict.confidence.map_or_else(String::new, down)
}

/// Everything: what holds the memory and the places it comes from, which is what one acts on, then all reasons.
#[must_use]
pub(crate) fn all(verdict: &Verdict) -> Vec<String> {
    let (holders, sites) = if_it_grows(verdict);
    let places = holders.iter().map(holder::line).chain(site::worth_telling(sites).map(site::line));
    places.chain(evidence(verdict)).collect()
}

/// In brief: the places, and the two strongest reasons.
#[must_use]
pub(crate) fn brief(verdict: &Verdict) -> Vec<String> {
    places(verdict).chain(strongest(verdict)).collect()
}

/// What holds the memory that grows, and where it was made; with the holder known, it is no use to know who allocates most.
pub(crate) fn places(verdict: &Verdict) -> impl Iterator<Item = String> {
    let (holders, sites) = telling(verdict);
    holders.iter().map(holder::line).chain(site::worth_telling(sites).map(site::line))
}

/// The same, each in at most `width` columns: the path is cut from the left, never the function.
pub(crate) fn places_within(verdict: &Verdict, width: usize) -> impl Iterator<Item = String> {
    let (holders, sites) = telling(verdict);
    let held = holders.iter().map(move |holder| holder::within(holder, width));
    held.chain(site::worth_telling(sites).map(move |site| site::within(site, width)))
}

fn telling(verdict: &Verdict) -> (&[Holder], &[Site]) {
    let (holders, sites) = if_it_grows(verdict);
    let is_live = sites.first().is_some_and(|site| site.measure == Measure::Live);
    match (holders.is_empty(), is_live) {
        (true, _) => (holders, sites),
        (false, true) => (holders, &sites[..1]),
        (false, false) => (holders, &[]),
    }
}

fn if_it_grows(verdict: &Verdict) -> (&[Holder], &[Site]) {
    if verdict.verdict >= Level::Growing { (&verdict.holders, &verdict.sites) } else { (&[], &[]) }
}

/// The two strongest reasons in words.
#[must_use]
pub(crate) fn strongest(verdict: &Verdict) -> Vec<String> {
    if verdict.reasons.is_empty() {
        return evidence(verdict).take(2).collect();
    }
    let chosen = strongest::of(verdict.verdict, &verdict.reasons).into_iter();
    chosen.map(|reason| words(verdict, &reason.seen)).collect()
}

/// A rate beside `stable` would say what the verdict denies.
fn words(verdict: &Verdict, seen: &Seen) -> String {
    match seen {
        Seen::Course(course) if verdict.verdict < Level::Growing => {
            reason::course_alone(course, verdict.rate_unit)
        }
        seen => reason::words(seen, verdict.rate_unit),
    }
}

/// All reasons in words, as the record has them.
fn evidence(verdict: &Verdict) -> impl Iterator<Item = String> {
    verdict.evidence.iter().map(|reason| escape_to(reason, LONGEST_SENTENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FDS: &str = r#"{"isolate":null,"verdict":"leak","kind":"fds","rate_bytes_per_hour":null,
        "rate_per_hour":28768.0,"rate_unit":"count","rate_interval":[28744.0,28791.0],"since":"2026-03-02T23:10:00Z",
        "confidence":0.9996,"time_to_exhaustion_s":[91.0,92.5],"exhausts":"fd-limit","evidence":[],"sites":[]}"#;

    #[test]
    fn a_leak_with_its_sites() {
        let json = r#"{"isolate":1,"verdict":"leak","kind":"js-heap","rate_bytes_per_hour":11700000.0,
            "rate_interval":[10900000.0,12500000.0],"since":"2026-03-02T23:10:00Z","confidence":0.9996,
            "time_to_exhaustion_s":[10680.0,null],"exhausts":"heap-limit","evidence":["5 of 5 rose\u001b[2J"],
            "sites":[{"share":0.62,"bytes":7300000,"measure":"live","n":120,"interval":null,"frames":[
            {"fn":"handler","file":"/srv/app/server.js","line":42,"kind":"js"},{"fn":null,"file":null,"line":null,
            "kind":"native"}]}]}"#;
        let verdict: Verdict = serde_json::from_str(json).unwrap();
        assert_eq!(
            line(&verdict, false),
            "leak: JavaScript heap +11.7 MB/h (10.9 … 12.5 MB/h) · heap limit in at least 2h 58m · confidence 0.999"
        );
        assert_eq!(
            line(&serde_json::from_str(FDS).unwrap(), false),
            "leak: file descriptors +28768/h (28744 … 28791/h) · limit of open files in 1m 31s … 1m 33s · confidence 0.999"
        );
        assert_eq!(
            brief(&verdict),
            [
                "made in handler /srv/app/server.js:42 ← ?: 62 % of what is kept, 7.3 MB (120 samples)",
                "5 of 5 rose\\u{1b}[2J",
            ]
        );
    }

    /// A verdict on a heap with that rate and that time left.
    fn verdict(level: Level, rate: f64, left: [Option<f64>; 2]) -> Verdict {
        Verdict {
            verdict: level,
            rate_unit: Unit::Bytes,
            rate_bytes_per_hour: Some(rate),
            rate_interval: None,
            time_to_exhaustion_s: Some(left),
            exhausts: Some(Resource::HeapLimit),
            confidence: None,
            ..serde_json::from_str(FDS).unwrap()
        }
    }

    #[test]
    fn what_holds_a_heap_is_told_instead_of_who_allocates_most() {
        let json = r#"{"isolate":1,"verdict":"leak","kind":"js-heap","rate_bytes_per_hour":1e9,"rate_interval":null,
            "since":"2026-03-02T23:10:00Z","confidence":null,"time_to_exhaustion_s":null,"exhausts":null,"evidence":[],
            "sites":[{"share":0.62,"bytes":73,"measure":"allocated","n":9,"interval":null,"frames":[]}],
            "holders":[{"share":0.9,"bytes":1000000,"count":12,"class":"Session","place":"Map `sessions` (a.js:3)",
            "fn":null,"file":"a.js","line":3,"taken":"running"}]}"#;
        let leak: Verdict = serde_json::from_str(json).unwrap();
        let held = "held by Map `sessions` (a.js:3): 90 % of the growth, +12 Session, 1.0 MB";
        assert_eq!(brief(&leak), [held]);
        assert_eq!(all(&leak).len(), 2);
        let live = Site { measure: Measure::Live, ..leak.sites[0].clone() };
        let made = Verdict { sites: vec![live.clone(), live], ..leak.clone() };
        assert_eq!(brief(&made), [held, "made in : 62 % of what is kept, 73 B (9 samples)"]);
        assert!(brief(&Verdict { verdict: Level::Stable, ..leak }).is_empty());
    }

    #[test]
    fn sign_and_level_agree() {
        for (level, rate, expected) in [
            (Level::Leak, 11.7e6, "+11.7 MB/h"),
            (Level::Growing, -506e3, ""),
            (Level::Stable, -3.3e9, ""),
            (Level::Stable, 359.2e6, ""),
            (Level::Inconclusive, 359.2e6, ""),
        ] {
            assert_eq!(speed(&verdict(level, rate, [None; 2])), expected, "{level:?} {rate}");
        }
    }

    #[test]
    fn the_time_that_is_left() {
        for (level, left, expected) in [
            (Level::Leak, [Some(0.0), None], "heap limit any moment"),
            (Level::Leak, [Some(0.4), Some(60.0)], "heap limit any moment, within 1m"),
            (Level::Leak, [Some(60.0), Some(120.0)], "heap limit in 1m … 2m"),
            (Level::Growing, [Some(172_800.0), None], ""),
            (Level::Growing, [Some(600.0), None], "heap limit in at least 10m"),
        ] {
            assert_eq!(time_left(&verdict(level, 1e6, left)), expected, "{level:?} {left:?}");
        }
    }
}
