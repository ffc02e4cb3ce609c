//! What only V8's own instructions tell (x86-64): places in the isolate, in a thread, in an allocator. Patterns, so that
//! it needs no more symbols than stripping leaves, except for the functions that are probed anyway.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Generated code holds `isolate + 0x80` in r13, so that short displacements reach twice as far
/// (`IsolateData::kRootRegisterBias`).
const ROOT_BIAS: i64 = 0x80;

/// Bytes of a function that are enough for [`isolate_place`] and [`area`].
pub(crate) const CODE_LEN: usize = 96;
/// Patterns are no longer than this, from the first byte that is looked at to the last.
pub(crate) const OVERLAP: u64 = 48;

/// Why an instruction did not tell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CodeError {
    /// There is no such instruction.
    #[error("no instruction of this file shows {0}")]
    Absent(&'static str),
    /// There are several, and they disagree.
    #[error("instructions of this file disagree on {0}")]
    Ambiguous(&'static str),
}

/// Where a thread keeps its isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IsolatePlace {
    /// A thread-local variable at this distance from the thread pointer (24 on).
    Distance(i64),
    /// A thread-local variable; its distance is in the word at this address, as linked (20, 22).
    DistanceAt(u64),
    /// A value of the thread's under the key in the half-word at this address, as linked (18).
    KeyAt(u64),
}

/// Where an allocator (or space) has its linear allocation area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Area {
    /// Offset of the area, or of the pointer to it.
    pub offset: u32,
    /// Whether it is the area itself.
    pub is_inside: bool,
}

/// Looks for patterns in a file's code, chunk by chunk.
pub(crate) struct Search {
    exit: (Finder<'static>, Found),
    table: (Finder<'static>, Found),
}

/// What instructions of one kind have for a displacement from r13.
#[derive(Clone, Copy, Default)]
pub(super) enum Found {
    #[default]
    Nothing,
    One(i32),
    Several,
}

impl Found {
    /// Takes in what one of them has; `None` is not heeded.
    pub(super) fn see(&mut self, displacement: Option<i32>) {
        let Some(displacement) = displacement else { return };
        *self = match *self {
            Self::Nothing => Self::One(displacement),
            Self::One(known) if known == displacement => *self,
            _ => Self::Several,
        };
    }

    /// The offset in the isolate that all agree on; `what` is there.
    pub(super) fn offset(self, what: &'static str) -> Result<u32, CodeError> {
        match self {
            Self::Nothing => Err(CodeError::Absent(what)),
            Self::Several => Err(CodeError::Ambiguous(what)),
            Self::One(displacement) => {
                u32::try_from(i64::from(displacement) + ROOT_BIAS).map_err(|_| CodeError::Absent(what))
            }
        }
    }
}

/// `mov [r13+disp32],rbp`: builtins store the exit frame's pointer so.
const STORE_FP: [u8; 3] = [0x49, 0x89, 0xad];
/// `mov [r13+disp32],rsi`: and right after it the context.
const STORE_CONTEXT: [u8; 3] = [0x49, 0x89, 0xb5];
/// `mov rbx,r15; shr ebx,8; shl ebx,4`: from a handle to the distance in the table of code.
const HANDLE: [u8; 9] = [0x49, 0x8b, 0xdf, 0xc1, 0xeb, 0x08, 0xc1, 0xe3, 0x04];
/// `mov r10,[r13+disp32]`: the table's base, right before it.
const LOAD_TABLE: [u8; 3] = [0x4d, 0x8b, 0x95];

impl Default for Search {
    fn default() -> Self {
        let finder = |pattern: &'static [u8]| (Finder::new(pattern), Found::Nothing);
        Self { exit: finder(&STORE_FP), table: finder(&HANDLE) }
    }
}

impl Search {
    /// Takes in a chunk of code. Chunks overlap by [`OVERLAP`] bytes; what is found twice counts once.
    pub(crate) fn chunk(&mut self, code: &[u8]) {
        let (finder, found) = &mut self.exit;
        for at in finder.find_iter(code).filter(|at| is_exit(code, *at)) {
            found.see(displacement(code, at + 3));
        }
        let (finder, found) = &mut self.table;
        for at in finder.find_iter(code) {
            let load = at.wrapping_sub(7);
            if code.get(load..at).is_some_and(|load| load.starts_with(&LOAD_TABLE)) {
                found.see(displacement(code, load + 3));
            }
        }
    }

    /// In the isolate: the frame pointer of the innermost exit frame.
    pub(crate) fn c_entry_fp(&self) -> Result<u32, CodeError> {
        self.exit.1.offset("where exit frames are noted")
    }

    /// In the isolate: base of the table of code.
    pub(crate) fn code_table(&self) -> Result<u32, CodeError> {
        self.table.1.offset("where the table of code is")
    }
}

/// `push rbp; mov rbp,rsp; push type; push 0` and at most three instructions before, and the context's store behind.
fn is_exit(code: &[u8], at: usize) -> bool {
    let before = &code[at.saturating_sub(20)..at];
    let is_prologue = |window: &[u8]| {
        matches!(
            window,
            [0x55, 0x48, 0x89, 0xe5, 0x6a, _, 0x6a, 0] | [0x55, 0x48, 0x8b, 0xec, 0x6a, _, 0x6a, 0]
        )
    };
    before.windows(8).any(is_prologue)
        && code.get(at + 7..).is_some_and(|rest| rest.starts_with(&STORE_CONTEXT))
}

fn displacement(code: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*code.get(at..)?.first_chunk()?))
}

/// Where a thread keeps its isolate, by the code of `v8::Isolate::TryGetCurrent`, linked at `address`.
pub(crate) fn isolate_place(code: &[u8], address: u64) -> Result<IsolatePlace, CodeError> {
    let mut last_load = None;
    for instruction in instructions(code, address) {
        if instruction.mnemonic() == Mnemonic::Mov && instruction.op1_kind() == OpKind::Memory {
            let base = instruction.memory_base();
            match (instruction.segment_prefix() == Register::FS, base) {
                (true, Register::None) => {
                    return Ok(IsolatePlace::Distance(instruction.memory_displacement64().cast_signed()));
                }
                (true, _) => {
                    let loaded = last_load.filter(|(register, _)| *register == base);
                    return loaded.map(|(_, at)| IsolatePlace::DistanceAt(at)).ok_or(ISOLATE);
                }
                (false, Register::RIP) => {
                    last_load = Some((instruction.op0_register(), instruction.ip_rel_memory_address()));
                }
                _ => {}
            }
        }
        // The key is an int, and the argument of what looks it up.
        if let Some((Register::EDI, key)) = last_load {
            return Ok(IsolatePlace::KeyAt(key));
        }
    }
    Err(ISOLATE)
}

const ISOLATE: CodeError = CodeError::Absent("where a thread keeps its isolate");
const AREA: CodeError = CodeError::Absent("where an allocator has its area");

/// Where an allocator has its area, by the code of `AdvanceAllocationObservers`, which begins with reading its `top`.
pub(crate) fn area(code: &[u8], address: u64) -> Result<Area, CodeError> {
    let mut pointer = None;
    for instruction in instructions(code, address) {
        let is_load = instruction.mnemonic() == Mnemonic::Mov
            && instruction.op1_kind() == OpKind::Memory
            && instruction.op0_register().size() == 8;
        if !is_load {
            continue;
        }
        let offset = u32::try_from(instruction.memory_displacement64()).map_err(|_| AREA)?;
        match pointer {
            None if instruction.memory_base() == Register::RDI => {
                pointer = Some((instruction.op0_register(), offset));
            }
            // `top` is the second word of the area.
            Some((register, at)) if instruction.memory_base() == register && offset == 8 => {
                return Ok(Area { offset: at, is_inside: false });
            }
            Some((_, top)) if instruction.memory_base() == Register::RDI && offset + 8 == top => {
                return Ok(Area { offset, is_inside: true });
            }
            _ => return Err(AREA),
        }
    }
    Err(AREA)
}

fn instructions(code: &[u8], address: u64) -> impl Iterator<Item = Instruction> {
    let decoded: Vec<_> = Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter().collect();
    decoded.into_iter().take_while(|instruction| !instruction.is_invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CEntry` of 26.10, from its first byte.
    const EXIT: [u8; 22] = [
        0x55, 0x48, 0x89, 0xe5, 0x6a, 0x22, 0x6a, 0, 0x49, 0x89, 0xad, 0xc8, 0, 0, 0, 0x49, 0x89, 0xb5, 0xd8,
        0, 0, 0,
    ];
    /// `CallFunction` of 24.21.
    const TABLE: [u8; 16] =
        [0x4d, 0x8b, 0x95, 0xd8, 0x2e, 0, 0, 0x49, 0x8b, 0xdf, 0xc1, 0xeb, 0x08, 0xc1, 0xe3, 0x04];

    #[test]
    fn patterns_tell_places_in_the_isolate() {
        let mut search = Search::default();
        assert!(search.c_entry_fp().is_err() && search.code_table().is_err());
        search.chunk(&[&[0x90; 30][..], &EXIT, &TABLE, &EXIT].concat());
        assert_eq!((search.c_entry_fp(), search.code_table()), (Ok(0x148), Ok(0x2f58)));
        // A store of rbp that is no exit.
        search.chunk(&EXIT[8..]);
        assert_eq!(search.c_entry_fp(), Ok(0x148));
        let mut other = EXIT;
        other[11] = 0xc0;
        search.chunk(&other);
        assert!(matches!(search.c_entry_fp(), Err(CodeError::Ambiguous(_))));
    }

    #[test]
    fn each_way_to_the_isolate_is_understood() {
        for (code, place) in [
            // 25.9: push rbp; mov rbp,rsp; mov rax,fs:[-0xc8]
            (
                &[0x55, 0x48, 0x89, 0xe5, 0x64, 0x48, 0x8b, 0x04, 0x25, 0x38, 0xff, 0xff, 0xff][..],
                IsolatePlace::Distance(-0xc8),
            ),
            // 20.20: mov rax,[rip+0x10]; pop rbp; mov rax,fs:[rax]
            (
                &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x5d, 0x64, 0x48, 0x8b, 0x00],
                IsolatePlace::DistanceAt(0x1017),
            ),
            // 18.20: mov edi,[rip+0x20]; jmp
            (&[0x8b, 0x3d, 0x20, 0, 0, 0, 0xe9, 0, 0, 0, 0], IsolatePlace::KeyAt(0x1026)),
        ] {
            assert_eq!(isolate_place(code, 0x1000), Ok(place));
        }
        assert!(isolate_place(&[0xc3], 0).is_err());
        assert!(isolate_place(&[0x64, 0x48, 0x8b, 0x00], 0).is_err());
    }

    #[test]
    fn the_area_is_behind_a_pointer_or_inside() {
        for (code, area_at) in [
            // 22.23: cmp byte [rdi+0x98],0; je; mov rax,[rdi+0xa0]; mov rsi,[rax+8]
            (
                &[
                    0x80, 0xbf, 0x98, 0, 0, 0, 0, 0x74, 0x3f, 0x48, 0x8b, 0x87, 0xa0, 0, 0, 0, 0x48, 0x8b,
                    0x70, 8,
                ][..],
                Ok(Area { offset: 0xa0, is_inside: false }),
            ),
            // 16.20: mov rsi,[rdi+0xe0]; test; je; mov rax,[rdi+0xd8]
            (
                &[
                    0x48, 0x8b, 0xb7, 0xe0, 0, 0, 0, 0x48, 0x85, 0xf6, 0x74, 2, 0x48, 0x8b, 0x87, 0xd8, 0, 0,
                    0,
                ],
                Ok(Area { offset: 0xd8, is_inside: true }),
            ),
            // mov rax,[rdi+0x50]; mov rcx,[rsi+8]
            (&[0x48, 0x8b, 0x47, 0x50, 0x48, 0x8b, 0x4e, 8], Err(AREA)),
            (&[0xc3], Err(AREA)),
        ] {
            assert_eq!(area(code, 0), area_at);
        }
    }
}
