//! Strings of V8, of every representation: sequential, cons, sliced, thin, external; one and two bytes a character.
//!
//! The target's heap may be corrupt, or change while it is read: time and memory are bounded by the caller's limit and a
//! number of parts, whatever points where.

use super::memory::{Heap, Memory, Object, ReadError};
use crate::v8::objects::Item;

/// Parts of a string: cons strings of a source that was put together have a few, and those of a loop have many. What has
/// more is cut there.
const MAX_PARTS: usize = 4096;

/// In the instance type of a string (src/objects/instance-type.h; the same in V8 9.4 to 14.6).
mod bits {
    pub(super) const REPRESENTATION: i32 = 0b111;
    pub(super) const SEQUENTIAL: i32 = 0;
    pub(super) const CONS: i32 = 1;
    pub(super) const EXTERNAL: i32 = 2;
    pub(super) const SLICED: i32 = 3;
    pub(super) const THIN: i32 = 5;
    pub(super) const ONE_BYTE: i32 = 8;
    /// An external string that does not keep the address of its characters.
    pub(super) const UNCACHED: i32 = 16;
}

/// Offsets in strings (checked against the metadata where it names them).
mod at {
    pub(super) const LENGTH: u32 = 12;
    pub(super) const FIRST: u32 = 16;
    pub(super) const SECOND: u32 = 24;
    pub(super) const CHARACTERS: u32 = 16;
    /// Behind the resource: the address of an external string's characters.
    pub(super) const EXTERNAL_DATA: u32 = 24;
}

/// So many characters of an object, from one of them on.
struct Part {
    object: Object,
    skip: usize,
    take: usize,
}

/// Characters as V8 holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// UTF-16.
    pub(super) units: Vec<u16>,
    /// Whether there is more.
    pub(super) is_cut: bool,
}

impl Text {
    /// As UTF-8; lone surrogates are replaced.
    #[must_use]
    pub(super) fn to_utf8(&self) -> String {
        String::from_utf16_lossy(&self.units)
    }
}

/// Whether `object` is a string.
pub(super) fn is_string<M: Memory>(heap: &Heap<M>, object: Object) -> Result<bool, ReadError> {
    Ok(heap.kind(object)? < heap.objects.number(Item::FirstNonstring))
}

/// The first `limit` characters of the string `object`.
pub(super) fn read<M: Memory>(heap: &Heap<M>, object: Object, limit: usize) -> Result<Text, ReadError> {
    let length = length(heap, object)?;
    let mut text = Text { units: Vec::new(), is_cut: length > limit };
    let mut parts = vec![Part { object, skip: 0, take: length.min(limit) }];
    for _ in 0..MAX_PARTS {
        match parts.pop() {
            Some(part) => expand(heap, &part, &mut parts, &mut text.units)?,
            None => return Ok(text),
        }
    }
    text.is_cut |= !parts.is_empty();
    Ok(text)
}

/// Appends the characters of `part`, or puts what it consists of on top of `parts`.
fn expand<M: Memory>(
    heap: &Heap<M>,
    part: &Part,
    parts: &mut Vec<Part>,
    units: &mut Vec<u16>,
) -> Result<(), ReadError> {
    let &Part { object, skip, take } = part;
    let kind = heap.kind(object)?;
    let inner = |offset| object_at(heap, object.field(offset));
    match kind & bits::REPRESENTATION {
        _ if kind >= heap.objects.number(Item::FirstNonstring) => {
            return Err(ReadError::Implausible("a string"));
        }
        _ if take == 0 => {}
        bits::SEQUENTIAL => characters(heap, object.field(at::CHARACTERS), kind, part, units)?,
        bits::EXTERNAL if kind & bits::UNCACHED == 0 => {
            let data = heap.word(object.field(at::EXTERNAL_DATA))?;
            characters(heap, data, kind, part, units)?;
        }
        bits::CONS => {
            let (first, second) = (inner(at::FIRST)?, inner(at::SECOND)?);
            let split = length(heap, first)?;
            let of_first = split.saturating_sub(skip).min(take);
            parts.push(Part { object: second, skip: skip.saturating_sub(split), take: take - of_first });
            parts.push(Part { object: first, skip, take: of_first });
        }
        bits::SLICED => {
            let offset = super::memory::small_integer(heap.word(object.field(at::SECOND))?);
            let offset = offset.and_then(|offset| usize::try_from(offset).ok());
            let offset = offset.ok_or(ReadError::Implausible("a slice"))?;
            parts.push(Part { object: inner(at::FIRST)?, skip: skip + offset, take });
        }
        bits::THIN => parts.push(Part { object: inner(at::FIRST)?, skip, take }),
        _ => return Err(ReadError::Implausible("a string's representation")),
    }
    Ok(())
}

fn characters<M: Memory>(
    heap: &Heap<M>,
    data: u64,
    kind: i32,
    part: &Part,
    units: &mut Vec<u16>,
) -> Result<(), ReadError> {
    if part.skip + part.take > length(heap, part.object)? {
        return Err(ReadError::Implausible("a string's length"));
    }
    let width = if kind & bits::ONE_BYTE == 0 { 2 } else { 1 };
    let mut bytes = vec![0; part.take * width];
    heap.bytes(data.wrapping_add((part.skip * width) as u64), &mut bytes)?;
    if width == 1 {
        units.extend(bytes.iter().map(|byte| u16::from(*byte)));
    } else {
        units.extend(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
    }
    Ok(())
}

fn length<M: Memory>(heap: &Heap<M>, string: Object) -> Result<usize, ReadError> {
    let length = heap.half(string.field(at::LENGTH))?;
    usize::try_from(length).map_err(|_| ReadError::Implausible("a string's length"))
}

fn object_at<M: Memory>(heap: &Heap<M>, address: u64) -> Result<Object, ReadError> {
    Object::from_word(heap.word(address)?).ok_or(ReadError::Implausible("a part of a string"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        super::memory::tests::{Fake, smi, tagged},
        *,
    };

    impl Fake {
        /// A sequential string of one byte a character.
        pub(crate) fn string(&mut self, address: u64, text: &[u8]) -> Object {
            let string = self.object(address, 40);
            self.put(address + 12, &u32::try_from(text.len()).unwrap().to_le_bytes());
            self.put(address + 16, text);
            string
        }

        fn compound(&mut self, address: u64, kind: u16, length: u32, first: u64, second: u64) -> Object {
            let string = self.object(address, kind);
            self.put(address + 12, &length.to_le_bytes());
            self.word(address + 16, first);
            self.word(address + 24, second);
            string
        }
    }

    fn text(memory: Fake, object: Object, limit: usize) -> (String, bool) {
        let text = read(&memory.heap(), object, limit).unwrap();
        (text.to_utf8(), text.is_cut)
    }

    #[test]
    fn every_representation_is_read() {
        type Build = fn(&mut Fake) -> Object;
        let build: [(&str, Build); 6] = [
            ("hello", |m| m.string(0x1000, b"hello")),
            ("h\u{e9}\u{20ac}", |m| {
                let string = m.object(0x1000, 32);
                m.put(0x100c, &3_u32.to_le_bytes());
                m.put(0x1010, &[b'h', 0, 0xe9, 0, 0xac, 0x20]);
                string
            }),
            ("hello world", |m| {
                m.string(0x1000, b"hello ");
                m.string(0x2000, b"world");
                m.compound(0x3000, 33, 11, tagged(0x1000), tagged(0x2000))
            }),
            ("lo wo", |m| {
                m.string(0x1000, b"hello ");
                m.string(0x2000, b"world");
                m.compound(0x3000, 33, 11, tagged(0x1000), tagged(0x2000));
                m.compound(0x4000, 35, 5, tagged(0x3000), smi(3))
            }),
            ("thin", |m| {
                m.string(0x1000, b"thin");
                m.compound(0x3000, 45, 4, tagged(0x1000), 0)
            }),
            ("external", |m| {
                m.put(0x9000, b"external");
                m.compound(0x3000, 42, 8, 0x5000, 0x9000)
            }),
        ];
        for (expected, build) in build {
            let mut memory = Fake::default();
            let string = build(&mut memory);
            assert_eq!(text(memory, string, 100), (expected.to_owned(), false));
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let mut memory = Fake::default();
        let string = memory.string(0x1000, b"0123456789");
        assert_eq!(text(memory, string, 4), ("0123".to_owned(), true));
    }

    #[test]
    fn corrupt_strings_end() {
        // A cons string that is its own halves, and one that claims two thousand million characters.
        let mut memory = Fake::default();
        let cycle = memory.compound(0x3000, 33, 1000, tagged(0x3000), tagged(0x3000));
        assert!(read(&memory.heap(), cycle, 100).unwrap().is_cut);
        let mut memory = Fake::default();
        let huge = memory.compound(0x3000, 40, u32::MAX, 0, 0);
        assert!(matches!(read(&memory.heap(), huge, 100), Err(ReadError::Memory(_))));
        let mut memory = Fake::default();
        let liar = memory.string(0x1000, b"ab");
        memory.compound(0x3000, 33, 9, tagged(0x1000), tagged(0x1000));
        let slice = memory.compound(0x4000, 35, 9, tagged(0x1000), smi(1));
        let heap = memory.heap();
        assert!(matches!(read(&heap, slice, 100), Err(ReadError::Implausible("a string's length"))));
        assert!(is_string(&heap, liar).unwrap());
        let mut memory = Fake::default();
        let script = memory.object(0x1000, 167);
        memory.put(0x100c, &[1, 0, 0, 0]);
        assert!(matches!(read(&memory.heap(), script, 9), Err(ReadError::Implausible("a string"))));
    }
}
