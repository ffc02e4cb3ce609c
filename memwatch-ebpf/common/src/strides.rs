//! Which blocks of a call site are sampled: one of each stride of blocks, wherever in it chance says.
//!
//! So each block is as likely as any other, whatever the order they come in: the first ones of a window are the first ones of
//! what a program does, and not like the others. A sample stands for its stride.

/// Kinds of windows: one on the slow path sees a hundredth of what one on all blocks sees.
const KINDS: usize = 2;
/// A window that sees more than the last one of its kind: strides become so many times longer.
const LONGER: u64 = 4;

/// The serial number of a window, by its number and whether it sees all blocks.
#[must_use]
pub const fn serial(number: u64, all: bool) -> u64 {
    number << 1 | all as u64
}

/// The kind of the window with a serial number.
#[inline(always)]
fn kind(serial: u64) -> usize {
    usize::from(serial & 1 != 0)
}

/// The strides of one call site, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strides {
    /// Blocks of the stride in which the next sample is.
    length: u64,
    /// Blocks until that one.
    ahead: u64,
    /// Blocks of its stride behind it.
    behind: u64,
    /// By kind of window, how many blocks the last one saw.
    usual: [u64; KINDS],
}

impl Strides {
    /// The window `serial` begins, in which there are to be about so many `samples`. The one before, `before`, saw so many
    /// `blocks`.
    #[inline(always)]
    pub fn begin(&mut self, serial: u64, samples: u64, before: u64, blocks: u64, random: u32) {
        if let Some(usual) = self.usual.get_mut(kind(before)) {
            *usual = blocks;
        }
        let usual = self.usual.get(kind(serial)).copied().unwrap_or(0);
        self.length = usual.checked_div(samples).unwrap_or(0).max(1);
        self.behind = 0;
        self.draw(random);
    }

    /// A block comes by. If it is to be sampled, for how many blocks it stands.
    #[inline(always)]
    pub fn pass(&mut self, samples: u64, taken: u64, random: impl FnOnce() -> u32) -> Option<u64> {
        if self.ahead > 0 {
            self.ahead -= 1;
            return None;
        }
        let length = self.length;
        if (taken + 1).checked_rem(samples) == Some(0) {
            self.length = length.saturating_mul(LONGER);
        }
        self.draw(random());
        Some(length)
    }

    /// Where the next sample is, in the stride that comes.
    #[inline(always)]
    fn draw(&mut self, random: u32) {
        let place = u64::from(random).checked_rem(self.length).unwrap_or(0);
        self.ahead = self.behind.wrapping_add(place);
        self.behind = self.length.wrapping_sub(place).wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: u64 = 6;

    /// The upper half of a linear congruential generator (Knuth).
    fn random(state: &mut u64) -> u32 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 32) as u32
    }

    /// What the samples of a window stand for, by tenths of the window; and how many there were.
    fn window(
        strides: &mut Strides,
        serial: u64,
        before: u64,
        blocks: [u64; 2],
        state: &mut u64,
    ) -> ([u64; 10], u64) {
        let [last, now] = blocks;
        strides.begin(serial, SAMPLES, before, last, random(state));
        let (mut tenths, mut taken) = ([0; 10], 0);
        for block in 0..now {
            if let Some(stands_for) = strides.pass(SAMPLES, taken, || random(state)) {
                tenths[usize::try_from(block * 10 / now).unwrap()] += stands_for;
                taken += 1;
            }
        }
        (tenths, taken)
    }

    #[test]
    fn every_part_of_a_window_is_stood_for() {
        for now in [30_u64, 1000, 5000] {
            let (mut strides, mut state) = (Strides::default(), 42);
            let mut sums = [0; 10];
            for number in 0..4000 {
                let serial = 2 * number + 3;
                let last = if number == 0 { 0 } else { now };
                let (tenths, _) = window(&mut strides, serial, serial - 2, [last, now], &mut state);
                sums.iter_mut().zip(tenths).for_each(|(sum, tenth)| *sum += tenth);
            }
            for sum in sums {
                let share = sum as f64 / (4000.0 * now as f64 / 10.0);
                assert!((share - 1.0).abs() < 0.05, "{now}: {sums:?}");
            }
        }
    }

    #[test]
    fn there_are_about_as_many_samples_as_asked_for_whatever_other_windows_see() {
        let (mut strides, mut state) = (Strides::default(), 7);
        let (_, first) = window(&mut strides, 1, 0, [0, 10_000], &mut state);
        assert!((SAMPLES..8 * SAMPLES).contains(&first), "{first}");
        let (_, other_kind) = window(&mut strides, 2, 1, [10_000, 3], &mut state);
        assert_eq!(other_kind, 3);
        let (_, second) = window(&mut strides, 3, 2, [3, 10_000], &mut state);
        assert!((SAMPLES - 1..=2 * SAMPLES).contains(&second), "{second}");
        let (_, none) = window(&mut strides, 5, 3, [10_000, 0], &mut state);
        assert_eq!(none, 0);
    }
}
