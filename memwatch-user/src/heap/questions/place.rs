//! Where an object is, in words that lead to a line of code: the variable, property or listener that it is under.

use std::fmt;

use crate::heap::{
    graph::{NodeId, RootKind},
    names::{EdgeName, Function, Names, Role, root_name, short},
};

/// Steps from an object to what it is known by: longer ways are cut.
const MAX_STEPS: usize = 24;
/// Contexts within contexts between a variable and a closure that sees it.
const MAX_SCOPES: usize = 64;
/// Links of Node's lists of timers (lib/internal/linkedlist.js): one list is reached from both of its ends, now nearer from the one
/// and now from the other, and is the same place.
const LINKS: [&str; 2] = ["_idleNext", "_idlePrev"];
/// Where emitters of events have their listeners (lib/events.js).
const LISTENERS: &str = "._events";

/// The class of what holds variables.
const SCOPE: &str = "(context)";

/// What a place is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anchor {
    /// A variable that a closure sees.
    Variable,
    /// A property of a function or class.
    Function,
    /// A global variable.
    Global,
    /// A local variable of a function that is suspended.
    Suspended,
    /// Nothing but a root.
    Root(RootKind),
    /// The way there is longer than anyone wants to read.
    Far,
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its class.
    pub class: String,
    /// `sessions`, `bus._events.tick`: variable and properties, outermost first.
    pub label: String,
    /// What that begins with.
    pub anchor: Anchor,
    /// The function that sees, has or is the anchor.
    pub function: Option<Function>,
    /// Whether the way leads through code or a map of V8's: what it leads to is V8's knowledge of an object, not in it.
    pub is_code: bool,
}

/// The code that a place is known by: what of it tools use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The function; `None` if none leads there, or if it has no name.
    pub function: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Where it begins.
    pub line: Option<u32>,
}

/// The end of a way outwards.
struct End {
    anchor: Anchor,
    function: Option<Function>,
    /// The outermost part of the label.
    name: String,
}

/// Where `node` is.
pub fn place(names: &mut impl Names, node: NodeId) -> Place {
    let class = class(names, node);
    let (mut parts, mut at, mut is_code) = (Vec::new(), node, false);
    for _ in 0..MAX_STEPS {
        let Some(step) = names.step(at) else { break };
        if let Some(End { anchor, function, name }) = end(names, at, step.holder, &step.edge) {
            // What has no name of its own is told by its class, unless it is what was asked about.
            parts.push(if name.is_empty() && at != node { self::class(names, at) } else { name });
            return Place { class, label: joined(&parts), anchor, function, is_code };
        }
        is_code |= matches!(step.edge, EdgeName::Internal("shape" | "code or prototype"));
        parts.extend(part(&step.edge));
        at = step.holder;
    }
    parts.push("…".to_owned());
    Place { class, label: joined(&parts), anchor: Anchor::Far, function: None, is_code }
}

fn class(names: &mut impl Names, node: NodeId) -> String {
    let id = names.class_of(node);
    names.class(id).full_name()
}

/// What the step from `at` to `holder` ends with, if it leads to something known by name.
fn end(names: &mut impl Names, at: NodeId, holder: NodeId, edge: &EdgeName) -> Option<End> {
    let ends = |anchor, function, name: String| Some(End { anchor, function, name });
    match edge {
        EdgeName::Variable(name) => ends(Anchor::Variable, user(names, holder, name), name.clone()),
        EdgeName::Global(name) => ends(Anchor::Global, None, name.clone()),
        EdgeName::Local(_) => ends(Anchor::Suspended, names.function(holder), "local".to_owned()),
        EdgeName::Root(kind) => ends(Anchor::Root(*kind), names.function(at), String::new()),
        EdgeName::Property(name) if names.role(holder) == Role::Closure => {
            let function = names.function(holder)?;
            let owner = function.name.clone().unwrap_or_else(|| "(anonymous)".to_owned());
            ends(Anchor::Function, Some(function), format!("{owner}.{name}"))
        }
        EdgeName::Internal("context") if names.role(holder) == Role::Closure => {
            ends(Anchor::Variable, names.function(holder), String::new())
        }
        _ => None,
    }
}

/// The function that a variable of the context `node` is told by: the one that fills it, else the one through which it is
/// reached.
pub(super) fn user(names: &mut impl Names, node: NodeId, name: &str) -> Option<Function> {
    names.user(node, name).or_else(|| scope(names, node))
}

/// The function of the closure through which the context `node` is reached.
pub(super) fn scope(names: &mut impl Names, node: NodeId) -> Option<Function> {
    let mut context = node;
    for _ in 0..MAX_SCOPES {
        let step = names.step(context)?;
        match names.role(step.holder) {
            Role::Closure | Role::Suspended => return names.function(step.holder),
            Role::Context => context = step.holder,
            _ => return None,
        }
    }
    None
}

/// What a step adds to a label.
fn part(edge: &EdgeName) -> Option<String> {
    Some(match edge {
        EdgeName::Property(name) if LINKS.contains(&name.as_str()) => return None,
        EdgeName::Property(name) if name.starts_with('[') => name.clone(),
        EdgeName::Property(name) => format!(".{name}"),
        EdgeName::Entry(Some(key)) => format!("[{key:?}]"),
        EdgeName::Entry(None) => "[key]".to_owned(),
        EdgeName::Element(_) => "[n]".to_owned(),
        EdgeName::MapValue(Some(key)) => format!(".get({key:?})"),
        EdgeName::MapValue(None) | EdgeName::WeakValue => ".get(…)".to_owned(),
        EdgeName::MapKey => ".keys()".to_owned(),
        EdgeName::SetElement => ".values()".to_owned(),
        EdgeName::Internal(name) if name.starts_with("bound") => format!(".<{name}>"),
        EdgeName::Internal(name @ ("shape" | "code or prototype")) => format!(".<{name}>"),
        _ => return None,
    })
}

/// The parts, innermost first, as one label; what repeats (links of a list) is there once.
fn joined(parts: &[String]) -> String {
    let mut outermost_first: Vec<&str> = parts.iter().rev().map(String::as_str).collect();
    outermost_first.dedup();
    outermost_first.concat()
}

impl Place {
    /// Handles of one kind to objects of `class`.
    pub(super) fn of_handles(kind: RootKind, class: &str) -> Self {
        let (anchor, label) = (Anchor::Root(kind), String::new());
        Self { class: format!("handles to {class}"), label, anchor, function: None, is_code: false }
    }

    /// Whether it is Node's or V8's own, as far as the way to it says.
    #[must_use]
    pub fn is_own(&self) -> bool {
        match &self.function {
            _ if self.is_code => true,
            Some(function) => !function.is_users,
            None => matches!(self.anchor, Anchor::Root(RootKind::Isolate | RootKind::Eternal) | Anchor::Far),
        }
    }

    /// The function that sees, has or is the anchor.
    #[must_use]
    pub fn code(&self) -> Code {
        let of = |Function { name, file, line, .. }: &Function| Code {
            function: name.clone(),
            file: file.clone(),
            line: *line,
        };
        self.function.as_ref().map(of).unwrap_or_default()
    }

    /// Emitter and event, if it is where listeners are.
    fn listeners(&self) -> Option<(&str, &str)> {
        let (emitter, event) = self.label.split_once(LISTENERS)?;
        Some((emitter, event.strip_prefix('.')?))
    }

    /// `closure of rememberSession, server.js:12`; empty if there is nothing to say.
    #[must_use]
    pub fn origin(&self) -> String {
        let is_named = self.function.as_ref().is_some_and(|function| function.name.is_some());
        let function = self.function.as_ref().map(described);
        match (self.anchor, function) {
            (Anchor::Variable, Some(function)) if is_named => format!("closure of {function}"),
            (Anchor::Variable, Some(place)) => format!("closure at {place}"),
            (Anchor::Suspended, Some(function)) => format!("suspended {function}"),
            (Anchor::Function, Some(function)) => function,
            (Anchor::Global, _) => "global".to_owned(),
            (Anchor::Root(kind), _) => root_name(kind).to_owned(),
            _ => String::new(),
        }
    }
}

/// `rememberSession, server.js:12`.
pub(super) fn described(function: &Function) -> String {
    let place = function.file.as_deref().map(short).map(|file| match function.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    });
    match (function.name.as_deref(), place) {
        (Some(name), Some(place)) => format!("{name}, {place}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(place)) => place,
        (None, None) => "(anonymous)".to_owned(),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.listeners() {
            Some((emitter, event)) => write!(f, "listeners of `{event}` of `{emitter}`")?,
            None if self.label.is_empty() && self.class == SCOPE => f.write_str("the variables")?,
            None if self.label.is_empty() => f.write_str(&self.class)?,
            None => write!(f, "{} `{}`", self.class, self.label)?,
        }
        let origin = self.origin();
        if origin.is_empty() { Ok(()) } else { write!(f, " ({origin})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_timers_is_one_place_from_either_end() {
        let label = |steps: &[&str]| {
            let parts = steps.iter().filter_map(|name| part(&EdgeName::Property((*name).to_owned())));
            joined(&parts.collect::<Vec<_>>())
        };
        assert_eq!(label(&["_idleNext", "_idleNext", "list"]), ".list");
        assert_eq!(label(&["_idlePrev", "list"]), ".list");
    }
}
