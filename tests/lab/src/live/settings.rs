//! The detectors that traces are shown to, with every threshold that is swept.

use super::replay::{Feed, Setting};
use crate::{
    MIB,
    detectors::{
        Detector,
        consecutive::Consecutive,
        kendall::Kendall,
        memwatch,
        ours::Ours,
        precog::{Precog, Rule as PrecogRule},
        prometheus::Rule,
        slope::Slope,
    },
};

/// Index of ours in [`all`], of which only the heap's judge is replayed.
pub const OURS: usize = 0;
/// Index of the faithful memwatch in [`all`].
pub const MEMWATCH: usize = 1;

/// What Prometheus's durations are divided by: its hour is a minute.
const PROMETHEUS_SPEED: f64 = 60.0;

/// What `predict_linear` compares resident sizes with: the limit that pods of Node often have, bytes.
const POD_LIMIT: f64 = 512.0 * MIB;

/// All settings.
#[must_use]
pub fn all() -> Vec<Setting> {
    let mut settings = vec![
        setting("memwatch-bpf, replayed", Feed::Heap, Ours::new),
        setting("memwatch-next, faithful", Feed::Heap, |_, _| memwatch::Faithful::default()),
        setting("memwatch-next, repaired", Feed::Heap, |_, _| memwatch::Repaired::default()),
    ];
    let rising = |runs| {
        setting(format!("{runs} rising mark-compacts"), Feed::Heap, move |_, _| Consecutive::new(runs))
    };
    settings.extend([5, 8, 12].map(rising));
    settings.extend([Feed::Heap, Feed::Rss].into_iter().flat_map(of_either));
    settings.extend([
        setting("LBR, RSS", Feed::Rss, |_, _| Precog::new(PrecogRule::Lbr)),
        setting("Precog, RSS", Feed::Rss, |_, _| Precog::new(PrecogRule::Precog)),
        setting("Precog with maximum filter, RSS", Feed::Rss, |_, _| {
            Precog::new(PrecogRule::PrecogWithMaximum)
        }),
    ]);
    settings
}

/// What can be shown a heap or a resident set.
fn of_either(feed: Feed) -> Vec<Setting> {
    let of = match feed {
        Feed::Heap => "heap",
        Feed::Rss => "RSS",
    };
    let kendall =
        |z: f64| setting(format!("Mann–Kendall, {of}, Z > {z}"), feed, move |_, _| Kendall::new(z));
    let slope =
        |mib: f64| setting(format!("slope of 64, {of}, > {mib} MiB/h"), feed, move |_, _| Slope::new(mib));
    let deriv = |kb: f64| {
        let name = format!("Prometheus deriv, {of}, > {kb} kB/s");
        setting(name, feed, move |_, _| Rule::deriv(kb * 1e3).faster(PROMETHEUS_SPEED))
    };
    let predict = setting(format!("Prometheus predict_linear, {of}"), feed, move |limit, _| {
        let limit = if feed == Feed::Heap { limit } else { POD_LIMIT };
        Rule::predict_linear(limit).faster(PROMETHEUS_SPEED)
    });
    let mut settings: Vec<Setting> = [3.0, 5.0, 8.0].map(kendall).into();
    settings.extend([10.0, 100.0, 300.0, 1000.0].map(slope));
    settings.extend([10.0, 100.0, 1000.0].map(deriv));
    settings.push(predict);
    settings
}

fn setting<D: Detector + 'static>(
    name: impl Into<String>,
    feed: Feed,
    make: impl Fn(f64, f64) -> D + 'static,
) -> Setting {
    Setting { name: name.into(), feed, make: Box::new(move |limit, age| Box::new(make(limit, age))) }
}
