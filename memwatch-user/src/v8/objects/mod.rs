//! How a V8 lays out the objects that names and lines of functions are read from: its own metadata where it has any, a
//! small table where it has none. Pure: what a file or process holds is handed in.

pub(crate) mod code;
pub(crate) mod direct;
mod items;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use items::{EXPECTED, SOURCES, Source, Value};
pub(crate) use items::{Item, Version};

/// How the names of V8's metadata begin.
pub(crate) const METADATA: &str = "v8dbg_";

/// The oldest version whose stacks were checked: that of Node 16.11 on. Before 9.1 a `ScopeInfo` is an array, without the
/// length that says where its fields are.
const OLDEST: Version = (9, 4);

/// How source position tables are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Distances in code are signed; negative means that no statement begins there.
    Signed,
    /// Distances in code are shifted by two; the lower bits say what begins there (V8 14 on).
    Shifted,
}

/// The layout of one build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// V8's version.
    pub version: Version,
    items: BTreeMap<Item, i32>,
    /// How source position tables are written.
    pub positions: Positions,
    /// Whether functions point at their code through the table of code (13 on).
    pub has_code_table: bool,
    /// Whether a `Code` holds its instructions instead of their address (9 and 10).
    pub code_is_inline: bool,
    /// Whether a `ScopeInfo` has the function's place in the source before the names of its variables (12.8 on).
    pub scope_begins_with_place: bool,
}

/// Why a build's objects are not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownObjects {
    /// An old one, or none at all.
    #[error("the layout of V8's objects is not known for V8 {0}, only from 9.4 (Node 16) on")]
    Version(String),
    /// It is laid out in a way that the walk does not expect: pointer compression, for example.
    #[error("V8's metadata says {name} = {found}, not {expected}: stacks of such builds are not read")]
    Unexpected {
        /// Which.
        name: &'static str,
        /// The value.
        found: i32,
        /// The value that is taken for granted.
        expected: i32,
    },
    /// Neither metadata nor a rule.
    #[error("V8's metadata lacks {0:?}, and there is no rule for this version")]
    Missing(Item),
}

impl Objects {
    /// The layout by `metadata` (names without `v8dbg_`) of the V8 that calls itself `version`.
    pub fn new(version: &str, metadata: &BTreeMap<String, i32>) -> Result<Self, UnknownObjects> {
        let unknown = || UnknownObjects::Version(version.to_owned());
        let number = parse(version).filter(|number| *number >= OLDEST).ok_or_else(unknown)?;
        for &(name, expected) in EXPECTED {
            match metadata.get(name) {
                Some(&found) if found != expected => {
                    return Err(UnknownObjects::Unexpected { name, found, expected });
                }
                _ => {}
            }
        }
        let mut items = BTreeMap::new();
        for source in SOURCES {
            let value =
                value(source, number, metadata, &items).ok_or(UnknownObjects::Missing(source.item))?;
            items.insert(source.item, value);
        }
        Ok(Self {
            version: number,
            items,
            positions: if number >= (14, 0) { Positions::Shifted } else { Positions::Signed },
            has_code_table: number >= (13, 0),
            code_is_inline: number < (11, 0),
            scope_begins_with_place: number >= (12, 8),
        })
    }

    /// A piece as a number.
    #[must_use]
    pub fn number(&self, item: Item) -> i32 {
        // Every item has a source (tested), and a layout without one is an error.
        self.items.get(&item).copied().unwrap_or_default()
    }

    /// A piece that is an offset.
    #[must_use]
    pub fn offset(&self, item: Item) -> u32 {
        self.number(item).unsigned_abs()
    }

    /// Whether TurboFan's tables of positions have entries for slow paths (12 on; Maglev's have none).
    #[must_use]
    pub fn turbofan_places_slow_paths(&self) -> bool {
        self.version >= (12, 0)
    }

    /// Whether baseline code refers to its bytecode itself, in the place of deoptimization data (10 on).
    #[must_use]
    pub fn baseline_has_bytecode(&self) -> bool {
        self.version >= (10, 0)
    }

    /// Whether `name` (without `v8dbg_`) is of use.
    #[must_use]
    pub fn wants(name: &str) -> bool {
        SOURCES.iter().any(|source| source.names.contains(&name))
            || EXPECTED.iter().any(|(known, _)| *known == name)
    }
}

fn value(
    source: &Source,
    version: Version,
    metadata: &BTreeMap<String, i32>,
    known: &BTreeMap<Item, i32>,
) -> Option<i32> {
    let named = source.names.iter().find_map(|name| metadata.get(*name).copied());
    named.or_else(|| {
        let rule = source.rules.iter().find(|rule| rule.since <= version && version < rule.before)?;
        match rule.value {
            Value::Fixed(value) => Some(value),
            Value::From(item, distance) => known.get(&item).map(|value| value + distance),
        }
    })
}

/// `(11, 3)` of `11.3.244.8-node.38`.
pub(super) fn parse(version: &str) -> Option<Version> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
pub(crate) mod tests;
