//! A verdict in words.

use super::site;
use crate::report::{
    color::Tone,
    record::{Kind, Level, Resource, Unit, Verdict},
    text::{LONGEST_SENTENCE, escape_to, join},
};
use crate::units::{count_rate, count_rate_interval, rate, rate_interval, span_interval};

/// How a level is meant.
#[must_use]
pub const fn tone(level: Level) -> Tone {
    match level {
        Level::Leak => Tone::Bad,
        Level::Suspect | Level::Growing => Tone::Warn,
        Level::Stable => Tone::Good,
        Level::Inconclusive => Tone::Dim,
    }
}

/// The kind as part of a sentence.
#[must_use]
pub const fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::JsHeap => "JavaScript heap",
        Kind::External => "external memory",
        Kind::Native => "native memory",
        Kind::Handles => "handles",
        Kind::Fds => "file descriptors",
        Kind::Isolates => "isolates",
        Kind::Fragmentation => "fragmentation",
        Kind::Load => "memory that follows the load",
        Kind::None => "memory",
    }
}

/// What is used up, as part of a sentence.
#[must_use]
pub const fn exhausts(what: Resource) -> &'static str {
    match what {
        Resource::HeapLimit => "heap limit",
        Resource::Cgroup => "cgroup's limit",
        Resource::Host => "host's memory",
        Resource::FdLimit => "limit of open files",
    }
}

pub(super) fn line(verdict: &Verdict) -> String {
    let first = [verdict.verdict.word().to_owned(), verdict.kind.word().to_owned(), speed(verdict)];
    let first: Vec<_> = first.into_iter().filter(|part| !part.is_empty()).collect();
    join([first.join(" "), time_left(verdict), confidence(verdict), format!("since {}", clock(verdict))])
}

fn clock(verdict: &Verdict) -> String {
    crate::report::lines::clock(verdict.since)
}

/// `JavaScript heap of isolate 2`; the isolate only if there are `several`.
#[must_use]
pub fn subject(verdict: &Verdict, several: bool) -> String {
    let isolate = verdict
        .isolate
        .filter(|_| several)
        .map_or_else(String::new, |isolate| format!(" of isolate {isolate}"));
    format!("{}{isolate}", kind_words(verdict.kind))
}

/// `+11.7 MB/h (10.9 … 12.5 MB/h)`.
#[must_use]
pub fn speed(verdict: &Verdict) -> String {
    let interval = verdict.rate_interval.and_then(match verdict.rate_unit {
        Unit::Bytes => rate_interval,
        Unit::Count => count_rate_interval,
    });
    let interval = interval.map(|interval| format!("({interval})"));
    [rate_alone(verdict), interval].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// `+11.7 MB/h`, `+28800/h`.
#[must_use]
pub fn rate_alone(verdict: &Verdict) -> Option<String> {
    match verdict.rate_unit {
        Unit::Bytes => verdict.rate_bytes_per_hour.map(rate),
        Unit::Count => verdict.rate_per_hour.map(count_rate),
    }
}

/// `heap limit in 2h 58m … 3h 30m`.
#[must_use]
pub fn time_left(verdict: &Verdict) -> String {
    let Some(left) = verdict.time_to_exhaustion_s.and_then(span_interval) else { return String::new() };
    format!("{} in {left}", verdict.exhausts.map_or("exhausted", exhausts))
}

/// `confidence 0.97`, `confidence 0.999`; rounded down, so that 1 is never said of less.
#[must_use]
pub fn confidence(verdict: &Verdict) -> String {
    let down = |confidence: f64| match (confidence * 1e3).floor() / 1e3 {
        down if down < 0.99 => format!("confidence {:.2}", (confidence * 1e2).floor() / 1e2),
        down => format!("confidence {down:.3}"),
    };
    verdict.confidence.map_or_else(String::new, down)
}

/// The places the memory comes from, which is what one acts on, then the evidence.
#[must_use]
pub fn reasons(verdict: &Verdict) -> Vec<String> {
    let evidence = verdict.evidence.iter().map(|reason| escape_to(reason, LONGEST_SENTENCE));
    site::worth_telling(&verdict.sites).map(site::line).chain(evidence).collect()
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
            line(&verdict),
            "leak js-heap +11.7 MB/h (10.9 … 12.5 MB/h) · heap limit in at least 2h 58m · confidence 0.999 · \
             since 23:10:00Z"
        );
        assert_eq!(
            line(&serde_json::from_str(FDS).unwrap()),
            "leak fds +28768/h (28744 … 28791/h) · limit of open files in 1m 31s … 1m 33s · confidence 0.999 · \
             since 23:10:00Z"
        );
        assert_eq!(
            reasons(&verdict),
            [
                "62 % of the growth, 7.3 MB (120 samples) live: handler /srv/app/server.js:42 ← ?",
                "5 of 5 rose\\u{1b}[2J",
            ]
        );
    }
}
