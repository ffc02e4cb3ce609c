//! Where an isolate keeps its handles: by the code of exported functions, which every build has, stripped ones too.
//!
//! Offsets move within a major version, so they are decoded and not tabled. Layouts behind them were the same in V8 9.4 to
//! 14.6 (compared with `HandleScope::NumberOfHandles` and `v8.getHeapStatistics()`).

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use thiserror::Error;

use super::code::displacement;

/// `internal::HandleScope::NumberOfHandles(Isolate*)`, and that of the API, which does nothing but jump to it: in a shared
/// library by way of a table that the dynamic loader fills in, but there the former is exported as well.
pub(crate) const NUMBER_OF_HANDLES: [&str; 2] = [
    "_ZN2v88internal11HandleScope15NumberOfHandlesEPNS0_7IsolateE",
    "_ZN2v811HandleScope15NumberOfHandlesEPNS_7IsolateE",
];
/// `GlobalizeReference(Isolate*, …)`, by which every global handle is made: 16, 18 on.
pub(crate) const GLOBALIZE: [&str; 2] = [
    "_ZN2v812api_internal18GlobalizeReferenceEPNS_8internal7IsolateE",
    "_ZN2v82V818GlobalizeReferenceEPNS_8internal7IsolateE",
];

/// Bytes of a function that are looked at; `NumberOfHandles` has about 100.
pub(crate) const CODE_LEN: usize = 256;

/// `GlobalHandles` comes so far behind `HandleScopeImplementer` in `Isolate` (12.14 to 26.10, 16 builds).
const BETWEEN: u32 = 0x20;

/// Handles in a block of an open handle scope (`kHandleBlockSize`, src/api/api.h).
pub(crate) const SCOPE_BLOCK: u64 = 1022;
/// Handles in a block of global handles (`NodeBlock::kBlockSize`, src/handles/global-handles.cc).
pub(crate) const GLOBAL_BLOCK: u64 = 256;
/// Words of a global handle.
pub(crate) const GLOBAL_WORDS: usize = 4;
/// Where in its second word a global handle has its flags.
pub(crate) const GLOBAL_FLAGS_SHIFT: u32 = 24;
/// State of a global handle in its flags: 0 free, 1 strong, 2 weak, 3 about to be freed.
pub(crate) const GLOBAL_STATE: u64 = 3;
/// The state of a strong handle.
pub(crate) const GLOBAL_STRONG: u64 = 1;

/// Offsets in an isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandlePlaces {
    /// `HandleScopeData`: where the next handle goes.
    pub next: u32,
    /// The `HandleScopeImplementer`, which has the blocks of open handle scopes.
    pub implementer: u32,
    /// The `GlobalHandles`.
    pub global: u32,
}

/// Why it could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the code of {0} is not understood: where V8 keeps handles is not known")]
pub(crate) struct HandlesError(&'static str);

/// Reads the code that is linked at an address, as much as there is.
pub(crate) type ReadCode<'a> = &'a dyn Fn(u64) -> Option<Vec<u8>>;

impl HandlePlaces {
    /// By the addresses of the two functions.
    pub(crate) fn decode(
        number_of_handles: u64,
        globalize: u64,
        read: ReadCode<'_>,
    ) -> Result<Self, HandlesError> {
        let (implementer, next) =
            scope_places(number_of_handles, read).ok_or(HandlesError("NumberOfHandles"))?;
        let global = global_place(globalize, read).ok_or(HandlesError("GlobalizeReference"))?;
        let is_known = global.checked_sub(implementer) == Some(BETWEEN);
        is_known.then_some(Self { next, implementer, global }).ok_or(HandlesError("GlobalizeReference"))
    }
}

/// The body of `NumberOfHandles` loads two words of the isolate: first the implementer, then the next handle.
fn scope_places(address: u64, read: ReadCode<'_>) -> Option<(u32, u32)> {
    let body = follow_jump(address, read)?;
    let loads: Vec<u32> = instructions(&body).filter_map(|it| load(&it, Register::RDI)).collect();
    match loads[..] {
        [implementer, next] => Some((implementer, next)),
        _ => None,
    }
}

/// `GlobalizeReference` passes the isolate's `GlobalHandles` on, in the first argument.
fn global_place(address: u64, read: ReadCode<'_>) -> Option<u32> {
    let code = Code { bytes: read(address)?, address };
    let is_first_argument = |it: &Instruction| it.op0_register() == Register::RDI;
    let found =
        instructions(&code).find(|it| is_first_argument(it) && load(it, it.memory_base()).is_some())?;
    load(&found, found.memory_base())
}

struct Code {
    bytes: Vec<u8>,
    address: u64,
}

/// The code that a function at `address` jumps to, if it does nothing else; its own else.
fn follow_jump(address: u64, read: ReadCode<'_>) -> Option<Code> {
    let code = Code { bytes: read(address)?, address };
    let left = instructions(&code).take(5).find(|it| it.flow_control() != FlowControl::Next);
    match left.filter(|it| it.flow_control() == FlowControl::UnconditionalBranch) {
        Some(jump) => {
            Some(Code { bytes: read(jump.near_branch_target())?, address: jump.near_branch_target() })
        }
        None => Some(code),
    }
}

/// Up to and with the first return.
fn instructions(code: &Code) -> impl Iterator<Item = Instruction> {
    let mut decoder = Decoder::with_ip(64, &code.bytes, code.address, DecoderOptions::NONE);
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over || !decoder.can_decode() {
            return None;
        }
        let instruction = decoder.decode();
        is_over = instruction.flow_control() == FlowControl::Return;
        (!instruction.is_invalid()).then_some(instruction)
    })
}

/// The offset of the word that is loaded from `base`.
fn load(it: &Instruction, base: Register) -> Option<u32> {
    let is_load = it.mnemonic() == Mnemonic::Mov
        && it.op0_kind() == OpKind::Register
        && it.op1_kind() == OpKind::Memory
        && it.memory_size().size() == 8
        && base != Register::None
        && it.memory_base() == base
        && it.memory_index() == Register::None
        && !it.is_ip_rel_memory_operand();
    u32::try_from(displacement(it)).ok().filter(|offset| is_load && *offset > 0)
}
