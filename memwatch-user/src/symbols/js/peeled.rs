//! The first round of a loop as a dictionary for the others.
//!
//! Maglev compiles the first round of a loop apart from the others (`--maglev-loop-peeling`), from the same bytecodes. Its
//! table of positions is true for the first round only: for all others it has the position of the jump back, as the
//! builder's place in the table is not set back (`MaglevGraphBuilder::PeelLoop` of V8 12.8 to 14.6; seen in 24 to 26).
//! So the two copies are laid side by side, instruction by instruction, and the place is that of the twin.

use super::machine::{Code, Loop, Step};

/// Instructions of one copy that are compared: beyond this nothing is told. V8 peels loops of at most 400 bytes of
/// bytecode.
const MAX_STEPS: usize = 3_000;

/// The place in the first round (from `first` on, up to the loop's head) that is the twin of `offset` in the loop.
pub(super) fn twin(code: &Code, around: Loop, first: u32, offset: u32) -> Option<u32> {
    let (peeled, other) = (code.steps(first, around.head), code.steps(around.head, around.jump));
    if peeled.len().max(other.len()) > MAX_STEPS {
        return None;
    }
    let pairs = common(peeled, other);
    // What initializes an object comes right behind its allocation.
    let behind = pairs.partition_point(|(_, other)| *other < offset);
    pairs.get(behind).or_else(|| pairs.last()).map(|(peeled, _)| *peeled)
}

/// The longest common subsequence of two pieces of code: offsets of what is the same in both.
fn common(left: &[Step], right: &[Step]) -> Vec<(u32, u32)> {
    let width = right.len() + 1;
    let mut lengths = vec![0_u16; (left.len() + 1) * width];
    for (l, step) in left.iter().enumerate().rev() {
        for (r, other) in right.iter().enumerate().rev() {
            lengths[l * width + r] = if step.what == other.what {
                lengths[(l + 1) * width + r + 1] + 1
            } else {
                lengths[(l + 1) * width + r].max(lengths[l * width + r + 1])
            };
        }
    }
    let (mut l, mut r, mut pairs) = (0, 0, Vec::new());
    while l < left.len() && r < right.len() {
        if left[l].what == right[r].what {
            pairs.push((left[l].at, right[r].at));
            (l, r) = (l + 1, r + 1);
        } else if lengths[(l + 1) * width + r] >= lengths[l * width + r + 1] {
            l += 1;
        } else {
            r += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mov register,value` for each.
    fn moves(values: &[u8], register: u8) -> Vec<u8> {
        values.iter().flat_map(|value| [0xb8 + register, *value, 0, 0, 0]).collect()
    }

    #[test]
    fn the_twin_is_the_same_instruction_in_the_first_round_or_the_next_that_has_one() {
        // The first round lacks 9, the others lack 2.
        let first = moves(&[1, 2, 3, 4, 1], 0);
        let bytes = [first.clone(), moves(&[1, 9, 3, 4, 1], 3)].concat();
        let code = Code::new(&bytes, true);
        let around = Loop { head: 25, jump: 50 };
        for (offset, place) in [(25, 0), (30, 10), (35, 10), (40, 15), (45, 20), (49, 20)] {
            assert_eq!(twin(&code, around, 0, offset), Some(place), "{offset}");
        }
        assert_eq!(twin(&code, around, 25, 30), None, "no first round");
        let long = Code::new(&[0x90; 2 * MAX_STEPS], true);
        assert_eq!(twin(&long, Loop { head: 1, jump: 5_999 }, 0, 5), None);
    }
}
