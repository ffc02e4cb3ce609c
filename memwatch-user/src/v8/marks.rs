//! Where a page of V8's heap keeps its mark bits, as the code of `MarkCompactCollector::IsUnmarkedHeapObject` has it: 47 to 111
//! bytes in Node 16 to 26, which take the page of an object and look at its bit.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::objects::{self, Version};

/// The function, whose parameter list varies.
pub(crate) const IS_UNMARKED: &str = "_ZN2v88internal20MarkCompactCollector20IsUnmarkedHeapObjectE";
/// Bytes of it that are enough.
pub(crate) const CODE_LEN: usize = 128;

/// From a pointer to its page: `kPageSizeBits` is 18.
const PAGE_MASK: u64 = !0x3_ffff;
/// No header is smaller than that: what is nearer to its beginning are other fields.
const NEAREST: u64 = 0x40;
/// V8's headers and metadata of a page have less than a page of memory before the bits.
const FARTHEST: u64 = 4096;

/// Where the mark bits of a page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkBits {
    /// From the page, or from its metadata.
    pub(crate) offset: u32,
    /// Whether it is the latter, to which the second word of the page points (22 on).
    pub(crate) in_metadata: bool,
}

/// The first version whose collections were followed (Node 18), and the first after the last one (14.6, Node 26).
const KNOWN: std::ops::Range<Version> = (10, 0)..(15, 0);
/// From this version on the header of a page begins with its flags, with its size before (`v8/page.rs`); and the slow path of
/// allocation returns the object (`MainAllocator::AllocateRawSlow`) instead of whether there is room for it.
const FLAGS_FIRST: Version = (12, 0);

/// What of a page depends on the version alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pages {
    /// In the header: its flags.
    pub(crate) flags: u32,
    /// Whether the slow path of allocation leaves the object's address in the area.
    pub(crate) made_in_area: bool,
}

/// No collection of that version was followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("what is alive was never followed in V8 {0}: Node 18 to 26 are known")]
pub(crate) struct UnknownPages(String);

impl Pages {
    /// Those of the V8 that calls itself `version`.
    pub(crate) fn of(version: &str) -> Result<Self, UnknownPages> {
        let known = objects::parse(version).filter(|number| KNOWN.contains(number));
        let number = known.ok_or_else(|| UnknownPages(version.to_owned()))?;
        let is_new = number >= FLAGS_FIRST;
        Ok(Self { flags: if is_new { 0 } else { 8 }, made_in_area: !is_new })
    }
}

/// Why the code does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("MarkCompactCollector::IsUnmarkedHeapObject does not show where the mark bits of a page are")]
pub(crate) struct NoMarkBits;

/// Reads it from the code of the function, linked at `address`.
pub(crate) fn mark_bits(code: &[u8], address: u64) -> Result<MarkBits, NoMarkBits> {
    let (mut pages, mut metadata) = (Vec::new(), Vec::new());
    for instruction in Decoder::with_ip(64, code, address, DecoderOptions::NONE) {
        if instruction.is_invalid() {
            break;
        }
        if instruction.mnemonic() == Mnemonic::And && is_page_mask(&instruction) {
            pages.push(instruction.op0_register());
        }
        let Some((base, displacement)) = loaded(&instruction) else { continue };
        if (NEAREST..FARTHEST).contains(&displacement) && instruction.memory_index() != Register::None {
            let is = |of: &[Register]| of.contains(&base);
            let offset = u32::try_from(displacement).map_err(|_| NoMarkBits)?;
            return match (is(&metadata), is(&pages)) {
                (true, _) => Ok(MarkBits { offset, in_metadata: true }),
                (false, true) => Ok(MarkBits { offset, in_metadata: false }),
                (false, false) => Err(NoMarkBits),
            };
        }
        // `mov metadata, [page + 8]`.
        if instruction.mnemonic() == Mnemonic::Mov && displacement == 8 && pages.contains(&base) {
            let to = instruction.op0_register();
            if to.size() == 8 {
                metadata.push(to);
            }
        }
    }
    Err(NoMarkBits)
}

fn is_page_mask(instruction: &Instruction) -> bool {
    let is_immediate = matches!(instruction.op1_kind(), OpKind::Immediate32to64 | OpKind::Immediate8to64);
    is_immediate && instruction.immediate(1) == PAGE_MASK
}

/// Base register and displacement of what the instruction reads from memory.
fn loaded(instruction: &Instruction) -> Option<(Register, u64)> {
    let operands = 0..instruction.op_count();
    let has_memory = operands.into_iter().any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    has_memory.then(|| (instruction.memory_base(), instruction.memory_displacement64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 18.20, from `mov rsi,rcx` on.
    const IN_PAGE: [u8; 50] = [
        0x48, 0x89, 0xce, 0xba, 0x01, 0, 0, 0, 0x48, 0x81, 0xe6, 0x00, 0x00, 0xfc, 0xff, 0x29, 0xf1, 0x89,
        0xc8, 0xc1, 0xe9, 0x03, 0xc1, 0xe8, 0x08, 0xd3, 0xe2, 0x85, 0x94, 0x86, 0x28, 0x01, 0, 0, 0x0f, 0x94,
        0xc0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    ];
    /// 26.10: the page, its flags, its metadata, a byte of these, the bits.
    const IN_METADATA: [u8; 54] = [
        0x48, 0x89, 0xc1, 0x48, 0x81, 0xe1, 0x00, 0x00, 0xfc, 0xff, 0x48, 0x8b, 0x11, 0xf7, 0xc2, 0x00, 0x04,
        0, 0, 0x48, 0x8b, 0x49, 0x08, 0x48, 0x85, 0xc9, 0xf6, 0x41, 0x59, 0x80, 0x89, 0xc2, 0xc1, 0xea, 0x03,
        0xc1, 0xe8, 0x06, 0x25, 0xf8, 0x0f, 0, 0, 0x48, 0x8b, 0x84, 0x01, 0x40, 0x01, 0, 0, 0x0f, 0xa3, 0xd0,
    ];

    #[test]
    fn the_bits_are_in_the_page_or_in_its_metadata() {
        assert_eq!(mark_bits(&IN_PAGE, 0), Ok(MarkBits { offset: 0x128, in_metadata: false }));
        assert_eq!(mark_bits(&IN_METADATA, 0), Ok(MarkBits { offset: 0x140, in_metadata: true }));
    }

    #[test]
    fn other_code_does_not_tell() {
        let mut other_page = IN_PAGE;
        other_page[13] = 0xf0;
        for code in [&[0xc3][..], &[0x06], &other_page, &IN_PAGE[..20], &[]] {
            assert_eq!(mark_bits(code, 0), Err(NoMarkBits), "{code:x?}");
        }
    }
}
