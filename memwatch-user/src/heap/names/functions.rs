//! Functions with their files and lines, and strings as names: what [`crate::symbols::js`] reads, of this heap.

use std::io;

use super::{
    Function,
    uses::{self, Use},
    view::{Object, View},
};
use crate::{
    heap::memory::Memory,
    model::Frame,
    symbols::js::{self, Resolver},
    target::text::printable,
    v8::{
        heap_layout::{Kind, named},
        objects::{Item, Objects},
    },
};

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 80;

/// The memory of a heap as [`js`] reads it.
pub(super) struct Readable<M>(pub(super) M);

impl<M: Memory> js::Memory for Readable<M> {
    fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
        if self.0.read(address, to) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Names that are written in the heap.
pub(super) struct Functions<M> {
    resolver: Resolver<Readable<M>>,
    /// Word of a closure with its `SharedFunctionInfo`.
    shared: u32,
    /// Whose functions are asked for: numbers of scripts are an isolate's own.
    isolate: u64,
}

impl<M: Memory> Functions<M> {
    pub(super) fn new(memory: M, objects: Objects, root: std::path::PathBuf) -> Self {
        let shared = objects.offset(Item::FunctionShared) / 8;
        Self { resolver: Resolver::of_functions(Readable(memory), objects, root), shared, isolate: 0 }
    }

    /// What is asked from now on is of this isolate.
    pub(super) fn enter(&mut self, isolate: u64) {
        self.isolate = isolate;
    }

    /// The address of what the closure shares with others of the same function.
    pub(super) fn shared(&self, view: &View<M>, closure: Object) -> Option<Object> {
        view.object(closure, self.shared)
    }

    /// The function of a closure.
    pub(super) fn function(&mut self, view: &View<M>, closure: Object) -> Option<Function> {
        let shared = self.shared(view, closure)?;
        self.resolver.function_at(self.isolate, shared.tagged()).map(|frame| shown(&frame))
    }

    /// How closely the text of a closure's function deals with the variable `name`.
    pub(super) fn use_of(&mut self, view: &View<M>, closure: Object, name: &str) -> Use {
        let shared = self.shared(view, closure);
        let text = shared.and_then(|shared| self.resolver.source_at(self.isolate, shared.tagged()));
        text.map_or(Use::None, |text| uses::of(&text, name))
    }

    /// The name of a constructor, if it tells more than that something is an object.
    pub(super) fn class_name(&mut self, view: &View<M>, constructor: Object) -> Option<String> {
        let shared =
            if view.is(constructor, Kind::JsFunction) { self.shared(view, constructor) } else { None }?;
        let frame = self.resolver.function_at(self.isolate, shared.tagged())?;
        frame.function.map(|name| cut(&name)).filter(|name| !name.is_empty() && name != "Object")
    }

    /// A property's name: a string, or a symbol's in brackets. Private names begin with `#`, as they are written.
    pub(super) fn key(&self, view: &View<M>, key: Object) -> Option<String> {
        if view.is_string(key) {
            return self.text(key);
        }
        let name = if view.is(key, Kind::Symbol) { view.object(key, named::SYMBOL_NAME) } else { None }?;
        let name = self.text(name).unwrap_or_default();
        Some(if name.starts_with('#') { name } else { format!("[{name}]") })
    }

    /// A string that is a name, fit to be shown.
    pub(super) fn text(&self, string: Object) -> Option<String> {
        let (text, is_cut) = self.resolver.text(string.tagged(), LONGEST_NAME)?;
        let text = cut(&printable(text.as_bytes()));
        Some(if is_cut && !text.ends_with('…') { format!("{text}…") } else { text })
    }

    /// Whether a key is exactly this string.
    pub(super) fn is_text(&self, view: &View<M>, key: Object, text: &str) -> bool {
        let is_string = view.is_string(key);
        is_string && self.resolver.text(key.tagged(), text.len() + 1).is_some_and(|(found, _)| found == text)
    }

    /// The characters of a string, up to `limit`: contents, which are compared and never shown.
    pub(super) fn contents(&self, string: Object, limit: usize) -> Option<String> {
        self.resolver.text(string.tagged(), limit).map(|(text, _)| text)
    }
}

fn shown(frame: &Frame) -> Function {
    Function {
        name: frame.function.as_deref().map(cut),
        file: frame.file.as_deref().map(|file| printable(file.as_bytes())),
        line: frame.line,
        is_users: frame.is_users(),
    }
}

/// At most [`LONGEST_NAME`] characters of `text`.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_NAME) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
