//! A reason for a verdict in words.

use super::kind::kind_words;
use crate::units::{percent as share, span, things};
use crate::vocabulary::{
    Counted, Kind, Level, Reason, Seen, Unit,
    reason::{Course, Independent, Load, Other, Retained, Spread},
};

/// The reason as a sentence, a test with its name and answer: `material yes: …`. Amounts are in `unit`.
#[must_use]
pub fn sentence(reason: &Reason, unit: Unit) -> String {
    let words = words(&reason.seen, unit);
    let Some(question) = reason.question() else { return words };
    let answer = if reason.passes() { "yes" } else { "no" };
    format!("{} {answer}: {words}", question.word())
}

/// What was seen, in words.
#[must_use]
pub fn words(seen: &Seen, unit: Unit) -> String {
    match seen {
        Seen::Course(course) => self::course(course, unit),
        Seen::FewReadings { of } => format!("too few readings of {} so far", counted(*of)),
        Seen::FewCollections { full_collections, needed, wait_s } => {
            few_collections(*full_collections, *needed, *wait_s)
        }
        Seen::FewTakes { takes, needed, wait_s } => few_takes(*takes, *needed, *wait_s),
        Seen::ShortWatch { watched_s, needed_s } => {
            format!("watched for {} of {}", span(*watched_s), span(*needed_s))
        }
        Seen::NotExcluded { wait_s } => not_excluded(*wait_s),
        Seen::Even { full_collections, retained_share } => {
            let kept = retained_share.map_or_else(String::new, |kept| format!(" and {} is retained", share(kept)));
            format!("only {full_collections} full collections, but growth is even{kept}")
        }
        Seen::Runaway { left_s, kept_share } => runaway(*left_s, *kept_share),
        Seen::Lost { share: lost } => format!("{} of the collections were lost", share(*lost)),
        Seen::NoCollection => "no collection was seen: watch longer, or put load on the process".to_owned(),
        Seen::CollectionsHidden => {
            "collections of this process cannot be seen (the features say why), so nothing is known of its heaps".to_owned()
        }
        Seen::Companion { of, each, times } => companion(*of, *each, *times, unit),
        Seen::Others { others } => {
            let others: Vec<String> = others.iter().map(other).collect();
            format!("other kinds: {}", others.join(", "))
        }
        _ => answer(seen, unit),
    }
}

/// The answer to a test.
fn answer(seen: &Seen, unit: Unit) -> String {
    let (amount, rate) = (|value: f64| unit.amount(value), |rate: f64| unit.rate(rate));
    match seen {
        Seen::Significant { points, tau, p } => significant(*points, *tau, *p),
        Seen::Ratchet { lows } => {
            let [old, middle, new] = lows.map(amount);
            format!("minimum of each third of the window: {old}, {middle}, {new}")
        }
        Seen::Persistent { older_per_hour, newer_per_hour, end_per_hour } => {
            persistent([*older_per_hour, *newer_per_hour].map(rate), end_per_hour.map(rate))
        }
        Seen::Material { growth, base } => format!("{} on top of {}", amount(*growth), amount(*base)),
        Seen::Spread(Spread::Steps { steps, rises }) => {
            format!("80 % of the growth came in {steps} of {}", things(*rises, "step"))
        }
        Seen::Spread(Spread::Half { half_share }) => {
            format!("half of the growth came in {} of the time", share(*half_share))
        }
        Seen::Retained(retained) => self::retained(retained),
        Seen::Held { held_share } => held_share.map_or_else(
            || "what holds it is not known yet".to_owned(),
            |held| format!("variables and properties of the program hold {} of the growth", share(held)),
        ),
        Seen::Steady { slowest_per_hour, rate_per_hour, wobble_share } => format!(
            "{} at its slowest, {} overall, {} off the line",
            rate(*slowest_per_hour),
            rate(*rate_per_hour),
            wobble_share.map_or_else(|| "?".to_owned(), |wobble| format!("{} of its rise", share(wobble)))
        ),
        Seen::Independent(independent) => self::independent(independent, unit),
        Seen::Lasting { growth, base, span_s, due_s } => lasting(
            &format!("{} on top of {} in {}", amount(*growth), amount(*base), span(*span_s)),
            *span_s,
            *due_s,
        ),
        _ => String::new(),
    }
}

fn significant(points: u64, tau: f64, p: f64) -> String {
    format!(
        "{:.0} % more pairs of the {points} points rise than fall; chance alone does so with probability {p:.1e}",
        tau * 100.0
    )
}

fn persistent([older, newer]: [String; 2], end: Option<String>) -> String {
    let end = end.map_or_else(String::new, |end| format!(", {end} at the end"));
    format!("{older} in the older half, {newer} in the newer{end}")
}

fn course(course: &Course, unit: Unit) -> String {
    format!("{}, {}", course_alone(course, unit), unit.rate(course.rate_per_hour))
}

/// The course without its rate.
pub(super) fn course_alone(course: &Course, unit: Unit) -> String {
    let [first, last] = [course.first, course.last].map(|value| unit.amount(value));
    let lasted = span(course.span_s);
    let birth = if course.since_birth { " since its birth" } else { "" };
    let collections =
        course.full_collections.map_or_else(String::new, |n| format!(", {}", things(n, "full collection")));
    let takes = course.takes.map_or_else(String::new, |n| format!(", read {}", things(n, "time")));
    format!("{}: {first} to {last} in {lasted}{collections}{takes}{birth}", counted(course.of))
}

fn few_collections(full_collections: u64, needed: u64, wait_s: Option<f64>) -> String {
    let wait = wait_s.map_or_else(String::new, |wait| format!("; about {} more", span(wait)));
    format!("{full_collections} of {needed} full collections{wait}")
}

fn runaway(left_s: f64, kept_share: Option<f64>) -> String {
    let kept = kept_share.map_or_else(
        || "no full collection has shown yet what of it is garbage".to_owned(),
        |kept| format!("the last full collection left {} of the growth until then", share(kept.min(1.0))),
    );
    format!("at this rate the heap is full in {}; {kept}", span(left_s))
}

fn few_takes(takes: u64, needed: u64, wait_s: Option<f64>) -> String {
    let wait = wait_s.map_or_else(String::new, |wait| format!("; about {} more", span(wait)));
    format!("the heap was read {takes} of {needed} times{wait}")
}

fn not_excluded(wait_s: Option<f64>) -> String {
    let wait = wait_s.map_or_else(String::new, |wait| format!("; about {} more", span(wait)));
    format!("it grew a little, and its rate is not known well enough to call that nothing{wait}")
}

fn retained(retained: &Retained) -> String {
    match *retained {
        Retained::Share { retained_share: Some(kept) } => {
            format!("{} of what was allocated between full collections stayed", share(kept))
        }
        Retained::Share { retained_share: None } => {
            "how much stays of what is allocated is not known".to_owned()
        }
        Retained::Reachable { .. } => "only reachable objects are counted, no garbage".to_owned(),
        Retained::Unknown { .. } => "no full collection yet: may be garbage".to_owned(),
        Retained::NothingBack { span_s } => {
            format!("no full collection came, and nothing was given back in {}", span(span_s))
        }
        Retained::Left { at_share, left_share, rate_share } => {
            let rate = rate_share.map_or_else(String::new, |rate| {
                format!("; what full collections leave grows at {} of its earlier rate", share(rate))
            });
            format!(
                "the last full collection, after {} of the time, left {} of the growth until then{rate}",
                share(at_share),
                share(left_share)
            )
        }
    }
}

fn independent(independent: &Independent, unit: Unit) -> String {
    match *independent {
        Independent::Growth { growth_share, load_share } => format!(
            "the heap has grown by {:.0} %, the rate of allocation by {:.0} %",
            growth_share * 100.0,
            load_share * 100.0
        ),
        Independent::Follows { load, each } => {
            let measure = match load {
                Load::Sockets => "number of open sockets",
                Load::Allocation => "rate of allocation",
            };
            let each = each.map_or_else(String::new, |each| format!(", {} for each", unit.amount(each)));
            format!("it follows the {measure}, which grows as well{each}")
        }
    }
}

fn lasting(grown: &str, span_s: f64, due_s: f64) -> String {
    let due = span(due_s);
    if span_s >= due_s {
        format!("{grown}; a cache of such a process would be full after {due}")
    } else {
        format!("{grown}: could be a filling cache; reported as a leak after {due}")
    }
}

fn companion(of: Kind, each: Option<f64>, times: Option<f64>, unit: Unit) -> String {
    let cause = match of {
        Kind::Fds => "growth in file descriptors",
        Kind::Isolates => "growth in isolates",
        Kind::External => "growth of external memory",
        Kind::Native => "growth of native memory",
        _ => "growth of the JavaScript heap",
    };
    match (each, times) {
        (Some(each), _) => format!("explained by the {cause} ({} each)", unit.amount(each)),
        (None, Some(times)) => format!("explained by the {cause}, which is {times:.1} times as fast"),
        (None, None) => format!("explained by the {cause}"),
    }
}

/// `native memory growing +1.2 MB/h`, `external memory stable`: a rate only of what grows.
fn other(other: &Other) -> String {
    let grows = |rate: &f64| other.level >= Level::Growing && *rate > 0.0;
    let rate = other.rate_per_hour.filter(grows);
    let rate = rate.map_or_else(String::new, |rate| format!(" {}", other.unit.rate(rate)));
    format!("{} {}{rate}", kind_words(other.kind), other.level.word())
}

/// What a series counts, as the subject of a sentence.
const fn counted(of: Counted) -> &'static str {
    match of {
        Counted::Heap => "heap after full collections",
        Counted::Sizes => "heap after collections of any kind",
        Counted::Reachable => "reachable objects of the heap",
        Counted::Isolates => "isolates",
        Counted::Threads => "threads",
        Counted::Files => "file descriptors other than sockets",
        Counted::Sockets => "sockets",
        Counted::Descriptors => "file descriptors",
        Counted::External => "memory that V8 accounts for outside of its heap",
        Counted::Malloc => "memory in use by malloc, array buffers left out",
        Counted::Unaccounted => "anonymous memory that neither V8 nor the allocator accounts for",
        Counted::Slack => "memory that the allocator holds and has not handed out",
        Counted::Anonymous => "anonymous memory",
    }
}
