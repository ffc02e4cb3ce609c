//! From a frame to the functions that it stands for, and where each of them is: one function in the interpreter and in
//! baseline code, a whole chain of inlined ones in Maglev's and TurboFan's.

use super::{
    machine::Code,
    memory::{Heap, Memory, Object, ReadError},
    places::{InlinedCall, Link, Places},
    positions::{self, Position},
};
use crate::v8::objects::Item;

/// The largest table that is read: a function of a megabyte of source has about this.
const MAX_TABLE: usize = 1 << 20;
/// The largest piece of machine code that is looked into. Functions of ours had up to 16 kB.
const MAX_CODE: u32 = 256 << 10;
/// Bytes of an inlined call: its position, and its function.
const INLINED_CALL: usize = 16;

/// One function of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its `SharedFunctionInfo`; `None` for the function that the frame belongs to.
    pub(super) inlined: Option<Object>,
    /// Where it is: characters from the script's first.
    pub(super) offset: Option<u32>,
}

impl Part {
    const WHOLE: Self = Self { inlined: None, offset: None };
}

/// What a piece of code or bytecode refers to and how long it is. As long as that stays it is where it was: what is read
/// between two equal ones is of one object.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape([u64; 3]);

impl Shape {
    fn of_bytecode<M: Memory>(heap: &Heap<M>, bytecode: Object) -> Result<Self, ReadError> {
        heap.typed(bytecode, Item::BytecodeType, "bytecode")?;
        let length = heap.length(bytecode, MAX_TABLE)?;
        Ok(Self([heap.field(bytecode, Item::BytecodePositions)?, length as u64, 0]))
    }

    fn of_code<M: Memory>(heap: &Heap<M>, code: Object) -> Result<Self, ReadError> {
        heap.typed(code, Item::CodeType, "code")?;
        let size = heap.half(code.field(heap.objects.offset(Item::CodeSize)))?;
        let [positions, deopt] = [Item::CodePositions, Item::CodeDeopt];
        Ok(Self([heap.field(code, positions)?, heap.field(code, deopt)?, u64::from(size)]))
    }
}

/// What `read` reads of an object with a [`Shape`], if that stays.
fn unmoved<T>(
    shape: impl Fn() -> Result<Shape, ReadError>,
    read: impl FnOnce() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let before = shape()?;
    let value = read()?;
    if shape()? == before { Ok(value) } else { Err(ReadError::Implausible("code, which was moved,")) }
}

/// Where a function in the interpreter is: `smi` is the register that holds its place in `bytecode`.
pub(super) fn interpreted<M: Memory>(heap: &Heap<M>, bytecode: Object, smi: u32) -> Result<Part, ReadError> {
    // Counted from the tagged pointer.
    let header = heap.objects.offset(Item::BytecodeData) - 1;
    let offset = smi.checked_sub(header).ok_or(ReadError::Implausible("a bytecode offset"))?;
    unmoved(|| Shape::of_bytecode(heap, bytecode), || bytecode_part(heap, bytecode, offset))
}

/// The functions that the machine code of `shared` stands for at the return address `pc`, innermost first. Code that `pc` is not in (it
/// was replaced while it ran) tells only which function.
pub(super) fn compiled<M: Memory>(
    heap: &Heap<M>,
    (shared, code): (Object, Object),
    pc: u64,
    bytecode_sizes: &[u8],
) -> Result<Vec<Part>, ReadError> {
    unmoved(|| Shape::of_code(heap, code), || compiled_now(heap, (shared, code), pc, bytecode_sizes))
}

fn compiled_now<M: Memory>(
    heap: &Heap<M>,
    (shared, code): (Object, Object),
    pc: u64,
    bytecode_sizes: &[u8],
) -> Result<Vec<Part>, ReadError> {
    let objects = &heap.objects;
    let start = if objects.code_is_inline {
        code.field(objects.offset(Item::CodeStart))
    } else {
        heap.field(code, Item::CodeStart)?
    };
    let size = heap.half(code.field(objects.offset(Item::CodeSize)))?;
    let Some(offset) = pc.checked_sub(start).and_then(|offset| u32::try_from(offset).ok()) else {
        return Ok(vec![Part::WHOLE]);
    };
    if offset == 0 || offset > size {
        return Ok(vec![Part::WHOLE]);
    }
    let flags = heap.half(code.field(objects.offset(Item::CodeFlags)))?;
    let kind = flags.cast_signed() & objects.number(Item::KindMask);
    match kind - objects.number(Item::KindBaseline) {
        0 => Ok(vec![baseline(heap, (shared, code), offset, bytecode_sizes)?]),
        1 | 2 => {
            let is_maglev = kind == objects.number(Item::KindBaseline) + 1;
            optimized(heap, code, Machine { start, size, is_maglev }, offset - 1)
        }
        _ => Ok(vec![Part::WHOLE]),
    }
}

fn baseline<M: Memory>(
    heap: &Heap<M>,
    (shared, code): (Object, Object),
    offset: u32,
    sizes: &[u8],
) -> Result<Part, ReadError> {
    let table = heap.byte_array(heap.object(code, Item::CodePositions)?, MAX_TABLE)?;
    let bytecode = if heap.objects.baseline_has_bytecode() {
        // Baseline code has nothing to deoptimize: its bytecodes are in that place.
        heap.object(code, Item::CodeDeopt)?
    } else {
        heap.object(heap.object(shared, Item::SharedData)?, Item::BaselineBytecode)?
    };
    let Some(index) = positions::baseline_bytecode(&table, offset) else { return Ok(Part::WHOLE) };
    let bytecode = heap.typed(bytecode, Item::BytecodeType, "bytecode")?;
    let mut bytecodes = vec![0; heap.length(bytecode, MAX_TABLE)?];
    heap.bytes(bytecode.field(heap.objects.offset(Item::BytecodeData)), &mut bytecodes)?;
    match positions::bytecode_offset(&bytecodes, sizes, index) {
        Some(offset) => bytecode_part(heap, bytecode, offset),
        None => Ok(Part::WHOLE),
    }
}

fn bytecode_part<M: Memory>(heap: &Heap<M>, bytecode: Object, offset: u32) -> Result<Part, ReadError> {
    let bytecode = heap.typed(bytecode, Item::BytecodeType, "bytecode")?;
    let table = heap.byte_array(heap.object(bytecode, Item::BytecodePositions)?, MAX_TABLE)?;
    let position = positions::find(&table, heap.objects.positions, offset);
    Ok(Part { inlined: None, offset: position.and_then(Position::offset) })
}

/// A piece of machine code.
#[derive(Clone, Copy)]
struct Machine {
    start: u64,
    size: u32,
    is_maglev: bool,
}

fn optimized<M: Memory>(
    heap: &Heap<M>,
    code: Object,
    machine: Machine,
    offset: u32,
) -> Result<Vec<Part>, ReadError> {
    let table = heap.byte_array(heap.object(code, Item::CodePositions)?, MAX_TABLE)?;
    let deopt = heap.object(code, Item::CodeDeopt)?;
    let places = Places {
        entries: positions::entries(&table, heap.objects.positions),
        calls: inlined_calls(heap, deopt)?,
    };
    let literals = deopt_slot(heap, deopt, Item::DeoptLiterals)?;
    let chain = places.chain(offset, instructions(heap, machine)?.as_ref());
    if chain.is_empty() {
        return Ok(vec![Part::WHOLE]);
    }
    chain.into_iter().map(|link| part(heap, literals, link)).collect()
}

/// The instructions, where the table of positions alone does not tell.
fn instructions<M: Memory>(heap: &Heap<M>, machine: Machine) -> Result<Option<Code>, ReadError> {
    let is_told = !machine.is_maglev && heap.objects.turbofan_places_slow_paths();
    if is_told || machine.size > MAX_CODE {
        return Ok(None);
    }
    let mut bytes = vec![0; machine.size as usize];
    heap.bytes(machine.start, &mut bytes)?;
    Ok(Some(Code::new(&bytes, machine.is_maglev)))
}

fn part<M: Memory>(heap: &Heap<M>, literals: Object, link: Link) -> Result<Part, ReadError> {
    let offset = link.position.offset();
    // A function that is inlined into itself has no literal.
    let Some(literal) = link.function.and_then(|function| u32::try_from(function).ok()) else {
        return Ok(Part { inlined: None, offset });
    };
    let inlined = Object::from_word(heap.element(literals, literal)?);
    let inlined = inlined.ok_or(ReadError::Implausible("an inlined function"))?;
    Ok(Part { inlined: Some(inlined), offset })
}

fn deopt_slot<M: Memory>(heap: &Heap<M>, deopt: Object, item: Item) -> Result<Object, ReadError> {
    let word = heap.element(deopt, heap.objects.offset(item))?;
    Object::from_word(word).ok_or(ReadError::Implausible("deoptimization data"))
}

/// All inlined calls of a piece of code.
fn inlined_calls<M: Memory>(heap: &Heap<M>, deopt: Object) -> Result<Vec<InlinedCall>, ReadError> {
    let calls = heap.byte_array(deopt_slot(heap, deopt, Item::DeoptInlining)?, MAX_TABLE)?;
    let call = |entry: &[u8]| {
        let (caller, rest) = entry.split_first_chunk()?;
        let function = i32::from_le_bytes(*rest.first_chunk()?);
        Some(InlinedCall { caller: Position(u64::from_le_bytes(*caller)), function })
    };
    Ok(calls.chunks_exact(INLINED_CALL).filter_map(call).collect())
}
