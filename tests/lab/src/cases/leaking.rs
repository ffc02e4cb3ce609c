//! Programs that leak, from 10 KB to 10 GB an hour.

use super::{Case, Draw, Set, server};
use crate::{
    DAY, HOUR, MIB,
    sim::{Load, Part, Rng},
};

/// Seeds, and how to draw a case.
pub(super) const FAMILIES: &[(usize, Draw)] = &[
    (70, steady),
    (50, churn),
    (30, late_onset),
    (50, growing_table),
    (40, by_day),
    (50, beside_cache),
    (50, late_attach),
    (50, job_by_job),
    (30, to_death),
    (50, in_a_mix),
    (30, by_week),
];

const KB: f64 = 1e3;
const MB: f64 = 1e6;
/// Bytes an hour, and how long such a leak is watched, seconds.
const RATES: [(f64, f64); 7] = [
    (10.0 * KB, 7.0 * DAY),
    (100.0 * KB, 3.0 * DAY),
    (MB, DAY),
    (10.0 * MB, DAY),
    (100.0 * MB, 8.0 * HOUR),
    (1e3 * MB, HOUR),
    (10e3 * MB, 600.0),
];

/// The `number`th of the rates from 1 MB an hour on, up to twice as fast, and its time.
fn rate(rng: &mut Rng, number: usize) -> (f64, f64) {
    let (rate, watch) = RATES[2 + number % 5];
    (rate * rng.magnitude(1.0, 2.0), watch)
}

fn leak(rate: f64, from_s: f64) -> Part {
    Part::Leak { rate: rate / HOUR, from_s }
}

fn steady(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = RATES[number % RATES.len()];
    let rate = rate * rng.magnitude(1.0, 2.0);
    server(rng, Load::Even)
        .named("steady leak", Set::Tune)
        .keeping(leak(rate, 0.0))
        .leaking(rate, 0.0)
        .watched(0.0, watch)
}

fn churn(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let mut case = server(rng, Load::Even).named("leak under churn", Set::Tune).keeping(leak(rate, HOUR));
    case.program.allocation = rng.magnitude(2.0, 10.0) * MIB / case.program.promoted;
    case.leaking(rate, 0.0).watched(HOUR, watch)
}

/// Healthy for six hours to three days, then leaking; watched for as long as a leak of its rate is.
fn late_onset(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let from_s = rng.magnitude(6.0 * HOUR, 3.0 * DAY);
    let case = server(rng, Load::Even).named("late onset", Set::Tune).keeping(leak(rate, from_s));
    case.leaking(rate, from_s).watched(0.0, from_s + watch)
}

fn growing_table(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let table = Part::Table { rate: rate / HOUR, slots: rng.between(0.1, 0.5) };
    server(rng, Load::Even)
        .named("table that doubles", Set::Tune)
        .keeping(table)
        .leaking(rate, 0.0)
        .watched(60.0, watch)
}

/// Two days at least: in one, nobody can tell the leak of a small daily load from the morning.
fn by_day(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let load = Load::Daily(rng.between(0.2, 0.5));
    let open = Part::InFlight(rng.magnitude(1.0, 20.0) * MIB);
    let age = rng.between(0.0, DAY);
    let case =
        server(rng, load).named("leak beside daily load", Set::Report).keeping(open).keeping(leak(rate, age));
    let watch = if watch >= DAY { 2.0 * DAY } else { watch };
    case.leaking(rate, 0.0).watched(age, watch)
}

fn beside_cache(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let fill = Part::Fill {
        size: rng.magnitude(5.0, 100.0) * MIB,
        from_s: 0.0,
        lasts_s: rng.magnitude(30.0, HOUR).min(watch / 3.0),
    };
    let case = server(rng, Load::Even)
        .named("leak beside a filling cache", Set::Report)
        .keeping(fill)
        .keeping(leak(rate, 0.0));
    case.leaking(rate, 0.0).watched(0.0, watch)
}

fn late_attach(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let age = rng.magnitude(2.0 * HOUR, 30.0 * DAY);
    let case = server(rng, Load::Even).named("late attach", Set::Report).keeping(leak(rate, age));
    case.leaking(rate, 0.0).watched(age, watch)
}

fn job_by_job(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let every_s = watch / rng.magnitude(10.0, 200.0);
    let case = server(rng, Load::Even)
        .named("job by job", Set::Report)
        .keeping(Part::Jobs { rate: rate / HOUR, every_s });
    case.leaking(rate, 0.0).watched(300.0, watch)
}

/// Beside a daily load, a cache that fills and a warm-up.
fn in_a_mix(rng: &mut Rng, number: usize) -> Case {
    let (rate, watch) = rate(rng, number);
    let open = Part::InFlight(rng.magnitude(1.0, 20.0) * MIB);
    let warm_up = Part::Saturating {
        size: rng.magnitude(5.0, 40.0) * MIB,
        tau_s: rng.magnitude(5.0, 60.0),
        power: 1.0,
    };
    let fill = Part::Fill {
        size: rng.magnitude(5.0, 100.0) * MIB,
        from_s: 0.0,
        lasts_s: rng.magnitude(30.0, HOUR).min(watch / 3.0),
    };
    let load = Load::Daily(rng.between(0.1, 0.5));
    let case = server(rng, load).named("leak in a mix", Set::Report).keeping(open).keeping(warm_up);
    let watch = if watch >= DAY { 2.0 * DAY } else { watch };
    case.keeping(fill).keeping(leak(rate, 0.0)).leaking(rate, 0.0).watched(0.0, watch)
}

/// Slow ones beside a weekly load, watched for a week.
fn by_week(rng: &mut Rng, number: usize) -> Case {
    let rate = RATES[2 + number % 2].0 * rng.magnitude(1.0, 2.0);
    let load = Load::Weekly(rng.between(0.2, 0.5));
    let open = Part::InFlight(rng.magnitude(1.0, 20.0) * MIB);
    let age = rng.between(0.0, 7.0 * DAY);
    let case = server(rng, load).named("leak beside weekly load", Set::Report).keeping(open);
    case.keeping(leak(rate, age)).leaking(rate, 0.0).watched(age, 7.0 * DAY)
}

/// Small heaps that are leaked full: what forecasts are measured on.
fn to_death(rng: &mut Rng, _: usize) -> Case {
    let mut case = server(rng, Load::Even).named("run to death", Set::Report);
    let rate = rng.magnitude(100.0, 10e3) * MB;
    case.limit = rng.magnitude(128.0, 512.0) * MIB;
    case.program.parts = vec![Part::Base(rng.magnitude(20.0, 60.0) * MIB), leak(rate, 0.0)];
    case.leaking(rate, 0.0).watched(0.0, 8.0 * HOUR)
}
