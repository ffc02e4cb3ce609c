//! What sites hold, by windows and looks that are made up.

use memwatch_common::strides::Strides;

use super::*;
use crate::model::FrameKind;

/// Of one address.
fn call(key: &[u64]) -> Call<'_> {
    Call { call_site: key[0], frames: key, key: &key[..1], callers: &[] }
}

/// A site with `found` at every age up to 12 s.
fn site(sites: &mut Sites, key: u64, seen: Seen, bytes: f64, found: Found) {
    let number = sites.sample(call(&[key, 9]), seen, bytes).unwrap();
    sites.counted(key, seen, bytes);
    for age in 0..5 {
        *sites.found(number, seen, age).unwrap() = found;
    }
}

fn found(live: u64, freed: u64, changed: u64) -> Found {
    Found { live, freed, changed }
}

#[test]
fn sites_hold_what_stays() {
    let mut sites = Sites::default();
    sites.window(Seen::All, 1.0);
    site(&mut sites, 1, Seen::All, 3000.0, found(10, 0, 0));
    *sites.found(0, Seen::All, 5).unwrap() = found(0, 3, 0);
    site(&mut sites, 2, Seen::All, 90_000.0, found(1, 99, 0));
    site(&mut sites, 3, Seen::All, 2000.0, found(5, 5, 0));
    site(&mut sites, 4, Seen::All, 5000.0, found(3, 0, 0));
    site(&mut sites, 5, Seen::All, 5000.0, found(1, 1, 8));
    let holding = sites.holding();
    let shown: Vec<_> = holding.iter().map(|e| (e.frames[0], e.bytes_per_s, e.share, e.n)).collect();
    assert_eq!(shown, [(1, 3000.0, 0.75, 10), (3, 1000.0, 0.25, 10)]);
    assert_eq!(holding[0].age, Duration::from_secs(12));
    assert_eq!(sites.uncertain(), 1);
}

#[test]
fn lines_of_javascript_that_call_the_same_function_are_sites_of_their_own() {
    let frame = |file: &str, line, column| Frame {
        file: Some(file.to_owned()),
        line: Some(line),
        column: Some(column),
        kind: FrameKind::JavaScript,
        ..Frame::unknown()
    };
    let (through, user) = (frame("node:fs", 9, 1), |line, column| frame("/app.js", line, column));
    let builtin = Frame { kind: FrameKind::Builtin, ..Frame::unknown() };
    let mut sites = Sites::default();
    let mut number =
        |callers: &[Frame]| sites.sample(Call { callers, ..call(&[1, 9]) }, Seen::All, 1.0).unwrap();
    // The same line by way of something else, or at another column, is the same site.
    for (callers, site) in [
        (vec![user(5, 1), user(70, 1)], 0),
        (vec![user(6, 1), user(70, 1)], 1),
        (vec![builtin, through.clone(), user(5, 2)], 0),
        (vec![through], 2),
        (Vec::new(), 3),
    ] {
        assert_eq!(number(&callers), site, "{callers:?}");
    }
}

#[test]
fn the_slow_path_counts_where_windows_on_all_blocks_met_too_little() {
    let mut sites = Sites::default();
    sites.window(Seen::All, 1.0);
    sites.window(Seen::Misses, 2.0);
    site(&mut sites, 1, Seen::Misses, 600.0, found(6, 0, 0));
    site(&mut sites, 2, Seen::Misses, 600.0, found(6, 0, 0));
    site(&mut sites, 2, Seen::All, 9000.0, found(0, 60, 0));
    let shown: Vec<_> = sites.holding().iter().map(|e| (e.frames[0], e.bytes_per_s)).collect();
    assert_eq!(shown, [(1, 300.0)]);
}

#[test]
fn a_site_that_has_stopped_is_named_only_where_none_goes_on() {
    let named = |sites: &Sites| sites.holding().iter().map(|e| e.frames[0]).collect::<Vec<_>>();
    let mut sites = Sites::default();
    for _ in 0..20 {
        sites.window(Seen::All, 1.0);
        site(&mut sites, 1, Seen::All, 9000.0, found(20, 0, 0));
    }
    (0..20).for_each(|_| sites.window(Seen::All, 1.0));
    assert_eq!(named(&sites), [1]);
    site(&mut sites, 2, Seen::All, 9.0, found(5, 0, 0));
    assert_eq!(named(&sites), [2]);
}

#[test]
fn how_rarely_a_site_is_met_says_when_it_has_stopped() {
    for (met, every, missed, expected) in [
        (20, 1, 2, false),
        (20, 1, 3, true),
        (10, 4, 10, false),
        (10, 4, 30, true),
        (1, 1, 9, false),
        (1, 1, 10, true),
    ] {
        let mut blocks = Blocks::default();
        (0..met).for_each(|time| blocks.add(1.0, 1 + time * every));
        assert_eq!(blocks.has_stopped(blocks.last + missed), expected, "{met} {every} {missed}");
    }
    assert!(Blocks::default().has_stopped(5));
}

/// xorshift64*: the upper half.
fn bits(state: &mut u64) -> u32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
}

/// From 0 below 1.
fn uniform(state: &mut u64) -> f64 {
    f64::from(bits(state)) / f64::from(u32::MAX)
}

/// Ten minutes of windows over a site that takes blocks at random times, of which eight in ten stay: the estimate
/// over the truth. Of each window about six blocks are sampled.
fn simulated(state: &mut u64) -> f64 {
    const PER_S: f64 = 1500.0;
    const WINDOW_S: f64 = 0.02;
    let (mut sites, mut strides) = (Sites::default(), Strides::default());
    let lengths = [40, 100, 1000];
    let mut before = 0;
    for number in 1..=600 {
        sites.window(Seen::All, WINDOW_S);
        strides.begin(2 * number, 6, 2 * number - 2, before, bits(state));
        let (mut passed, mut taken) = (0, 0);
        let mut time = -uniform(state).max(1e-9).ln() / PER_S;
        while time < WINDOW_S {
            let length: u64 = lengths[bits(state) as usize % 3];
            if let Some(stands_for) = strides.pass(6, taken, || bits(state)) {
                let site = sites.sample(call(&[1]), Seen::All, (stands_for * length) as f64).unwrap();
                let found = sites.found(site, Seen::All, YOUNGEST_AGE).unwrap();
                if uniform(state) < 0.8 {
                    found.live += 1;
                } else {
                    found.freed += 1;
                }
                taken += 1;
            }
            sites.counted(1, Seen::All, length as f64);
            passed += 1;
            time -= uniform(state).max(1e-9).ln() / PER_S;
        }
        before = passed;
    }
    let truth = PER_S * 0.8 * lengths.iter().sum::<u64>() as f64 / 3.0;
    sites.holding()[0].bytes_per_s / truth
}

/// Theory: 18 000 counted blocks with sizes that spread by 1.15 of their mean, at random times, give 0.011 a run, and 3 600
/// looks at a share of 0.8 give 0.008: together 0.014, and 0.002 for the mean of 50.
#[test]
fn estimates_are_unbiased_and_spread_as_theory_says() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let runs: Vec<f64> = (0..50).map(|_| simulated(&mut state)).collect();
    let mean = runs.iter().sum::<f64>() / 50.0;
    let deviation = (runs.iter().map(|run| (run - mean).powi(2)).sum::<f64>() / 49.0).sqrt();
    assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
    assert!((0.010..0.019).contains(&deviation), "deviation {deviation}");
}

#[test]
fn intervals_of_shares() {
    let [low, high] = wilson(8, 10);
    assert!((low - 0.490).abs() < 0.001 && (high - 0.943).abs() < 0.001, "{low} {high}");
    let [low, high] = wilson(0, 0);
    assert!(low <= 0.0 && high >= 1.0, "{low} {high}");
}
