//! What was allocated at stacks that are told apart by their names only: what is kept of those whose addresses are forgotten. Pure.

use std::collections::HashMap;

use super::{Alive, Sampled};
use crate::model::{Frame, Stack, StackEnd};

/// Different stacks that are kept; what is allocated at further ones is of an unknown one.
const MOST: usize = 8192;

/// What was allocated where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volumes(HashMap<Stack, Volume>);

#[derive(Clone, Copy, Debug, Default)]
struct Volume {
    bytes: u64,
    samples: u64,
}

impl Volumes {
    /// Adds `bytes` that so many samples at `stack` stand for. One without samples is not kept.
    pub(crate) fn add(&mut self, stack: Stack, bytes: u64, samples: u64) {
        if samples == 0 {
            return;
        }
        let is_kept = self.0.len() < MOST || self.0.contains_key(&stack);
        let stack = if is_kept { stack } else { unknown() };
        let volume = self.0.entry(stack).or_default();
        volume.bytes += bytes;
        volume.samples += samples;
    }

    /// Adds all of `other`.
    pub(crate) fn add_all(&mut self, other: Self) {
        for (stack, Volume { bytes, samples }) in other.0 {
            self.add(stack, bytes, samples);
        }
    }

    /// All of them.
    pub(crate) fn sampled(&self) -> impl Iterator<Item = Sampled<'_>> {
        let alive = Alive::default();
        self.0.iter().map(move |(stack, volume)| {
            let Volume { bytes, samples } = *volume;
            Sampled { stack, bytes, samples, alive }
        })
    }
}

fn unknown() -> Stack {
    Stack { frames: vec![Frame::unknown()], end: StackEnd::Truncated }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(line: u32) -> Stack {
        Stack { frames: vec![Frame { line: Some(line), ..Frame::unknown() }], end: StackEnd::Complete }
    }

    #[test]
    fn what_is_kept_is_bounded_and_nothing_is_lost() {
        let mut volumes = Volumes::default();
        for line in 0..10_000 {
            volumes.add(stack(line), 10, 1);
            volumes.add(stack(line % 7), 1, 1);
            volumes.add(stack(line + 1_000_000), 0, 0);
        }
        let total = |of: fn(&Sampled<'_>) -> u64| volumes.sampled().map(|one| of(&one)).sum::<u64>();
        assert_eq!((total(|one| one.bytes), total(|one| one.samples)), (110_000, 20_000));
        assert_eq!(volumes.sampled().count(), MOST + 1);
        let first = stack(0);
        let volume = volumes.sampled().find(|one| *one.stack == first).map(|one| (one.bytes, one.samples));
        assert_eq!(volume, Some((10 + 1429, 1 + 1429)));
        let mut both = volumes.clone();
        both.add_all(volumes);
        assert_eq!(both.sampled().map(|one| one.bytes).sum::<u64>(), 220_000);
    }
}
