//! From the answers to a level, for one moment; [`super::judge`] makes levels last.

use super::{
    growth::{Growth, MIN_POINTS},
    subject::{Care, Subject},
};
use crate::vocabulary::{Level, Reason};

/// Fewest points that show stability, or growth that is worth mentioning.
const MIN_STABLE: usize = 8;
/// Share of what is material that is worth mentioning.
const WORTH_MENTIONING: f64 = 0.5;
/// Share of the time that a leak takes after which one may suspect it.
const SUSPECT_SHARE: f64 = 1.0 / 3.0;
/// No leak is called of less, however near the end is: seconds.
const MIN_URGENT_S: f64 = 25.0;
/// The end is near if it comes within this time: seconds.
const NEAR_S: f64 = 90.0;

/// The level that `growth` and the answers about it amount to. `left_s` is how long what it uses up still lasts.
pub(super) fn level(subject: &Subject, growth: &Growth, gates: &[Reason], left_s: Option<f64>) -> Level {
    let n = growth.points.len();
    let has_lasted = has_lasted(subject, growth, left_s);
    let denied: Vec<&Reason> = gates.iter().filter(|answer| !answer.passes()).collect();
    let is_alarming = subject.care != Care::Harmless;
    if is_alarming && denied.is_empty() && n >= MIN_POINTS && has_lasted {
        Level::Leak
    } else if is_alarming && is_suspicious(subject, growth, &denied, has_lasted) {
        Level::Suspect
    } else if is_growing(subject, growth) {
        Level::Growing
    } else if n >= MIN_STABLE {
        Level::Stable
    } else {
        Level::Inconclusive
    }
}

/// All questions are answered with yes, over a part of the time that a leak takes; or over all of it, and one has no
/// answer yet.
fn is_suspicious(subject: &Subject, growth: &Growth, denied: &[&Reason], has_lasted: bool) -> bool {
    let long_enough = growth.span() >= SUSPECT_SHARE * subject.min_span_s;
    growth.points.len() >= MIN_POINTS / 2
        && long_enough
        && denied.iter().all(|answer| has_lasted && answer.is_unanswered())
}

fn has_lasted(subject: &Subject, growth: &Growth, left_s: Option<f64>) -> bool {
    let is_near = left_s.is_some_and(|left| left < NEAR_S) && growth.span() >= MIN_URGENT_S;
    growth.span() >= subject.min_span_s || is_near
}

fn is_growing(subject: &Subject, growth: &Growth) -> bool {
    let worth_mentioning = WORTH_MENTIONING * subject.material.max(subject.material_share * growth.first().1);
    growth.points.len() >= MIN_STABLE
        && growth.trend.p <= 0.05
        && growth.rise() > worth_mentioning
        && growth.persistence() > 0.1
}
