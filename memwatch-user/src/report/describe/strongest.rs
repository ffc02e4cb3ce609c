//! Which of the reasons for a verdict say most: those that a paragraph has room for.

use crate::vocabulary::{Level, Question, Reason, Seen};

/// How many a paragraph has room for.
const ROOM: usize = 2;

/// Tests by how much their answers say to somebody who has to act.
const WEIGHT: [Question; 10] = [
    Question::Held,
    Question::Retained,
    Question::Lasting,
    Question::Material,
    Question::Independent,
    Question::Steady,
    Question::Persistent,
    Question::Ratchet,
    Question::Spread,
    Question::Significant,
];

/// The two strongest of `reasons` for `level`: what explains the growth, what is missing, or the tests that decided.
pub(super) fn of(level: Level, reasons: &[Reason]) -> Vec<&Reason> {
    let explained = reasons.iter().filter(|reason| matches!(reason.seen, Seen::Companion { .. }));
    let decisive = reasons.iter().filter(|reason| is_decisive(level, &reason.seen));
    let tests = WEIGHT.iter().flat_map(|question| answers(level, reasons, *question));
    explained.chain(decisive).chain(tests).take(ROOM).collect()
}

/// What decides without being a test; the course of what does not grow says it all.
const fn is_decisive(level: Level, seen: &Seen) -> bool {
    match seen {
        Seen::FewReadings { .. }
        | Seen::FewCollections { .. }
        | Seen::FewTakes { .. }
        | Seen::ShortWatch { .. }
        | Seen::NotExcluded { .. }
        | Seen::Runaway { .. }
        | Seen::Lost { .. }
        | Seen::NoCollection
        | Seen::CollectionsHidden
        | Seen::Even { .. } => true,
        Seen::Course(_) => matches!(level, Level::Stable),
        _ => false,
    }
}

/// Answers to `question` that speak for `level`: the passed ones for an alarm, and the failed ones for what is none yet.
fn answers(level: Level, reasons: &[Reason], question: Question) -> impl Iterator<Item = &Reason> {
    let wanted = match level {
        Level::Leak | Level::Suspect => Some(true),
        Level::Growing => Some(false),
        Level::Stable | Level::Inconclusive => None,
    };
    let speaks = move |reason: &&Reason| {
        reason.question() == Some(question) && wanted.is_some() && reason.passed == wanted
    };
    reasons.iter().filter(speaks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::reason::Retained;

    #[test]
    fn an_alarm_is_told_by_what_passed_and_the_rest_by_what_is_missing() {
        let material = Reason::test(Seen::Material { growth: 9.0, base: 1.0 }, true);
        let ratchet = Reason::test(Seen::Ratchet { lows: [1.0, 2.0, 3.0] }, true);
        let retained = Reason::test(Seen::Retained(Retained::Share { retained_share: Some(0.9) }), true);
        let lasting = Reason::test(Seen::Lasting { growth: 9.0, base: 1.0, span_s: 9.0, due_s: 75.0 }, false);
        let few = Reason::plain(Seen::FewCollections { full_collections: 3, needed: 5, wait_s: Some(28.0) });
        let all = [ratchet, material.clone(), retained.clone(), lasting.clone()];
        assert_eq!(of(Level::Leak, &all), [&retained, &material]);
        assert_eq!(of(Level::Growing, &all), [&lasting]);
        assert_eq!(of(Level::Inconclusive, &[few.clone(), material]), [&few]);
    }
}
