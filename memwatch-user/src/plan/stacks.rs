//! What it takes to walk stacks of JavaScript in one binary, and then in one process that runs it.

use std::{collections::BTreeMap, io};

use memwatch_common::{
    stack::{LITERAL_BEHIND_SCRIPT, StackLayout},
    target::NO_OFFSET,
};
use serde::{Deserialize, Serialize};

use super::Unresolved;
use crate::{
    target::{
        Libc,
        elf::{Elf, Machine, Symbol},
    },
    v8::objects::{
        Item, METADATA, Objects,
        code::{self, Area, CODE_LEN, IsolatePlace, OVERLAP, Search},
        direct::{DirectCalls, DirectSearch},
    },
};

/// Bytes that are allocated between two samples: what V8's own sampling heap profiler takes by default
/// (`HeapProfiler::StartSamplingHeapProfiler`).
pub const INTERVAL: u64 = 512 * 1024;

/// `v8::Isolate::TryGetCurrent`, exported by every build.
const TRY_GET_CURRENT: &str = "_ZN2v87Isolate13TryGetCurrentEv";
/// `AdvanceAllocationObservers` of what has a linear allocation area: from 22 on, before.
const ADVANCE: [&str; 2] = [
    "_ZN2v88internal13MainAllocator26AdvanceAllocationObserversEv",
    "_ZN2v88internal19SpaceWithLinearArea26AdvanceAllocationObserversEv",
];
/// `interpreter::Bytecodes::kBytecodeSizes`, in .symtab only from 24 on.
const BYTECODE_SIZES: &str = "_ZN2v88internal11interpreter9Bytecodes14kBytecodeSizesE";
/// Three scales of at most 256 bytecodes.
const MAX_BYTECODE_SIZES: u64 = 3 * 256;

/// glibc's `struct pthread` on x86-64: the values of the first 32 keys, 16 bytes each, the pointer in the second word
/// (nptl/descr.h: `specific_1stblock`).
const KEY_VALUES: i64 = 0x310 + 8;
const KEYS: i64 = 32;

/// What one binary says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackPlan {
    /// How its objects are laid out.
    pub objects: Objects,
    /// Bytes of each bytecode with its operands, by operand scale; empty where the table has no symbol: then functions
    /// in baseline code are known, their lines are not.
    pub bytecode_sizes: Vec<u8>,
    isolate: IsolatePlace,
    c_entry_fp: u32,
    code_table: Option<u32>,
    /// `None` where that is not found: then calls without an exit frame are taken for calls from outside of JavaScript.
    direct: Option<DirectCalls>,
    area: Area,
}

impl StackPlan {
    /// Reads it from `elf`, whose V8 calls itself `version`; or why stacks of it cannot be walked.
    pub(super) fn resolve(elf: &Elf, version: Option<&str>) -> Result<Self, Unresolved> {
        if elf.machine != Machine::X86_64 {
            return Err(Unresolved::on(elf.machine, "its way to lay out stacks"));
        }
        let version = version.ok_or(Unresolved::NoVersion)?;
        let found =
            elf.symbols(&[METADATA, TRY_GET_CURRENT, ADVANCE[0], ADVANCE[1], BYTECODE_SIZES], is_wanted);
        let found = found.map_err(|error| Unresolved::unreadable("its symbols", error))?;
        let objects = Objects::new(version, &metadata(elf, &found)).map_err(Unresolved::not_understood)?;
        if objects.offset(Item::SharedLiteral) != objects.offset(Item::SharedScript) + LITERAL_BEHIND_SCRIPT {
            return Err(Unresolved::Layout);
        }
        let (mut search, mut direct) = (Search::default(), DirectSearch::default());
        let chunk = |code: &[u8]| {
            search.chunk(code);
            direct.chunk(code);
        };
        elf.code_chunks(OVERLAP, chunk).map_err(|error| Unresolved::unreadable("its code", error))?;
        Ok(Self {
            bytecode_sizes: bytecode_sizes(elf, &found),
            isolate: in_code(elf, &found, &[TRY_GET_CURRENT], code::isolate_place)?,
            c_entry_fp: search.c_entry_fp().map_err(Unresolved::not_understood)?,
            code_table: objects
                .has_code_table
                .then(|| search.code_table())
                .transpose()
                .map_err(Unresolved::not_understood)?,
            direct: direct.found().ok(),
            area: in_code(elf, &found, &ADVANCE, code::area)?,
            objects,
        })
    }

    /// What the kernel side needs for a process that has the file `bias` above its linked addresses and `libc`; `read`
    /// fills a buffer from its memory. The error says why stacks are not walked.
    pub fn layout(
        &self,
        bias: u64,
        libc: Option<Libc>,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<StackLayout, Unresolved> {
        let isolate_from_thread = self.isolate_from_thread(bias, libc, read)?;
        let offset = |item| self.objects.offset(item);
        let nowhere = DirectCalls { entry_fp: NO_OFFSET, fp: NO_OFFSET, pc: NO_OFFSET };
        let direct = self.direct.unwrap_or(nowhere);
        Ok(StackLayout {
            isolate_from_thread,
            interval: INTERVAL,
            c_entry_fp: self.c_entry_fp,
            function_shared: offset(Item::FunctionShared),
            function_code: offset(Item::FunctionCode),
            code_table: self.code_table.unwrap_or(NO_OFFSET),
            shared_script: offset(Item::SharedScript),
            script_id: offset(Item::ScriptId),
            map_type: offset(Item::MapType),
            bytecode_type: offset(Item::BytecodeType),
            area: self.area.offset,
            area_is_inside: u32::from(self.area.is_inside),
            // `AllocateRaw(LocalHeap*, int)` from V8 12 on, `AllocateRaw(int)` before.
            large_size_argument: if self.objects.version >= (12, 0) { 2 } else { 1 },
            entry_fp: direct.entry_fp,
            direct_fp: direct.fp,
            direct_pc: direct.pc,
        })
    }

    /// How far an isolate's address is from the thread pointer of its thread.
    fn isolate_from_thread(
        &self,
        bias: u64,
        libc: Option<Libc>,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<i64, Unresolved> {
        let word = |address: u64| {
            let mut word = [0; 8];
            let result = read(address.wrapping_add(bias), &mut word);
            result
                .map(|()| i64::from_le_bytes(word))
                .map_err(|error| Unresolved::unreadable("its memory", error))
        };
        match self.isolate {
            IsolatePlace::Distance(distance) => Ok(distance),
            IsolatePlace::DistanceAt(address) => word(address),
            IsolatePlace::KeyAt(_) if libc != Some(Libc::Glibc) => Err(Unresolved::ThreadValues),
            IsolatePlace::KeyAt(address) => key_distance(word(address)?),
        }
    }
}

fn is_wanted(name: &str) -> bool {
    name.strip_prefix(METADATA).is_some_and(Objects::wants)
        || [TRY_GET_CURRENT, BYTECODE_SIZES].contains(&name)
        || ADVANCE.contains(&name)
}

/// The values of V8's metadata: ints in the file's data.
fn metadata(elf: &Elf, found: &[Symbol]) -> BTreeMap<String, i32> {
    let value = |symbol: &Symbol| {
        let mut int = [0; 4];
        elf.read(elf.data_offset(symbol.address)?, &mut int).ok()?;
        Some((symbol.name.strip_prefix(METADATA)?.to_owned(), i32::from_le_bytes(int)))
    };
    found.iter().filter_map(value).collect()
}

fn bytecode_sizes(elf: &Elf, found: &[Symbol]) -> Vec<u8> {
    let table = found.iter().find(|symbol| symbol.name == BYTECODE_SIZES);
    let read = |symbol: &Symbol| {
        let mut sizes = vec![0; usize::try_from(symbol.size.min(MAX_BYTECODE_SIZES)).ok()?];
        elf.read(elf.data_offset(symbol.address)?, &mut sizes).ok()?;
        Some(sizes)
    };
    table.and_then(read).unwrap_or_default()
}

/// What `decode` reads from the first of `names` that there is.
fn in_code<T>(
    elf: &Elf,
    found: &[Symbol],
    names: &[&str],
    decode: impl Fn(&[u8], u64) -> Result<T, code::CodeError>,
) -> Result<T, Unresolved> {
    let symbol = names.iter().find_map(|name| found.iter().find(|symbol| symbol.name == *name));
    let symbol = symbol.ok_or_else(|| Unresolved::no_symbol(names[0]))?;
    let mut code = [0; CODE_LEN];
    let offset = elf.code_offset(symbol.address).ok_or_else(|| Unresolved::outside(names[0]))?;
    elf.read(offset, &mut code).map_err(|error| Unresolved::unreadable(names[0], error))?;
    decode(&code, symbol.address).map_err(Unresolved::not_understood)
}

fn key_distance(word: i64) -> Result<i64, Unresolved> {
    // The key is an int: the lower half.
    let key = word & 0xffff_ffff;
    if (0..KEYS).contains(&key) { Ok(KEY_VALUES + 16 * key) } else { Err(Unresolved::Key(key)) }
}
