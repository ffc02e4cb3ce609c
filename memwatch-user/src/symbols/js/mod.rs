//! Functions and lines of JavaScript, read from the memory of the process that runs it.
//!
//! A stack arrives with numbers that stay true (script, function literal, position) and addresses that are true only for
//! a moment: the collector moves objects. So a function is read once, verified to be the one that was meant after it was
//! read, and kept under its numbers. What could not be read is said to be unknown, never guessed.

mod code;
mod function;
mod machine;
mod memory;
mod peeled;
mod places;
mod positions;
mod script;
mod source_map;
mod string;

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use memwatch_common::stack::{JsFrame, StackEvent, frame_kind, stack_end, stack_start};

pub use self::memory::{Memory, ProcessMemory, ReadError};
use self::{
    function::{Function, FunctionId},
    memory::{Heap, Object},
    script::Script,
    source_map::SourceMap,
};
use crate::{
    model::{Frame, FrameKind, Stack, StackEnd},
    plan::StackPlan,
    v8::objects::{Item, Objects},
};

/// Functions that are kept; a large application has some tens of thousands, of which few allocate. Full: all are
/// forgotten and read anew.
const MAX_FUNCTIONS: usize = 65_536;
/// Likewise of scripts.
const MAX_SCRIPTS: usize = 8_192;
/// Likewise of texts of scripts, of which each may have [`MAX_SOURCE`] characters.
const MAX_SOURCES: usize = 8;
/// Longer texts are cut: 8 MB of two-byte characters.
const MAX_SOURCE: usize = 4 << 20;
/// Likewise of places in functions.
const MAX_PLACES: usize = 65_536;

/// Which thing of which thread's isolate.
type Of<Id> = (u64, Id);

/// A place in a function, by what the kernel side tells stacks apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PlaceId {
    /// Script and function literal; of a builtin, which has neither and does not move, its address.
    function: u64,
    position: u64,
    kind: u32,
}

impl From<&JsFrame> for PlaceId {
    fn from(frame: &JsFrame) -> Self {
        let JsFrame { position, kind, .. } = *frame;
        Self { function: frame.identity(), position, kind }
    }
}

/// Reads names and lines of one process.
#[derive(Debug)]
pub struct Resolver<M> {
    heap: Heap<M>,
    bytecode_sizes: Vec<u8>,
    functions: HashMap<Of<FunctionId>, Arc<Known>>,
    scripts: HashMap<Of<u32>, Arc<Mapped>>,
    /// The functions that each place stands for, innermost first.
    places: HashMap<Of<PlaceId>, Vec<Frame>>,
    /// Texts of scripts.
    sources: HashMap<Of<u32>, Arc<[u16]>>,
    /// The root directory as the process sees it.
    root: PathBuf,
}

/// A function with its script.
#[derive(Debug)]
struct Known {
    function: Function,
    script: Option<Arc<Mapped>>,
}

/// A script, and where its lines come from.
#[derive(Debug)]
struct Mapped {
    script: Script,
    map: Option<SourceMap>,
}

impl<M: Memory> Resolver<M> {
    /// For the process with `memory`, which runs the binary of `plan` and sees `root` as its root directory.
    pub fn new(memory: M, plan: &StackPlan, root: PathBuf) -> Self {
        let heap = Heap::new(memory, plan.objects.clone());
        let bytecode_sizes = plan.bytecode_sizes.clone();
        Self {
            heap,
            bytecode_sizes,
            functions: HashMap::new(),
            scripts: HashMap::new(),
            places: HashMap::new(),
            sources: HashMap::new(),
            root,
        }
    }

    /// For functions alone, not for stacks: of a process with `memory` whose objects are laid out like `objects`.
    pub fn of_functions(memory: M, objects: Objects, root: PathBuf) -> Self {
        Self {
            heap: Heap::new(memory, objects),
            bytecode_sizes: Vec::new(),
            functions: HashMap::new(),
            scripts: HashMap::new(),
            places: HashMap::new(),
            sources: HashMap::new(),
            root,
        }
    }

    /// The function whose `SharedFunctionInfo` the tagged word `shared` of isolate `isolate` refers to, at the line where
    /// it begins.
    pub fn function_at(&mut self, isolate: u64, shared: u64) -> Option<Frame> {
        let shared = Object::from_word(shared)?;
        let id = function::identify(&self.heap, shared).ok()?;
        self.function(isolate, shared, id).map(|known| known.frame(None))
    }

    /// The text of the function whose `SharedFunctionInfo` the tagged word `shared` of isolate `isolate` refers to: of its
    /// parameters and body.
    pub fn source_at(&mut self, isolate: u64, shared: u64) -> Option<String> {
        let shared = Object::from_word(shared)?;
        let id = function::identify(&self.heap, shared).ok()?;
        let known = self.function(isolate, shared, id)?;
        let (span, script) = (known.function.span?, known.function.script?);
        let units = self.units(isolate, id.script, script)?;
        let at = |place: u32| usize::try_from(place).ok();
        units.get(at(span.start)?..at(span.end)?).map(String::from_utf16_lossy)
    }

    /// The text of a script, from what is kept or from memory.
    fn units(&mut self, isolate: u64, id: u32, script: Object) -> Option<Arc<[u16]>> {
        if let Some(known) = self.sources.get(&(isolate, id)) {
            return Some(Arc::clone(known));
        }
        let source = self.heap.object(script, Item::ScriptSource).ok()?;
        let units: Arc<[u16]> = string::read(&self.heap, source, MAX_SOURCE).ok()?.units.into();
        make_room(&mut self.sources, MAX_SOURCES);
        self.sources.insert((isolate, id), Arc::clone(&units));
        Some(units)
    }

    /// The first `limit` characters of the string that the tagged word `string` refers to, and whether there are more. It is
    /// as the process has it: not fit to be shown.
    pub fn text(&self, string: u64, limit: usize) -> Option<(String, bool)> {
        let text = string::read(&self.heap, Object::from_word(string)?, limit).ok()?;
        Some((text.to_utf8(), text.is_cut))
    }

    /// The stack with names and lines, innermost function first.
    pub fn stack(&mut self, event: &StackEvent) -> Stack {
        let depth = usize::try_from(event.depth).unwrap_or(usize::MAX).min(event.frames.len());
        let thread = event.key.thread;
        let functions = event.frames[..depth].iter().filter(|frame| frame.kind != frame_kind::TYPED);
        let mut frames = Vec::new();
        for (at, frame) in functions.enumerate() {
            let parts = if at == 0 && event.start == stack_start::DIRECT {
                self.caller(thread, frame)
            } else {
                self.frame(thread, frame)
            };
            frames.extend(parts);
        }
        let end = match event.end {
            stack_end::COMPLETE => StackEnd::Complete,
            stack_end::OUTSIDE => StackEnd::Outside,
            stack_end::TRUNCATED => StackEnd::Truncated,
            _ => StackEnd::Broken,
        };
        Stack { frames, end }
    }

    /// How many functions are known.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Forgets what belongs to a thread whose isolate is gone: the next one's numbers begin anew.
    pub fn forget(&mut self, thread: u64) {
        self.functions.retain(|(of, _), _| *of != thread);
        self.scripts.retain(|(of, _), _| *of != thread);
        self.places.retain(|(of, _), _| *of != thread);
    }

    /// The functions that a frame stands for, innermost first: from what is kept or from memory.
    fn frame(&mut self, thread: u64, frame: &JsFrame) -> Vec<Frame> {
        let place = (thread, PlaceId::from(frame));
        if let Some(known) = self.places.get(&place) {
            return known.clone();
        }
        let frames = self.read_frame(thread, frame);
        if frames.iter().all(Frame::is_sure) {
            make_room(&mut self.places, MAX_PLACES);
            self.places.insert(place, frames.clone());
        }
        frames
    }

    /// The same of the innermost function of a stack without an exit frame. If a stub of V8's without a frame of its own has
    /// called C, the frame is that of whoever entered the stub, the position is in the stub, and which of the functions that
    /// the frame stands for that was is not known. The interpreter stands for one; it does not note where in it it is before
    /// it enters a write barrier.
    fn caller(&mut self, thread: u64, frame: &JsFrame) -> Vec<Frame> {
        if frame.kind == frame_kind::INTERPRETED {
            return self.read_frame(thread, &JsFrame { code: 0, ..*frame });
        }
        let frames = self.frame(thread, frame);
        if frames.iter().all(Frame::is_sure) { frames } else { vec![Frame::unknown()] }
    }

    fn read_frame(&mut self, thread: u64, frame: &JsFrame) -> Vec<Frame> {
        let id = FunctionId { script: frame.script, literal: frame.literal };
        let whole = Object::from_word(frame.shared);
        let Some(known) = whole.and_then(|shared| self.function(thread, shared, id)) else {
            return vec![Frame::unknown()];
        };
        if known.script.is_none() {
            return vec![known.frame(None)];
        }
        // Its code was moved meanwhile: what was inlined into it is not known either.
        let Ok(parts) = self.parts(frame) else { return vec![known.frame(None)] };
        parts.into_iter().map(|part| self.part(thread, &known, part)).collect()
    }

    fn parts(&self, frame: &JsFrame) -> Result<Vec<code::Part>, ReadError> {
        let code = Object::from_word(frame.code).ok_or(ReadError::Implausible("a frame's code"))?;
        if frame.kind == frame_kind::INTERPRETED {
            let place =
                u32::try_from(frame.position).map_err(|_| ReadError::Implausible("a bytecode offset"))?;
            return code::interpreted(&self.heap, code, place).map(|part| vec![part]);
        }
        let shared = Object::from_word(frame.shared).ok_or(ReadError::Implausible("a frame's function"))?;
        code::compiled(&self.heap, (shared, code), frame.position, &self.bytecode_sizes)
    }

    fn part(&mut self, thread: u64, whole: &Known, part: code::Part) -> Frame {
        let Some(shared) = part.inlined else { return whole.frame(part.offset) };
        let id = function::identify(&self.heap, shared).ok();
        let inlined = id.and_then(|id| self.function(thread, shared, id));
        inlined.map_or_else(Frame::unknown, |inlined| inlined.frame(part.offset))
    }

    /// The function, from what is kept or from memory. A builtin has no number of its own and is read each time.
    fn function(&mut self, thread: u64, shared: Object, id: FunctionId) -> Option<Arc<Known>> {
        let key = (thread, id);
        if let Some(known) = self.functions.get(&key).filter(|_| id.literal >= 0) {
            return Some(Arc::clone(known));
        }
        let function = function::read(&self.heap, shared, id).ok()?;
        let script = match function.script {
            // It was moved meanwhile: without its script a function of the user's would pass for a builtin.
            Some(script) => Some(self.script(thread, script, id.script)?),
            None => None,
        };
        let known = Arc::new(Known { function, script });
        if id.literal >= 0 {
            make_room(&mut self.functions, MAX_FUNCTIONS);
            self.functions.insert(key, Arc::clone(&known));
        }
        Some(known)
    }

    fn script(&mut self, thread: u64, script: Object, id: u32) -> Option<Arc<Mapped>> {
        if let Some(known) = self.scripts.get(&(thread, id)) {
            return Some(Arc::clone(known));
        }
        let script = Script::read(&self.heap, script).ok()?;
        let named = script.name.as_deref().zip(script.source_map.as_deref());
        let map = named.and_then(|(name, url)| SourceMap::load(name, url, &self.root));
        let script = Arc::new(Mapped { script, map });
        make_room(&mut self.scripts, MAX_SCRIPTS);
        self.scripts.insert((thread, id), Arc::clone(&script));
        Some(script)
    }
}

impl Known {
    /// Where it is at the character `offset`; where it begins if that is not known.
    fn frame(&self, offset: Option<u32>) -> Frame {
        let unplaced =
            Frame { function: self.function.name.clone(), kind: FrameKind::Builtin, ..Frame::unknown() };
        let Some(Mapped { script, map }) = self.script.as_deref() else { return unplaced };
        let place =
            offset.or(self.function.span.map(|span| span.start)).and_then(|offset| script.line(offset));
        let original = map.as_ref().zip(place).and_then(|(map, (line, column))| map.original(line, column));
        let (file, place) = match original {
            Some(at) => (at.file, Some((at.line, at.column))),
            None => (script.name.clone().unwrap_or_else(|| "(eval)".to_owned()), place),
        };
        Frame {
            file: Some(file),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            kind: FrameKind::JavaScript,
            is_doubtful: offset.is_none() || map.as_ref().is_some_and(SourceMap::is_pending),
            ..unplaced
        }
    }
}

fn make_room<K, V>(map: &mut HashMap<K, V>, limit: usize) {
    if map.len() >= limit {
        map.clear();
    }
}

#[cfg(test)]
mod tests;
