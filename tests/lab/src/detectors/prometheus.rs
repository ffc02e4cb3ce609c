//! Prometheus's `deriv` and `predict_linear` on the heap's size, as the usual alerting rules use them.
//!
//! Every 15 s the heap is scraped (between two collections it grows evenly); the last hour's samples are fitted with a
//! line by least squares; the alert fires when the expression has held for the rule's `for`. The rule is evaluated once
//! a minute. Of resident sizes, each is a scrape.

use std::collections::VecDeque;

use memwatch_user::model::{Collection, GcKind};

use super::{Alarm, Detector, slope::least_squares};
use crate::HOUR;

const SCRAPE_S: f64 = 15.0;
const EVALUATE_S: f64 = 60.0;
const RANGE_S: f64 = 3600.0;

/// An alerting rule.
pub struct Rule {
    expression: Expression,
    for_s: f64,
    /// What all durations are divided by.
    speed: f64,
    samples: VecDeque<(f64, f64)>,
    /// The last mark-compact: its end, and the bytes it left.
    last: Option<(f64, f64)>,
    evaluated: f64,
    /// Since when the expression holds.
    since: Option<f64>,
    firing: bool,
}

enum Expression {
    /// Bytes a second.
    Deriv(f64),
    /// Bytes, in four hours.
    Predict(f64),
}

impl Rule {
    /// `deriv(nodejs_heap_size_used_bytes[1h]) > threshold` for 30 minutes, bytes a second.
    #[must_use]
    pub const fn deriv(threshold: f64) -> Self {
        Self::new(Expression::Deriv(threshold), 1800.0)
    }

    /// `predict_linear(nodejs_heap_size_used_bytes[1h], 4*3600) > limit` for 10 minutes, bytes.
    #[must_use]
    pub const fn predict_linear(limit: f64) -> Self {
        Self::new(Expression::Predict(limit), 600.0)
    }

    const fn new(expression: Expression, for_s: f64) -> Self {
        let samples = VecDeque::new();
        Self {
            expression,
            for_s,
            speed: 1.0,
            samples,
            last: None,
            evaluated: 0.0,
            since: None,
            firing: false,
        }
    }

    /// With all durations so many times shorter, for traces of minutes.
    #[must_use]
    pub fn faster(self, times: f64) -> Self {
        Self { speed: times, ..self }
    }

    fn scrape(&mut self, t: f64, bytes: f64) -> Option<Alarm> {
        while self.samples.front().is_some_and(|oldest| oldest.0 < t - RANGE_S / self.speed) {
            self.samples.pop_front();
        }
        self.samples.push_back((t, bytes));
        if t < self.evaluated + EVALUATE_S / self.speed {
            return None;
        }
        self.evaluated = t;
        let (end, slope) = least_squares(&self.samples)?;
        let holds = match self.expression {
            Expression::Deriv(threshold) => slope > threshold,
            Expression::Predict(limit) => end + slope * 4.0 * HOUR / self.speed > limit,
        };
        self.since = if holds { self.since.or(Some(t)) } else { None };
        let fires = self.since.is_some_and(|since| t - since >= self.for_s / self.speed);
        let was = std::mem::replace(&mut self.firing, fires);
        (fires && !was).then_some(Alarm { at_s: t, rate: Some(slope * HOUR) })
    }
}

impl Detector for Rule {
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        let (before, after) = (c.before_bytes? as f64, c.after_bytes? as f64);
        if c.kind != GcKind::MarkCompact {
            return None;
        }
        let now = c.end.seconds();
        let (from, left) = self.last.replace((now, after)).unwrap_or((0.0, after));
        let mut alarm = None;
        let scrape = SCRAPE_S / self.speed;
        let mut t = (from / scrape).ceil() * scrape;
        while t < now {
            let bytes = left + (before - left) * (t - from) / (now - from);
            alarm = alarm.or(self.scrape(t, bytes));
            t += scrape;
        }
        alarm
    }

    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        self.scrape(at_s, bytes)
    }
}

#[cfg(test)]
mod tests {
    use memwatch_user::model::Mono;

    use super::*;
    use crate::trace::gc;

    #[test]
    fn a_rule_fires_after_its_for() {
        let mut rule = Rule::deriv(1000.0);
        let full =
            |m: u64| gc(Mono(m * 60_000_000_000), 1, GcKind::MarkCompact, m * 120_000 + 9, m * 120_000);
        let alarms: Vec<f64> = (1..300).filter_map(|m| rule.collection(&full(m))).map(|a| a.at_s).collect();
        assert_eq!(alarms.len(), 1, "{alarms:?}");
        assert!((1800.0..2100.0).contains(&alarms[0]), "{alarms:?}");
    }
}
