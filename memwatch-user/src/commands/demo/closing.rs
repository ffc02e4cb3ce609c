//! The last lines of the demo: what came out, and what to type next.

use super::NAME;
use crate::{
    report::record::{Kind, Level, Resource, Verdict},
    units,
};

/// The last lines of the demo: what came out, and what to type next.
#[must_use]
pub fn closing(verdict: Option<&Verdict>) -> Vec<String> {
    let mut lines = vec![outcome(verdict)];
    if verdict.is_some_and(is_caught) {
        lines.push("It was neither stopped nor changed, and ran without a flag or a debugger.".to_owned());
    }
    lines.push(String::new());
    lines.push("Next, on a Node.js process of your own:".to_owned());
    lines.push("    sudo memwatch-bpf --pid PID".to_owned());
    lines
}

fn is_caught(verdict: &Verdict) -> bool {
    verdict.verdict == Level::Leak && verdict.kind == Kind::JsHeap
}

fn outcome(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else {
        return format!("{NAME} was not watched long enough for a verdict.");
    };
    if !is_caught(verdict) {
        return format!(
            "{NAME} leaks, and was not caught within the time: the last verdict was {}. On a busy machine it takes longer: \
             try the demo again.",
            verdict.verdict.word()
        );
    }
    let rate = verdict
        .rate_bytes_per_hour
        .map_or(String::new(), |rate| format!(" by {}", units::rate(rate).trim_start_matches('+')));
    format!("Caught: the JavaScript heap of {NAME} grows{rate}{}.", time_left(verdict))
}

/// The near end of the interval: the time there is to rely on.
fn time_left(verdict: &Verdict) -> String {
    match (verdict.exhausts, verdict.time_to_exhaustion_s) {
        (Some(Resource::HeapLimit), Some([Some(seconds), _])) => {
            format!(", and reaches its limit in about {:.0} min", (seconds / 60.0).max(1.0))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{record::Unit, time::Time};

    fn verdict(level: Level) -> Verdict {
        Verdict {
            isolate: Some(1),
            verdict: level,
            kind: Kind::JsHeap,
            rate_bytes_per_hour: Some(7.23e9),
            rate_per_hour: Some(7.23e9),
            rate_unit: Unit::Bytes,
            rate_interval: None,
            since: Time::default(),
            confidence: None,
            time_to_exhaustion_s: Some([Some(1230.0), None]),
            exhausts: Some(Resource::HeapLimit),
            evidence: Vec::new(),
            reasons: Vec::new(),
            sites: Vec::new(),
            holders: Vec::new(),
        }
    }

    #[test]
    fn the_closing_says_what_came_out_and_what_to_type() {
        let caught = "Caught: the JavaScript heap of leaky-checkout grows by 7.2 GB/h, and reaches its limit in about 20 min.";
        let missed = "leaky-checkout leaks, and was not caught within the time: the last verdict was growing. On a busy \
                      machine it takes longer: try the demo again.";
        let cases = [
            (Some(verdict(Level::Leak)), caught),
            (Some(verdict(Level::Growing)), missed),
            (None, "leaky-checkout was not watched long enough for a verdict."),
        ];
        for (verdict, first) in cases {
            let lines = closing(verdict.as_ref());
            assert_eq!(lines.first().map(String::as_str), Some(first));
            assert_eq!(lines.last().map(String::as_str), Some("    sudo memwatch-bpf --pid PID"));
        }
    }
}
