//! Functions: their names, where they begin, of which script they are.

use super::{
    memory::{Heap, Memory, Object, ReadError, small_integer},
    string,
};
use crate::{target::text::printable, v8::objects::Item};

/// The longest name that is kept.
const MAX_NAME: usize = 256;
/// Words of a `ScopeInfo` behind its variables that may hold the name: the name and its variable, the inferred name.
const NAME_WORDS: u32 = 3;
/// More variables than this have their names in a hash table (`kScopeInfoMaxInlinedLocalNamesSize`).
const INLINED_NAMES: u32 = 75;
/// More variables than a function has.
const MAX_VARIABLES: i32 = 1 << 20;

/// What identifies a function within an isolate for as long as it lives; both survive the object's being moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FunctionId {
    /// `Script::id`; 0 for builtins.
    pub(super) script: u32,
    /// `SharedFunctionInfo::function_literal_id`; negative for builtins.
    pub(super) literal: i32,
}

/// A function, as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name, or the one that V8 inferred; fit to be shown. `None` if it has none.
    pub(super) name: Option<String>,
    /// Where it begins and ends: characters from the script's first.
    pub(super) span: Option<Span>,
    /// Its script; `None` for builtins.
    pub(super) script: Option<Object>,
}

/// Characters of a script, the last one not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    /// Between two small integers, if they are ascending.
    fn between(start: u64, end: u64) -> Option<Self> {
        let place = |word| small_integer(word).and_then(|place| u32::try_from(place).ok());
        let (start, end) = (place(start)?, place(end)?);
        (start < end).then_some(Self { start, end })
    }
}

/// Who the function `shared` is right now.
pub(super) fn identify<M: Memory>(heap: &Heap<M>, shared: Object) -> Result<FunctionId, ReadError> {
    let shared = heap.typed(shared, Item::SharedType, "a function")?;
    let literal = heap.half(shared.field(heap.objects.offset(Item::SharedLiteral)))?.cast_signed();
    if literal < 0 {
        return Ok(FunctionId { script: 0, literal });
    }
    let script = small_integer(heap.field(heap.object(shared, Item::SharedScript)?, Item::ScriptId)?);
    let script =
        script.and_then(|id| u32::try_from(id).ok()).ok_or(ReadError::Implausible("a script's number"))?;
    Ok(FunctionId { script, literal })
}

/// Reads the function `shared`, which must be `id` before and after: then it was not moved or freed in between. What it
/// refers to may have been: a name that is moved while it is read looks like none, so it is read twice.
pub(super) fn read<M: Memory>(heap: &Heap<M>, shared: Object, id: FunctionId) -> Result<Function, ReadError> {
    let is_it = || identify(heap, shared).map(|now| now == id);
    let moved = ReadError::Implausible("the function, which was moved,");
    if !is_it()? {
        return Err(moved);
    }
    let function = read_now(heap, shared, id)?;
    if read_now(heap, shared, id)? == function && is_it()? { Ok(function) } else { Err(moved) }
}

fn read_now<M: Memory>(heap: &Heap<M>, shared: Object, id: FunctionId) -> Result<Function, ReadError> {
    let script = if id.literal < 0 { None } else { Some(heap.object(shared, Item::SharedScript)?) };
    let named = Object::from_word(heap.field(shared, Item::SharedName)?);
    // A small integer: it has no name and was never compiled.
    let Some(named) = named else {
        return Ok(Function { name: None, span: uncompiled(heap, shared, id), script });
    };
    if string::is_string(heap, named)? {
        return Ok(Function { name: shown(heap, named)?, span: uncompiled(heap, shared, id), script });
    }
    let scope = heap.typed(named, Item::ScopeType, "a function's scope")?;
    let (name, span) = scope_info(heap, scope)?;
    Ok(Function { name, span, script })
}

/// Name and place in a `ScopeInfo` (src/objects/scope-info.tq): flags, parameters, number of variables, from 12.8 on
/// start and end; the variables' names and their properties, the function's name and its variable, the inferred name,
/// before 12.8 start and end.
fn scope_info<M: Memory>(heap: &Heap<M>, scope: Object) -> Result<(Option<String>, Option<Span>), ReadError> {
    let word = |index: u32| heap.word(scope.field(8 + 8 * index));
    let place_first = heap.objects.scope_begins_with_place;
    let variables = small_integer(word(2)?).filter(|count| (0..MAX_VARIABLES).contains(count));
    let variables =
        variables.and_then(|count| u32::try_from(count).ok()).ok_or(ReadError::Implausible("a scope"))?;
    let names = if variables < INLINED_NAMES { variables } else { 1 };
    let behind = if place_first { 5 } else { 3 } + names + variables;
    let (mut name, mut span) = (None, if place_first { Span::between(word(3)?, word(4)?) } else { None });
    for index in behind..behind + NAME_WORDS {
        // The object may end here.
        let Ok(word) = word(index) else { break };
        match Object::from_word(word) {
            Some(text) if name.is_none() && string::is_string(heap, text).unwrap_or(false) => {
                name = shown(heap, text)?;
            }
            _ => {}
        }
    }
    if !place_first {
        span = place_behind(heap, scope, behind);
    }
    Ok((name, span))
}

/// The first two small integers, ascending, with an object (the scope around it) behind: a name's variable is one alone, and
/// so is a class's, which methods have before their names.
fn place_behind<M: Memory>(heap: &Heap<M>, scope: Object, behind: u32) -> Option<Span> {
    let words: Vec<u64> = (behind..behind + NAME_WORDS + 4)
        .map_while(|index| heap.word(scope.field(8 + 8 * index)).ok())
        .collect();
    words
        .windows(3)
        .find_map(|words| Span::between(words[0], words[1]).filter(|_| Object::from_word(words[2]).is_some()))
}

/// Where a function begins that was never compiled: start and end are in its `UncompiledData`, behind the inferred name
/// (src/objects/shared-function-info.tq, 9.4 to 14.6). What is none has other things there.
fn uncompiled<M: Memory>(heap: &Heap<M>, shared: Object, id: FunctionId) -> Option<Span> {
    if id.literal < 0 {
        return None;
    }
    let data = heap.object(shared, Item::SharedData).ok()?;
    let inferred = Object::from_word(heap.word(data.field(8)).ok()?)?;
    let (start, end) = (heap.half(data.field(16)).ok()?, heap.half(data.field(20)).ok()?);
    let is_place = start < end && end <= i32::MAX.unsigned_abs();
    (is_place && string::is_string(heap, inferred).ok()?).then_some(Span { start, end })
}

fn shown<M: Memory>(heap: &Heap<M>, name: Object) -> Result<Option<String>, ReadError> {
    let text = string::read(heap, name, MAX_NAME)?;
    let mut shown = printable(text.to_utf8().as_bytes());
    if text.is_cut {
        shown.push('…');
    }
    Ok(if shown.is_empty() { None } else { Some(shown) })
}
