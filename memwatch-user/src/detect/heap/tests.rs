//! One judge, call by call.

use super::*;
use crate::series::valleys::tests::mark_compact;

const MIB: u64 = 1 << 20;
const OLD: Circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };

/// A judge and an isolate that keeps 1 MiB/s, judged at a mark-compact every ten seconds.
fn leaking(mark_compacts: u64, limit: u64) -> (HeapJudge, Isolate) {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(limit));
    let mut judge = HeapJudge::new(Mono(0));
    for i in 1..=mark_compacts {
        feed(&mut judge, &mut isolate, i * 10, 20 + i * 10);
    }
    (judge, isolate)
}

fn feed(judge: &mut HeapJudge, isolate: &mut Isolate, seconds: u64, live_mib: u64) {
    let c = mark_compact(seconds as f64, (live_mib + 5) * MIB, live_mib * MIB);
    isolate.collection(&c, None);
    judge.judge(isolate, c.end, &OLD);
}

#[test]
fn a_leak_has_rate_interval_forecast_and_evidence() {
    let (judge, _) = leaking(9, 1000 * MIB);
    let finding = judge.finding();
    let hourly = 3600.0 * MIB as f64;
    assert_eq!((finding.level, finding.since), (Level::Leak, Mono(90_000_000_000)));
    assert_eq!((finding.rate, finding.rate_interval), (Some(hourly), Some([Some(hourly); 2])));
    let left = finding.exhaustion.map(|e| (e.earliest_s.round(), e.latest_s.map(f64::round)));
    assert_eq!(left, Some((690.0, Some(890.0))));
    assert_eq!(finding.reasons.len(), 9);
    assert!(finding.reasons[1..].iter().all(Reason::passes), "{:?}", finding.reasons);
    assert!(finding.confidence.is_some_and(|c| c > 0.99));
}

/// As the demo does it: a few MiB a second, mark-compacts every one to three seconds, the base wobbling with them.
#[test]
fn a_fast_leak_that_goes_on_stays_a_leak() {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(4096 * MIB));
    let mut judge = HeapJudge::new(Mono(0));
    let young = Circumstances { age: Duration::from_secs(1), lost_share: 0.0 };
    let (mut at, mut called) = (2_u64, None);
    for i in 0..250_u64 {
        at += 1 + i % 3;
        let live = 8 + at * 5 / 2 + [0, 3, 1, 4, 2][(i % 5) as usize];
        let c = mark_compact(at as f64, (live + 4) * MIB, live * MIB);
        isolate.collection(&c, None);
        let level = judge.judge(&isolate, c.end, &young).level;
        assert!(called.is_none() || level == Level::Leak, "{level:?} at {at} s, called at {called:?}");
        called = called.or((level == Level::Leak).then_some(at));
    }
    assert!(called.is_some_and(|at| at <= 60), "called at {called:?}");
}

#[test]
fn no_level_rises_without_a_new_mark_compact() {
    let (mut judge, isolate) = leaking(4, 1000 * MIB);
    let before = judge.finding().clone();
    assert_eq!(before.level, Level::Suspect);
    for at in [41, 600, 86_400] {
        assert_eq!(*judge.judge(&isolate, Mono(at * 1_000_000_000), &OLD), before);
    }
}

#[test]
fn much_loss_makes_it_inconclusive_until_the_next_valley() {
    let (mut judge, mut isolate) = leaking(9, 1000 * MIB);
    let lossy = Circumstances { lost_share: 0.2, ..OLD };
    let finding = judge.judge(&isolate, Mono(91_000_000_000), &lossy);
    assert_eq!((finding.level, finding.rate), (Level::Inconclusive, None));
    feed(&mut judge, &mut isolate, 100, 120);
    assert_eq!(judge.finding().level, Level::Leak);
}

#[test]
fn near_the_limit_the_last_undisturbed_rate_stands() {
    let (mut judge, mut isolate) = leaking(6, 100 * MIB);
    let rate = judge.finding().rate;
    for i in 0..10 {
        feed(&mut judge, &mut isolate, 100 + i * 5, 85 + i / 4);
    }
    assert_eq!((judge.finding().level, judge.finding().rate), (Level::Leak, rate));
}

#[test]
fn a_heap_that_fell_back_ends_the_alarm_at_once_and_a_plateau_after_four() {
    let (mut judge, mut isolate) = leaking(9, 1000 * MIB);
    feed(&mut judge, &mut isolate, 100, 30);
    assert!(judge.finding().level < Level::Suspect);

    let (mut judge, mut isolate) = leaking(9, 1000 * MIB);
    let levels: Vec<Level> = (10..25)
        .map(|i| {
            feed(&mut judge, &mut isolate, i * 10, 110);
            judge.finding().level
        })
        .collect();
    let held = levels.iter().take_while(|&&level| level == Level::Leak).count();
    assert!((3..=8).contains(&held) && levels.last() < Some(&Level::Suspect), "{levels:?}");
}

#[test]
fn nothing_seen_is_inconclusive_and_says_so() {
    let isolate = Isolate::new(1, 1, false, Mono(0), None);
    let mut judge = HeapJudge::new(Mono(0));
    let finding = judge.judge(&isolate, Mono(90_000_000_000), &OLD);
    assert_eq!((finding.level, finding.confidence), (Level::Inconclusive, None));
    let none = Seen::FewCollections { full_collections: 0, needed: 5, wait_s: None };
    assert_eq!(finding.reasons, [Reason::plain(none)]);
}

#[test]
fn what_is_not_yet_a_leak_says_from_when_it_is_one() {
    let (judge, _) = leaking(6, 1000 * MIB);
    let finding = judge.finding();
    let lasting =
        Seen::Lasting { growth: 50.0 * MIB as f64, base: 30.0 * MIB as f64, span_s: 50.0, due_s: 75.0 };
    assert_eq!(
        (finding.level, finding.reasons.last()),
        (Level::Suspect, Some(&Reason::test(lasting, false)))
    );
}

#[test]
fn a_leak_that_begins_after_two_days_is_called_within_hours_and_taken_back_when_it_ends() {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(2048 * MIB));
    let mut judge = HeapJudge::new(Mono(0));
    let mut level = |minute: u64| {
        let live = 100 + minute.clamp(2880, 3600) - 2880 + minute % 2;
        feed(&mut judge, &mut isolate, minute * 60, live);
        judge.finding().level
    };
    let levels: Vec<(u64, Level)> = (1..12_000).map(|minute| (minute, level(minute))).collect();
    let called = levels.iter().find(|(_, level)| *level == Level::Leak).map(|(minute, _)| *minute);
    assert!(called.is_some_and(|minute| (2880..2880 + 300).contains(&minute)), "{called:?}");
    assert!(levels.last().is_some_and(|(_, level)| *level < Level::Suspect), "{:?}", levels.last());
}
