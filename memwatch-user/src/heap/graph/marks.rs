//! Which words of a copy begin an object of the graph, and which node that is.

use crate::heap::take::Position;

/// Bits of a group whose number of marks before it is kept.
const GROUP: usize = 512;
const WORDS: usize = GROUP / 64;

/// One bit for each word.
#[derive(Debug)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    /// None of `words`.
    pub(super) fn new(words: usize) -> Self {
        Self(vec![0; words.div_ceil(GROUP) * WORDS])
    }

    /// Whether there is one.
    #[inline]
    pub(super) fn has(&self, at: Position) -> bool {
        self.0.get((at.0 / 64) as usize).is_some_and(|bits| bits >> (at.0 % 64) & 1 != 0)
    }

    /// Makes one.
    #[inline]
    pub(super) fn set(&mut self, at: Position) {
        if let Some(bits) = self.0.get_mut((at.0 / 64) as usize) {
            *bits |= 1 << (at.0 % 64);
        }
    }
}

/// Nodes by position: by how many marks come before, 4 bytes for each node and 4 for each group of bits.
#[derive(Debug)]
pub(super) struct Numbers {
    before: Vec<u32>,
    nodes: Vec<u32>,
}

impl Numbers {
    /// Of nodes with `positions`, which are the marked ones; the first `skipped` have none.
    pub(super) fn new(marks: &Marks, positions: &[u32], skipped: usize) -> Self {
        let count = |sum: &mut u32, group: &[u64]| {
            let before = *sum;
            *sum += group.iter().map(|bits| bits.count_ones()).sum::<u32>();
            Some(before)
        };
        let before: Vec<u32> = marks.0.chunks(WORDS).scan(0, count).collect();
        let mut numbers = Self { before, nodes: vec![0; positions.len().saturating_sub(skipped)] };
        for (position, node) in positions.iter().zip(0..).skip(skipped) {
            let rank = numbers.rank(marks, Position(*position));
            if let Some(to) = rank.and_then(|rank| numbers.nodes.get_mut(rank)) {
                *to = node;
            }
        }
        numbers
    }

    /// The node at `position`.
    pub(super) fn node(&self, marks: &Marks, position: Position) -> Option<u32> {
        self.nodes.get(self.rank(marks, position)?).copied()
    }

    /// How many marks come before the one at `position`, if there is one.
    fn rank(&self, marks: &Marks, position: Position) -> Option<usize> {
        marks.has(position).then_some(())?;
        let (group, word) = (position.0 as usize / GROUP, position.0 as usize / 64);
        let whole = marks.0.get(group * WORDS..word)?.iter().map(|bits| bits.count_ones()).sum::<u32>();
        let below = (marks.0.get(word)? & ((1 << (position.0 % 64)) - 1)).count_ones();
        Some((self.before.get(group)? + whole + below) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_by_position() {
        let mut marks = Marks::new(5000);
        let positions = [u32::MAX, 4097, 0, 63, 64, 511, 512, 4999];
        positions[1..].iter().for_each(|at| marks.set(Position(*at)));
        let numbers = Numbers::new(&marks, &positions, 1);
        for (node, at) in (0..).zip(positions).skip(1) {
            assert_eq!(numbers.node(&marks, Position(at)), Some(node), "{at}");
        }
        assert_eq!(numbers.node(&marks, Position(1)), None);
        assert_eq!(numbers.node(&marks, Position(u32::MAX)), None);
    }
}
