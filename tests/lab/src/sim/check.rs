//! Is the model V8? A recorded process is run again: the model is given what the program did (what it kept, how fast it
//! allocated and how much of that grew old), and has to find out by itself when V8 collects.

use memwatch_user::model::{Collection, GcKind};

use super::{Load, Part, Program, run};
use crate::{MIB, recorded, stats::quantile, trace::Trace};

/// The start-up, which the model does not know: V8's first limit comes from the survival of scavenges.
const START_UP_S: f64 = 12.0;

/// The model's interval, and its number of mark-compacts, may be off by this factor.
pub const INTERVAL_WITHIN: f64 = 1.6;
/// The model's ratio may be off by this factor.
pub const RATIO_WITHIN: f64 = 1.4;

/// Medians over the mark-compacts of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Mark-compacts after the start-up.
    pub count: usize,
    /// Seconds from one to the next.
    pub interval_s: f64,
    /// Bytes before one, in units of the bytes after.
    pub ratio: f64,
}

impl Pace {
    /// The pace of `collections`; `None` below two mark-compacts after the start-up.
    #[must_use]
    pub fn of(collections: &[Collection]) -> Option<Self> {
        let full = full(collections);
        let full: Vec<_> = full.into_iter().filter(|point| point.0 > START_UP_S).collect();
        let intervals: Vec<f64> = full.windows(2).map(|w| w[1].0 - w[0].0).collect();
        let ratios: Vec<f64> = full.iter().map(|(_, before, after)| before / after).collect();
        Some(Self {
            count: full.len(),
            interval_s: quantile(&intervals, 0.5)?,
            ratio: quantile(&ratios, 0.5)?,
        })
    }
}

/// The recorded pace and that of the model, given what the recorded program did.
#[must_use]
pub fn paces(trace: &Trace) -> Option<[Pace; 2]> {
    let seconds = trace.collections.last()?.end.seconds();
    let program = program(trace, seconds)?;
    let mut modelled = Vec::new();
    run(&program, recorded::LIMIT, 0.0, seconds, 1, |c| modelled.push(*c));
    Some([Pace::of(&trace.collections)?, Pace::of(&modelled)?])
}

/// Seconds, bytes before and bytes after of the mark-compacts.
fn full(collections: &[Collection]) -> Vec<(f64, f64, f64)> {
    let size = |bytes: Option<u64>| bytes.unwrap_or(0) as f64;
    let full = collections.iter().filter(|c| c.kind == GcKind::MarkCompact);
    full.map(|c| (c.end.seconds(), size(c.before_bytes), size(c.after_bytes))).collect()
}

fn program(trace: &Trace, seconds: f64) -> Option<Program> {
    let full = full(&trace.collections);
    let garbage: f64 = full.windows(2).map(|w| w[1].1 - w[0].2.max(w[1].2)).sum();
    let since = full.last()?.0 - full.first()?.0;
    let came = trace.collections.windows(2).map(|w| bytes(w[1].before_bytes) - bytes(w[0].after_bytes));
    let allocation = came.map(|bytes| bytes.max(0.0)).sum::<f64>() / seconds;
    Some(Program {
        parts: vec![Part::Recorded(full.iter().map(|point| (point.0, point.2)).collect())],
        load: Load::Even,
        allocation,
        promoted: garbage / since / allocation,
        noise: 0.0,
        // What a process starts with; these are too young to have more.
        semi_space: MIB,
    })
}

fn bytes(size: Option<u64>) -> f64 {
    size.unwrap_or(0) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_collects_as_node_20_did() {
        for (name, csv, _) in recorded::RECORDED {
            let [real, model] = paces(&Trace::parse(csv).unwrap()).unwrap();
            let factor = |a: f64, b: f64| (a / b).max(b / a);
            let off = [
                factor(model.interval_s, real.interval_s),
                factor(model.ratio, real.ratio),
                factor(model.count as f64, real.count as f64),
            ];
            assert!(
                off[0] < INTERVAL_WITHIN && off[1] < RATIO_WITHIN && off[2] < INTERVAL_WITHIN,
                "{name}: {off:?}"
            );
        }
    }
}
