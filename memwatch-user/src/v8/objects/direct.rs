//! Where V8 notes that generated code calls C itself, without an exit frame (x86-64). Its profiler has the same need.
//!
//! `MacroAssembler::CallCFunction` (src/codegen/x64/macro-assembler-x64.cc) stores where it goes on and the frame pointer into
//! `IsolateData` before the call, and 0 as the frame pointer behind it; the order of the two changed with V8 13.
//! `Builtins::Generate_JSEntry` notes where JavaScript was entered first. All instructions of Node 16.20, 18.20, 20.20,
//! 22.23, 24.21, 25.9 and 26.10 that match agree: 366 to 1376 calls and three entries each.

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use super::code::{CodeError, Found};

/// `lea r10,[rip+disp32]`: where it goes on; before V8 12 a place right before the call, which the table of positions counts to
/// it as well.
const LOAD_PC: [u8; 3] = [0x4c, 0x8d, 0x15];
/// Its length.
const LOAD_PC_LEN: usize = 7;
/// `push OUTERMOST_JSENTRY_FRAME; mov rax,rbp; mov [r13+disp],rax`, without the displacement.
const ENTRY: [u8; 7] = [0x6a, 0x02, 0x48, 0x8b, 0xc5, 0x49, 0x89];
/// First bytes of `mov [r13+disp],REGISTER`, for rax to rdi and for r8 to r15.
const STORE: [u8; 2] = [0x49, 0x89];
const STORE_HIGH: [u8; 2] = [0x4d, 0x89];
/// Numbers of registers in the instruction, without the bit that is in the first byte.
const RAX: u8 = 0;
const RBP: u8 = 5;
const R10: u8 = 2;

/// Places in the isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DirectCalls {
    /// Frame pointer of the outermost entry frame (`ThreadLocalTop::js_entry_sp_`); 0 outside of JavaScript.
    pub entry_fp: u32,
    /// Frame pointer of generated code that calls C (`IsolateData::fast_c_call_caller_fp_`); 0 if none does.
    pub fp: u32,
    /// Where that goes on (`IsolateData::fast_c_call_caller_pc_`).
    pub pc: u32,
}

/// Looks for them in a file's code, chunk by chunk.
pub(crate) struct DirectSearch {
    call: Finder<'static>,
    entry: Finder<'static>,
    fp: Found,
    pc: Found,
    entry_fp: Found,
}

impl Default for DirectSearch {
    fn default() -> Self {
        let [fp, pc, entry_fp] = [Found::Nothing; 3];
        Self { call: Finder::new(&LOAD_PC), entry: Finder::new(&ENTRY), fp, pc, entry_fp }
    }
}

impl DirectSearch {
    /// Takes in a chunk of code, as [`super::code::Search::chunk`] does.
    pub(crate) fn chunk(&mut self, code: &[u8]) {
        for at in self.call.find_iter(code) {
            if let Some([pc, fp]) = noted(&code[at..]) {
                self.pc.see(Some(pc));
                self.fp.see(Some(fp));
            }
        }
        for at in self.entry.find_iter(code) {
            let store = &code[at + ENTRY.len() - STORE.len()..];
            self.entry_fp.see(stored(store, STORE, RAX).map(|(place, _)| place));
        }
    }

    /// What all of it agrees on.
    pub(crate) fn found(&self) -> Result<DirectCalls, CodeError> {
        let what = "where calls without an exit frame are noted";
        Ok(DirectCalls {
            entry_fp: self.entry_fp.offset(what)?,
            fp: self.fp.offset(what)?,
            pc: self.pc.offset(what)?,
        })
    }
}

/// The places of pc and frame pointer, if `code` begins with their being noted.
fn noted(code: &[u8]) -> Option<[i32; 2]> {
    let (pc, rest) = stored(code.get(LOAD_PC_LEN..)?, STORE_HIGH, R10)?;
    let (fp, _) = stored(rest, STORE, RBP)?;
    Some([pc, fp])
}

/// The displacement from r13 at which `code` first stores `register`, and the code behind it.
fn stored(code: &[u8], store: [u8; 2], register: u8) -> Option<(i32, &[u8])> {
    let (form, rest) = code.strip_prefix(&store)?.split_first()?;
    // Mode, register, base: of one byte or of four, from r13.
    match form ^ (register << 3) {
        0x45 => rest.split_first().map(|(short, rest)| (i32::from(short.cast_signed()), rest)),
        0x85 => rest.split_first_chunk().map(|(long, rest)| (i32::from_le_bytes(*long), rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `DeoptimizationEntry_Eager` of 18.20, 20.20 and 26.10 from the load on, with the places of pc and frame pointer.
    const CALLS: [(&[u8], [u32; 2]); 3] = [
        (
            &[0x4c, 0x8d, 0x15, 0, 0, 0, 0, 0x4d, 0x89, 0x95, 0x88, 0, 0, 0, 0x49, 0x89, 0xad, 0x80, 0, 0, 0],
            [0x108, 0x100],
        ),
        (&[0x4c, 0x8d, 0x15, 0, 0, 0, 0, 0x4d, 0x89, 0x55, 0x70, 0x49, 0x89, 0x6d, 0x68], [0xf0, 0xe8]),
        (
            &[
                0x4c, 0x8d, 0x15, 0x10, 0, 0, 0, 0x4d, 0x89, 0x95, 0xa8, 0, 0, 0, 0x49, 0x89, 0xad, 0xb0, 0,
                0, 0,
            ],
            [0x128, 0x130],
        ),
    ];
    /// `JSEntry` of 26.10.
    const ENTERED: [u8; 12] = [0x6a, 0x02, 0x48, 0x8b, 0xc5, 0x49, 0x89, 0x85, 0x60, 0x01, 0, 0];

    #[test]
    fn what_is_noted_where_is_told_by_the_stores() {
        for (call, [pc, fp]) in CALLS {
            let mut search = DirectSearch::default();
            search.chunk(&[call, &[0xff, 0xd0], &ENTERED].concat());
            assert_eq!(search.found(), Ok(DirectCalls { entry_fp: 0x1e0, fp, pc }));
        }
    }

    #[test]
    fn other_stores_are_not_taken_for_it_and_several_are_doubted() {
        let mut search = DirectSearch::default();
        search.chunk(&ENTERED);
        // An end in the middle; rbx in the place of rbp; another base than r13; r8 in the place of r10.
        let [(call, _), (other, _), _] = CALLS;
        search.chunk(&call[..18]);
        for (at, byte) in [(16, 0x9d), (16, 0xac), (9, 0x85)] {
            let mut changed = call.to_vec();
            changed[at] = byte;
            search.chunk(&changed);
        }
        assert!(matches!(search.found(), Err(CodeError::Absent(_))));
        search.chunk(&[call, other].concat());
        assert!(matches!(search.found(), Err(CodeError::Ambiguous(_))));
    }
}
