//! Which records get a line: what somebody may have to act on. The rest is counted in the summary, and there under `-v`.

use std::collections::BTreeMap;

use crate::report::{
    record::{Body, Isolate, IsolateState, Kind, Level, Record, Subject, Verdict},
    state::{State, target::isolate_of},
};

/// Isolates with a higher serial number are counted only: a server may start a worker for every request.
const LISTED: u32 = 4;

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Verdicts.
    Quiet,
    /// And who is watched, full collections, features, how targets end, and the summary.
    #[default]
    Normal,
    /// Everything.
    Verbose,
}

/// What verdicts have been written: of each the level, and whether it named a place.
#[derive(Debug, Default)]
pub(super) struct Shown {
    verdicts: BTreeMap<(Subject, Option<u32>, Kind), (Level, bool)>,
}

impl Shown {
    /// Whether `record` gets a line; `state` is what was known before.
    pub(super) fn shows(&mut self, verbosity: Verbosity, record: &Record, state: &State) -> bool {
        let shows = match (verbosity, &record.body) {
            // The summary ends with it.
            (_, Body::Bye(_)) => false,
            (_, Body::Missed(_)) => true,
            (Verbosity::Verbose, _) => true,
            (_, Body::Verdict(verdict)) => self.shows_verdict(record, verdict, state),
            (Verbosity::Quiet, _) => false,
            (_, body) => is_listed(body) && shows(record, state),
        };
        self.forget(record);
        shows
    }

    fn shows_verdict(&mut self, record: &Record, verdict: &Verdict, state: &State) -> bool {
        let Some(subject) = record.subject else { return false };
        let key = (subject, verdict.isolate, verdict.kind);
        let now = (verdict.verdict, !verdict.sites.is_empty());
        let last = self.verdicts.get(&key).copied();
        let is_news = last.is_none_or(|last| last.0 != now.0 || now.1 && !last.1 && now.0 >= Level::Suspect);
        let was_alarm = last.is_some_and(|last| last.0 >= Level::Suspect);
        let shows = is_news
            && (verdict.verdict >= Level::Suspect || was_alarm || is_main_heap(subject, verdict, state));
        if shows {
            self.verdicts.insert(key, now);
        }
        shows
    }

    fn forget(&mut self, record: &Record) {
        let Some(subject) = record.subject else { return };
        match &record.body {
            Body::End(_) => self.verdicts.retain(|key, _| key.0 != subject),
            Body::Isolate(isolate) if isolate.state == IsolateState::Gone => {
                self.verdicts.retain(|key, _| (key.0, key.1) != (subject, Some(isolate.isolate)));
            }
            _ => {}
        }
    }
}

/// Whether a verdict that is no alarm is worth a line: on a heap of the main thread, or on the process as a whole. Kinds
/// of memory that grow a little, and workers that live for seconds, are nobody's trouble.
fn is_main_heap(subject: Subject, verdict: &Verdict, state: &State) -> bool {
    let isolates = state.targets.get(&subject).map(|target| &target.isolates);
    let is_worker =
        |serial: u32| isolates.and_then(|isolates| isolates.get(&serial)).is_some_and(|one| one.worker);
    match verdict.kind {
        Kind::None => true,
        Kind::JsHeap => verdict.isolate.is_none_or(|serial| serial <= LISTED && !is_worker(serial)),
        _ => false,
    }
}

/// Whether it is about no isolate that is counted only.
fn is_listed(body: &Body) -> bool {
    isolate_of(body).is_none_or(|serial| serial <= LISTED)
}

fn shows(record: &Record, state: &State) -> bool {
    match &record.body {
        Body::Hello(_) | Body::Feature(_) | Body::End(_) | Body::Isolate(_) => true,
        Body::Gc(gc) => gc.kind.is_full(),
        Body::Memory(memory) => memory.suspended != was_suspended(record, state),
        _ => false,
    }
}

fn was_suspended(record: &Record, state: &State) -> bool {
    let target = record.subject.and_then(|subject| state.targets.get(&subject));
    target.and_then(|target| target.memory.as_ref()).is_some_and(|memory| memory.suspended)
}

/// Whether this is the last isolate that is listed.
pub(super) fn is_last_listed(isolate: &Isolate) -> bool {
    isolate.isolate == LISTED && isolate.state == IsolateState::Born
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        record::{self, SCHEMA},
        time::Time,
    };

    /// How many of `bodies` get a line.
    fn lines(verbosity: Verbosity, bodies: impl IntoIterator<Item = Body>) -> usize {
        let (mut shown, mut state) = (Shown::default(), State::default());
        let subject = Some(Subject { pid: 7, start_time: Time::default() });
        let mut is_shown = |body| {
            let record = Record { schema: SCHEMA, ts: Time::default(), subject, body };
            let is_shown = shown.shows(verbosity, &record, &state);
            state.record(&record);
            is_shown
        };
        bodies.into_iter().filter(|body| is_shown(body.clone())).count()
    }

    fn isolate(isolate: u32, state: IsolateState) -> Body {
        let worker = isolate > 1;
        Body::Isolate(Isolate { isolate, state, thread: isolate, worker, heap_limit: None })
    }

    fn verdict(isolate: Option<u32>, kind: Kind, verdict: Level) -> Body {
        const JSON: &str = r#"{"isolate":null,"verdict":"stable","kind":"none","rate_bytes_per_hour":null,
            "rate_interval":null,"since":"2026-03-02T23:10:00Z","confidence":null,"time_to_exhaustion_s":null,
            "exhausts":null,"evidence":[],"sites":[]}"#;
        Body::Verdict(Box::new(Verdict { isolate, verdict, kind, ..serde_json::from_str(JSON).unwrap() }))
    }

    #[test]
    fn of_many_short_lived_workers_a_few_are_listed() {
        let life = |serial: u32| {
            let last = verdict(Some(serial), Kind::JsHeap, Level::Inconclusive);
            [isolate(serial, IsolateState::Born), last, isolate(serial, IsolateState::Gone)]
        };
        let lives = || (1..=120).flat_map(life);
        // Four that come, four that go, and what there is to say of the main thread's.
        assert_eq!(lines(Verbosity::Normal, lives()), 9);
        assert_eq!(lines(Verbosity::Verbose, lives()), 360);
    }

    #[test]
    fn what_is_nobodys_trouble_has_no_line_and_a_verdict_has_one() {
        use Kind::{Fragmentation, JsHeap, Native};
        let heap = Some(1);
        for (name, bodies, expected) in [
            (
                "repeated at the end",
                vec![verdict(heap, JsHeap, Level::Leak), verdict(heap, JsHeap, Level::Leak)],
                1,
            ),
            ("an allocator that keeps memory", vec![verdict(None, Fragmentation, Level::Growing)], 0),
            (
                "an alarm that is taken back",
                vec![verdict(None, Native, Level::Leak), verdict(None, Native, Level::Stable)],
                2,
            ),
            ("counters", vec![Body::Loss(record::Loss { lost: 1, ..record::Loss::default() })], 0),
        ] {
            assert_eq!(lines(Verbosity::Normal, bodies.clone()), expected, "{name}");
            assert_eq!(lines(Verbosity::Quiet, bodies), expected, "{name}");
        }
    }

    #[test]
    fn a_process_that_stops_and_goes_on_is_told() {
        let memory =
            |suspended| Body::Memory(Box::new(record::Memory { suspended, ..record::Memory::default() }));
        assert_eq!(lines(Verbosity::Normal, [false, true, true, false].map(memory)), 2);
        assert_eq!(lines(Verbosity::Quiet, [false, true].map(memory)), 0);
    }
}
