//! What holds what a JavaScript heap, or the array buffers outside of it, grow by: what three takes say. Each may have missed some of
//! what was being written, so that a holder counts only if two in a row show that it grows.

use crate::heap::questions::{Census, GrownHolder, compare};

/// Holders that are told.
const MOST_HOLDERS: usize = 3;
/// A holder of less than this share of the growth explains nothing.
const LEAST_SHARE: f64 = 0.1;
/// Growth of less is none: tables are enlarged, and code is compiled.
const LEAST_BYTES: u64 = 256 << 10;

/// A place that holds more and more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeapHolder {
    /// Its share of what the heap has grown by since the first take, 0 to 1.
    pub(crate) share: f64,
    /// What grew, and where.
    pub(crate) grown: GrownHolder,
}

/// Places that hold more than at first, and more than the time before: the program's own before those of Node and V8, which are
/// told where they are what grows (a table of timers). One that was nowhere before may have had another name: what is seen by
/// several functions is told by the one that is nearest to a root at the moment.
pub(super) fn holders(first: &Census, before: &Census, last: &Census) -> Vec<HeapHolder> {
    let all = last.held.saturating_sub(first.held).max(LEAST_BYTES);
    let recent = compare(before, last).holders;
    let goes_on = |grown: &GrownHolder| {
        let is_known = first.knows(&grown.place) && before.knows(&grown.place);
        is_known && recent.iter().any(|other| other.place == grown.place)
    };
    let (own, program): (Vec<_>, Vec<_>) =
        compare(first, last).holders.into_iter().partition(|grown| grown.is_own);
    let grown = program.into_iter().chain(own).filter(goes_on);
    let holders = grown.filter_map(|grown| {
        let bytes = u64::try_from(grown.grown_bytes).ok().filter(|bytes| *bytes >= LEAST_BYTES)?;
        let share = (bytes as f64 / all as f64).min(1.0);
        (share >= LEAST_SHARE).then_some(HeapHolder { share, grown })
    });
    without_what_encloses(holders).take(MOST_HOLDERS).collect()
}

/// Which share of what came between two takes is in those of `holders` that are the program's own.
pub(super) fn held_share(holders: &[HeapHolder], before: &Census, last: &Census) -> f64 {
    let all = last.held.saturating_sub(before.held).max(LEAST_BYTES);
    let is_held = |grown: &GrownHolder| {
        grown.is_program && holders.iter().any(|holder| holder.grown.place == grown.place)
    };
    let held = compare(before, last).holders.into_iter().filter(is_held);
    let bytes: u64 = held.filter_map(|grown| u64::try_from(grown.grown_bytes).ok()).sum();
    (bytes as f64 / all as f64).min(1.0)
}

/// What explains more than is left to explain holds what was told already: the scope of a variable, where the first take did not
/// tell them apart.
fn without_what_encloses(holders: impl Iterator<Item = HeapHolder>) -> impl Iterator<Item = HeapHolder> {
    let mut left = 1.0 + LEAST_SHARE / 2.0;
    holders.filter(move |holder| {
        let fits = holder.share <= left;
        left -= if fits { holder.share } else { 0.0 };
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Labels and percents of the holders that three takes show, each of which holds so many MiB in the variables of these names.
    fn shown(takes: [&[(&str, u64)]; 3]) -> Vec<String> {
        let [first, before, last] = takes.map(|variables| {
            let bytes: Vec<_> = variables.iter().map(|(name, mib)| (*name, mib * MIB)).collect();
            Census::of_variables(&bytes)
        });
        let percent =
            |holder: HeapHolder| format!("{} {:.0}", holder.grown.place.label, holder.share * 100.0);
        holders(&first, &before, &last).into_iter().map(percent).collect()
    }

    #[test]
    fn what_grows_and_goes_on_is_a_holder() {
        for (name, takes, expected) in [
            (
                "a leak beside a cache that is full",
                [
                    &[("leak", 5), ("cache", 50)][..],
                    &[("leak", 10), ("cache", 50)],
                    &[("leak", 20), ("cache", 50)],
                ],
                vec!["leak 100"],
            ),
            (
                "a cache that has filled",
                [
                    &[("leak", 5), ("cache", 5)],
                    &[("leak", 10), ("cache", 40)],
                    &[("leak", 20), ("cache", 40)],
                ],
                vec!["leak 30"],
            ),
            (
                "the first take has lost a part",
                [&[("leak", 5)], &[("leak", 10), ("cache", 50)], &[("leak", 20), ("cache", 51)]],
                vec!["leak 23"],
            ),
            (
                "the take before the last has lost a part",
                [&[("leak", 5), ("cache", 50)], &[("leak", 10)], &[("leak", 20), ("cache", 55)]],
                vec!["leak 75"],
            ),
            (
                "Node's own comes after the program's",
                [
                    &[("_timers", 5), ("leak", 5), ("other", 5)],
                    &[("_timers", 15), ("leak", 10), ("other", 10)],
                    &[("_timers", 23), ("leak", 18), ("other", 14)],
                ],
                vec!["leak 32", "other 22", "_timers 45"],
            ),
            (
                "Node's own is most of it",
                [
                    &[("_timers", 5), ("leak", 5)],
                    &[("_timers", 20), ("leak", 10)],
                    &[("_timers", 30), ("leak", 20)],
                ],
                vec!["_timers 62", "leak 38"],
            ),
            ("nothing", [&[("cache", 50)], &[("cache", 50)], &[("cache", 50)]], vec![]),
        ] {
            assert_eq!(shown(takes), expected, "{name}");
        }
    }

    /// What is not the program's own does not count, nor what has come to an end: a ring of buffers that is full.
    #[test]
    fn the_share_that_is_held_is_of_what_came_last() {
        let census = |variables: &[(&str, u64)]| {
            let bytes: Vec<_> = variables.iter().map(|(name, mib)| (*name, mib * MIB)).collect();
            Census::of_variables(&bytes)
        };
        let first = census(&[("leak", 5), ("ring", 5), ("_timers", 5)]);
        let before = census(&[("leak", 10), ("ring", 60), ("_timers", 6)]);
        let last = census(&[("leak", 19), ("ring", 60), ("_timers", 9)]);
        let share = held_share(&holders(&first, &before, &last), &before, &last);
        assert!((share - 0.75).abs() < 0.01, "{share}");
    }

    /// A variable's scope holds what the variable does.
    #[test]
    fn what_encloses_a_holder_is_none() {
        let at = |mib: u64| {
            let mut census = Census::of_variables(&[("leak", mib * MIB), ("scope", mib * MIB)]);
            census.held = mib * MIB;
            census
        };
        let shown = holders(&at(5), &at(20), &at(50));
        assert_eq!(shown.len(), 1, "{shown:?}");
    }
}
