//! Programs that do not leak and look as if they did.

use super::{Case, Draw, Set, server};
use crate::{
    DAY, HOUR, MIB,
    sim::{Load, Part, Rng},
};

/// Seeds, and how to draw a case.
pub(super) const FAMILIES: &[(usize, Draw)] = &[
    (60, constant),
    (60, warm_up),
    (160, cache_fill),
    (90, load_ramp),
    (60, daily_load),
    (60, office_load),
    (150, sawtooth),
    (150, data_sets),
    (600, deploys),
    (150, memo),
    (20, long_fill),
    (40, weekly_load),
    (120, sessions),
    (150, restarts),
    (100, season_and_cache),
];

fn constant(rng: &mut Rng, _: usize) -> Case {
    server(rng, Load::Even).named("constant", Set::Tune).watched(0.0, 2.0 * DAY)
}

fn warm_up(rng: &mut Rng, _: usize) -> Case {
    let (size, tau_s) = (rng.magnitude(10.0, 60.0) * MIB, rng.magnitude(10.0, 600.0));
    let warm_up = Part::Saturating { size, tau_s, power: 1.0 };
    server(rng, Load::Even).named("warm-up", Set::Tune).keeping(warm_up).watched(0.0, DAY)
}

fn cache_fill(rng: &mut Rng, _: usize) -> Case {
    let (size, lasts_s) = (rng.magnitude(5.0, 200.0) * MIB, rng.magnitude(30.0, HOUR));
    let fill = Part::Fill { size, from_s: rng.between(0.0, 60.0), lasts_s };
    server(rng, Load::Even)
        .named("cache that fills within an hour", Set::Tune)
        .keeping(fill)
        .watched(0.0, DAY)
}

fn load_ramp(rng: &mut Rng, _: usize) -> Case {
    let age = rng.magnitude(HOUR, 10.0 * DAY);
    let low = rng.between(0.1, 0.5);
    let ramp =
        Load::Ramp { low, from_s: age + rng.between(0.0, HOUR), lasts_s: rng.magnitude(300.0, 4.0 * HOUR) };
    let open = Part::InFlight(rng.magnitude(5.0, 100.0) * MIB);
    server(rng, ramp).named("load ramp", Set::Tune).keeping(open).watched(age, DAY)
}

fn daily_load(rng: &mut Rng, _: usize) -> Case {
    let load = Load::Daily(rng.between(0.2, 0.7));
    let open = Part::InFlight(rng.magnitude(2.0, 50.0) * MIB);
    let age = rng.between(DAY, 2.0 * DAY);
    server(rng, load).named("daily load", Set::Tune).keeping(open).watched(age, 5.0 * DAY)
}

fn office_load(rng: &mut Rng, _: usize) -> Case {
    let load = Load::Office(rng.between(0.1, 0.4));
    let open = Part::InFlight(rng.magnitude(2.0, 50.0) * MIB);
    let age = rng.between(DAY, 8.0 * DAY);
    server(rng, load).named("office hours", Set::Report).keeping(open).watched(age, 7.0 * DAY)
}

fn sawtooth(rng: &mut Rng, _: usize) -> Case {
    let saw = Part::Sawtooth { size: rng.magnitude(5.0, 200.0) * MIB, every_s: rng.magnitude(5.0, 1200.0) };
    let age = rng.magnitude(60.0, 10.0 * DAY);
    server(rng, Load::Even).named("sawtooth", Set::Report).keeping(saw).watched(age, 2.0 * DAY)
}

fn data_sets(rng: &mut Rng, _: usize) -> Case {
    let age = rng.magnitude(60.0, 10.0 * DAY);
    let ages = (0..3).map(|_| age + rng.between(0.0, DAY)).collect();
    let sets = Part::Loaded(rng.magnitude(10.0, 150.0) * MIB, ages);
    server(rng, Load::Even).named("data sets loaded", Set::Report).keeping(sets).watched(age, 2.0 * DAY)
}

fn deploys(rng: &mut Rng, _: usize) -> Case {
    let start = Part::Saturating {
        size: rng.magnitude(10.0, 60.0) * MIB,
        tau_s: rng.magnitude(5.0, 60.0),
        power: 1.0,
    };
    let fill = Part::Fill {
        size: rng.magnitude(2.0, 50.0) * MIB,
        from_s: 20.0,
        lasts_s: rng.magnitude(60.0, 1200.0),
    };
    let watch = rng.between(2.0, 10.0) * HOUR;
    server(rng, Load::Even).named("deploys", Set::Report).keeping(start).keeping(fill).watched(0.0, watch)
}

fn memo(rng: &mut Rng, _: usize) -> Case {
    let tau_s = rng.magnitude(60.0, 1800.0);
    let memo = Part::Saturating { size: rng.magnitude(10.0, 200.0) * MIB, tau_s, power: 0.6 };
    server(rng, Load::Even).named("memo of Zipf's keys", Set::Report).keeping(memo).watched(0.0, 3.0 * DAY)
}

/// Watched for three weeks from any day of the week.
fn weekly_load(rng: &mut Rng, _: usize) -> Case {
    let load = Load::Weekly(rng.between(0.2, 0.6));
    let open = Part::InFlight(rng.magnitude(2.0, 50.0) * MIB);
    let age = rng.between(0.0, 7.0 * DAY);
    server(rng, load).named("weekly load", Set::Report).keeping(open).watched(age, 21.0 * DAY)
}

/// Sessions that last for minutes to hours fill a store until as many end as begin; the load has its day.
fn sessions(rng: &mut Rng, _: usize) -> Case {
    let lasts_s = rng.magnitude(60.0, 2.0 * HOUR);
    let store = Part::Sessions { rate: rng.magnitude(2.0, 80.0) * MIB / lasts_s, from_s: 10.0, lasts_s };
    let load = Load::Daily(rng.between(0.1, 0.5));
    server(rng, load).named("sessions that end", Set::Tune).keeping(store).watched(0.0, 2.0 * DAY)
}

/// Crash loops, preemptions, scale-downs: a young process each time, with its warm-up and a cache, for half an hour.
fn restarts(rng: &mut Rng, _: usize) -> Case {
    let warm_up = Part::Saturating {
        size: rng.magnitude(5.0, 40.0) * MIB,
        tau_s: rng.magnitude(5.0, 120.0),
        power: 1.0,
    };
    let fill = Part::Fill {
        size: rng.magnitude(2.0, 50.0) * MIB,
        from_s: rng.between(5.0, 60.0),
        lasts_s: rng.magnitude(30.0, 600.0),
    };
    let case = server(rng, Load::Even).named("restarts", Set::Report).keeping(warm_up).keeping(fill);
    let watch = rng.magnitude(300.0, HOUR);
    case.watched(0.0, watch)
}

/// A daily load, attached at any hour, and a cache that is cleared and fills again every few hours.
fn season_and_cache(rng: &mut Rng, _: usize) -> Case {
    let load = Load::Daily(rng.between(0.2, 0.6));
    let open = Part::InFlight(rng.magnitude(2.0, 40.0) * MIB);
    let cache =
        Part::Sawtooth { size: rng.magnitude(5.0, 100.0) * MIB, every_s: rng.magnitude(0.2, 6.0) * HOUR };
    let age = rng.between(0.0, 2.0 * DAY);
    let case = server(rng, load).named("daily load and a cache", Set::Report).keeping(open).keeping(cache);
    case.watched(age, 4.0 * DAY)
}

/// Half a day of even growth that stops: until it does, no look at the heap can tell it from a leak.
fn long_fill(rng: &mut Rng, _: usize) -> Case {
    let fill = Part::Fill {
        size: rng.magnitude(20.0, 200.0) * MIB,
        from_s: 0.0,
        lasts_s: rng.between(6.0, 18.0) * HOUR,
    };
    server(rng, Load::Even)
        .named("cache that fills for half a day", Set::Limit)
        .keeping(fill)
        .watched(0.0, 2.0 * DAY)
}
