//! Tables of V8 that are written as variable-length numbers: from code to places in the source
//! (src/codegen/source-position-table.cc), and from baseline code to bytecodes
//! (src/baseline/bytecode-offset-iterator.h).

use crate::v8::objects::Positions;

/// A place in the source: of which function, where in its script. V8 packs it into 64 bits: whether it is external, the
/// offset plus one (30 bits), the inlined call plus one (16 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(pub(super) u64);

impl Position {
    /// Characters from the script's first; `None` if there is no place.
    #[must_use]
    pub(super) fn offset(self) -> Option<u32> {
        let field = u32::try_from((self.0 >> 1) & 0x3fff_ffff).unwrap_or_default();
        if self.0 & 1 == 0 { field.checked_sub(1) } else { None }
    }

    /// Which inlined call it is in; `None` if it is in the function itself.
    #[must_use]
    pub(super) fn inlined_call(self) -> Option<u32> {
        u32::try_from((self.0 >> 31) & 0xffff).unwrap_or_default().checked_sub(1)
    }
}

/// The place of the instruction at `offset` of the code: that of the last entry which begins at or before it.
#[must_use]
pub(super) fn find(table: &[u8], encoding: Positions, offset: u32) -> Option<Position> {
    Entries::new(table, encoding).take_while(|(at, _)| *at <= offset).last().map(|(_, place)| place)
}

/// All entries up to the first that is nonsense: the offset in the code from which on it counts, and the place.
#[must_use]
pub(super) fn entries(table: &[u8], encoding: Positions) -> Vec<(u32, Position)> {
    Entries::new(table, encoding).collect()
}

struct Entries<'a> {
    numbers: Numbers<'a>,
    encoding: Positions,
    at: i64,
    place: i64,
}

impl<'a> Entries<'a> {
    fn new(table: &'a [u8], encoding: Positions) -> Self {
        // The first distance counts from the function's entry, which is before the first instruction
        // (`kFunctionEntryBytecodeOffset`).
        Self { numbers: Numbers(table), encoding, at: -1, place: 0 }
    }
}

impl Iterator for Entries<'_> {
    type Item = (u32, Position);

    fn next(&mut self) -> Option<Self::Item> {
        self.at = self.at.checked_add(code_distance(&mut self.numbers, self.encoding)?)?;
        self.place = self.place.wrapping_add(self.numbers.signed()?);
        // That of the entry itself counts for what begins the function.
        let at = u32::try_from(self.at.max(0)).ok()?;
        Some((at, Position(self.place.cast_unsigned())))
    }
}

/// How far the next entry is in the code.
fn code_distance(numbers: &mut Numbers<'_>, encoding: Positions) -> Option<i64> {
    match encoding {
        Positions::Signed => numbers.signed().map(|value| if value < 0 { -(value + 1) } else { value }),
        Positions::Shifted => i64::try_from(numbers.unsigned()? >> 2).ok(),
    }
}

/// Which bytecode the instruction that returns to `offset` of baseline code belongs to, as the number of bytecodes before
/// it; `None` if it belongs to the function's entry.
#[must_use]
pub(super) fn baseline_bytecode(table: &[u8], offset: u32) -> Option<usize> {
    let mut numbers = Numbers(table);
    let mut end = numbers.unsigned()?;
    let mut bytecode = None;
    while end < u64::from(offset) {
        end = end.checked_add(numbers.unsigned()?)?;
        bytecode = Some(bytecode.map_or(0, |bytecode: usize| bytecode + 1));
    }
    bytecode
}

/// Offset of the bytecode after `index` others in `bytecodes`. `sizes` holds the bytes of each with its operands: three
/// tables of the same length, by operand scale; a prefix doubles or quadruples it.
#[must_use]
pub(super) fn bytecode_offset(bytecodes: &[u8], sizes: &[u8], index: usize) -> Option<u32> {
    let count = sizes.len() / 3;
    let mut at = 0;
    for _ in 0..index {
        let scale = match bytecodes.get(at)? {
            // `Wide`, `ExtraWide`; and their forms for breakpoints.
            0 | 2 => 1,
            1 | 3 => 2,
            _ => 0,
        };
        let prefix = usize::from(scale > 0);
        let bytecode = usize::from(*bytecodes.get(at + prefix)?);
        let size = usize::from(*sizes.get(scale * count..(scale + 1) * count)?.get(bytecode)?);
        at += prefix + size.max(1);
    }
    u32::try_from(at).ok()
}

/// Numbers of seven bits a byte, the lowest first; the highest bit says that there is more.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The sign is in the lowest bit.
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    fn signed(value: i64) -> Vec<u8> {
        number((value << 1 ^ value >> 63).cast_unsigned())
    }

    fn at(offset: i64) -> i64 {
        (offset + 1) << 1
    }

    #[test]
    fn the_last_entry_before_the_instruction_counts_in_both_encodings() {
        let places = [(0_i64, at(10)), (5, at(400)), (200, at(20))];
        for encoding in [Positions::Signed, Positions::Shifted] {
            let (mut table, mut last) = (Vec::new(), (-1, 0));
            for (code, place) in places {
                let distance = code - last.0;
                table.extend(match encoding {
                    // An expression, then a statement, then another expression.
                    Positions::Signed if code == 5 => signed(distance),
                    Positions::Signed => signed(-distance - 1),
                    Positions::Shifted => number((distance.cast_unsigned() << 2) | 1),
                });
                table.extend(signed(place - last.1));
                last = (code, place);
            }
            for (offset, place) in [(0, 10), (4, 10), (5, 400), (199, 400), (200, 20), (9999, 20)] {
                assert_eq!(
                    find(&table, encoding, offset).and_then(Position::offset),
                    Some(place),
                    "{encoding:?}"
                );
            }
        }
    }

    #[test]
    fn a_position_holds_offset_and_inlined_call() {
        let position = Position((8 << 31) | (43 << 1));
        assert_eq!((position.offset(), position.inlined_call()), (Some(42), Some(7)));
        assert_eq!((Position(0).offset(), Position(0).inlined_call()), (None, None));
        assert_eq!(Position(43 << 1 | 1).offset(), None, "external");
    }

    #[test]
    fn baseline_code_leads_to_bytecodes() {
        // The entry ends at 10, bytecodes at 16, 20 and 50.
        let table = [10, 6, 4, 30];
        for (offset, bytecode) in [
            (10, None),
            (11, Some(0)),
            (16, Some(0)),
            (17, Some(1)),
            (20, Some(1)),
            (50, Some(2)),
            (51, None),
        ] {
            assert_eq!(baseline_bytecode(&table, offset), bytecode, "{offset}");
        }
        // Four bytecodes of sizes 1, 1, 1, 1, then 2 and 3; wide: 5; extra wide: 9.
        let sizes = [1, 1, 1, 1, 2, 3, 1, 1, 1, 1, 5, 5, 1, 1, 1, 1, 9, 9];
        let bytecodes = [4, 0, 0, 4, 0, 0, 0, 0, 5, 0, 0, 4, 0];
        for (index, offset) in [(0, Some(0)), (1, Some(2)), (2, Some(8)), (3, Some(11)), (5, None)] {
            assert_eq!(bytecode_offset(&bytecodes, &sizes, index), offset, "{index}");
        }
    }

    #[test]
    fn tables_that_are_cut_or_nonsense_tell_nothing() {
        for table in [&[][..], &[0x80], &[0xff; 40], &[2], &[2, 0x80]] {
            assert_eq!(find(table, Positions::Signed, 100), None);
            assert_eq!(baseline_bytecode(table, u32::MAX), None);
        }
        assert_eq!(bytecode_offset(&[200], &[1, 1, 1], 1), None);
    }
}
