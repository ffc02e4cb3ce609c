//! Room for new stacks in the kernel side's map, which all processes share. Pure.

use std::collections::BTreeMap;

/// Which process is to forget how many of its stacks, the oldest, so that no more than `most` are known of all together. It
/// is the one that has the most of them: who has few keeps them, however many others make. A quarter of them at a time, as
/// looking for the oldest takes a pass over all.
pub(super) fn to_forget(known: &BTreeMap<u32, usize>, most: usize) -> Option<(u32, usize)> {
    let all: usize = known.values().sum();
    let (pid, largest) = known.iter().max_by_key(|(_, count)| **count)?;
    (all > most).then_some((*pid, largest.div_ceil(4)))
}

/// The `count` oldest of what is numbered in the order in which it came.
pub(super) fn oldest<K: Copy + Ord>(of: impl Iterator<Item = (K, u64)>, count: usize) -> Vec<K> {
    let mut in_order: Vec<(u64, K)> = of.map(|(key, number)| (number, key)).collect();
    in_order.sort_unstable();
    in_order.into_iter().take(count).map(|(_, key)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_few_stacks_keeps_them() {
        let mut known = BTreeMap::from([(1, 30), (2, 900), (3, 80)]);
        assert_eq!(to_forget(&known, 1010), None);
        let mut forgotten = BTreeMap::new();
        while let Some((pid, count)) = to_forget(&known, 600) {
            *known.get_mut(&pid).unwrap() -= count;
            *forgotten.entry(pid).or_insert(0) += count;
        }
        assert_eq!((known[&1], known[&3]), (30, 80));
        assert_eq!(forgotten, BTreeMap::from([(2, 900 - known[&2])]));
        assert!(known.values().sum::<usize>() <= 600);
        assert_eq!(to_forget(&BTreeMap::new(), 0), None);
    }

    #[test]
    fn the_oldest_go_first() {
        let stacks = [("a", 7), ("b", 2), ("c", 9), ("d", 1)];
        assert_eq!(oldest(stacks.into_iter(), 2), ["d", "b"]);
        assert_eq!(oldest(stacks.into_iter(), 9), ["d", "b", "a", "c"]);
    }
}
