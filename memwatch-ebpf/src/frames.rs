//! V8's frames and functions as they lie in memory: what a walk reads at once.

/// A frame as it lies on the stack.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawFrame {
    /// In an entry frame: `c_entry_fp` from before (after type, context, four saved registers and rbx).
    pub(crate) outer_entry: u64,
    _registers: [u64; 2],
    /// In the interpreter: how far it is, as a Smi.
    pub(crate) bytecode_offset: u64,
    /// In the interpreter: the `BytecodeArray`.
    pub(crate) bytecode: u64,
    _arguments: u64,
    pub(crate) function: u64,
    /// A context (a tagged pointer) in a function's frame, else the marker of its type, without a tag.
    pub(crate) context_or_marker: u64,
    pub(crate) caller: u64,
    pub(crate) return_address: u64,
}

/// The fields of a `SharedFunctionInfo` from its script on.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct SharedFields {
    pub(crate) script: u64,
    _between: [u32; 3],
    pub(crate) literal: i32,
}
