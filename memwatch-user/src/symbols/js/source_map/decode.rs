//! A source map's bytes as a table of places.
//!
//! Anybody's file is read here, so nothing is kept but what a look-up needs, and less of that than a file of a permitted size
//! could hold: read whole, a map of 60 MB took 1 GB of memory. Index maps (`sections`) are one table as well.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, Error as _, SeqAccess, Visitor},
};
use sourcemap::vlq::parse_vlq_segment;

/// Places in one map: a bundle of 5 MB has some 600 000.
pub(super) const MAX_PLACES: usize = 2_000_000;
/// Sources of one map, or of one section of it.
const MAX_SOURCES: usize = 65_536;
/// Sections of an index map.
const MAX_SECTIONS: usize = 4_096;
/// The line of junk that keeps a map from being run as a script.
const JUNK: &[u8] = b")]}";
/// No source.
const NOWHERE: u32 = u32::MAX;

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("it is not a source map: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its mappings are damaged")]
    Mappings,
    #[error("it has more than {MAX_PLACES} mappings")]
    TooMany,
}

/// What a map says, in the order of the generated places.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Place>,
    sources: Vec<String>,
}

/// A place in the generated file (lines and columns from 0), and where it comes from.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: u32,
    column: u32,
    source: u32,
    source_line: u32,
    source_column: u32,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "sourceRoot")]
    root: Option<String>,
    #[serde(default)]
    sources: AtMost<Option<String>, MAX_SOURCES>,
    mappings: Option<String>,
    #[serde(default)]
    sections: AtMost<Section, MAX_SECTIONS>,
}

#[derive(Deserialize)]
struct Section {
    offset: Offset,
    map: Option<Part>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Offset {
    line: u32,
    column: u32,
}

/// The map of a section, which has no sections itself.
#[derive(Deserialize)]
struct Part {
    #[serde(rename = "sourceRoot")]
    root: Option<String>,
    #[serde(default)]
    sources: AtMost<Option<String>, MAX_SOURCES>,
    mappings: Option<String>,
}

impl Table {
    /// Reads a map.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Raw { root, sources, mappings, sections } = serde_json::from_slice(without_junk(bytes))?;
        let mut table = Self::default();
        table.add(Offset::default(), Part { root, sources, mappings })?;
        for section in sections.0 {
            section.map.map_or(Ok(()), |part| table.add(section.offset, part))?;
        }
        table.places.sort_by_key(|place| (place.line, place.column));
        table.places.shrink_to_fit();
        Ok(table)
    }

    /// How many places it keeps.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The source of the place at or before `line` and `column` (from 0) on the same line, with line and column there.
    pub(super) fn look_up(&self, line: u32, column: u32) -> Option<(&str, u32, u32)> {
        let after = self.places.partition_point(|place| (place.line, place.column) <= (line, column));
        let place = self.places.get(after.checked_sub(1)?).filter(|place| place.line == line)?;
        let source = self.sources.get(usize::try_from(place.source).ok()?)?;
        Some((source, place.source_line, place.source_column))
    }

    fn add(&mut self, offset: Offset, part: Part) -> Result<(), DecodeError> {
        let Part { root, sources, mappings } = part;
        let first = u32::try_from(self.sources.len()).map_err(|_| DecodeError::TooMany)?;
        let root = root.as_deref().map(|root| root.trim_end_matches('/')).filter(|root| !root.is_empty());
        self.sources.extend(sources.0.into_iter().map(|name| below(root, name.unwrap_or_default())));
        self.mappings(offset, first, &mappings.unwrap_or_default())
    }

    /// `mappings`: groups of numbers, one a place, `,` between those of a line and `;` between lines. All but the generated
    /// column are counted from the place before.
    fn mappings(&mut self, offset: Offset, first: u32, mappings: &str) -> Result<(), DecodeError> {
        let [mut source, mut source_line, mut source_column] = [0_i64; 3];
        for (line, text) in (u64::from(offset.line)..).zip(mappings.split(';')) {
            let mut column = if line == u64::from(offset.line) { i64::from(offset.column) } else { 0 };
            for group in text.split(',').filter(|group| !group.is_empty()) {
                let numbers = parse_vlq_segment(group).map_err(|_| DecodeError::Mappings)?;
                column += numbers.first().ok_or(DecodeError::Mappings)?;
                let from = if let [_, file, line, place, ..] = numbers[..] {
                    (source, source_line, source_column) =
                        (source + file, source_line + line, source_column + place);
                    u32::try_from(source).ok().and_then(|source| source.checked_add(first))
                } else {
                    Some(NOWHERE)
                };
                let number = |number: i64| u32::try_from(number).map_err(|_| DecodeError::Mappings);
                self.push(Place {
                    line: u32::try_from(line).map_err(|_| DecodeError::Mappings)?,
                    column: number(column)?,
                    source: from.ok_or(DecodeError::Mappings)?,
                    source_line: number(source_line)?,
                    source_column: number(source_column)?,
                })?;
            }
        }
        Ok(())
    }

    fn push(&mut self, place: Place) -> Result<(), DecodeError> {
        if self.places.len() == MAX_PLACES {
            return Err(DecodeError::TooMany);
        }
        self.places.push(place);
        Ok(())
    }
}

fn without_junk(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(JUNK) {
        return bytes;
    }
    bytes.iter().position(|byte| *byte == b'\n').map_or(bytes, |end| &bytes[end..])
}

fn below(root: Option<&str>, name: String) -> String {
    match root {
        Some(root) if !name.starts_with('/') && !name.contains("://") => format!("{root}/{name}"),
        _ => name,
    }
}

/// A list that may have so many entries: to read more is an error, before they are kept.
struct AtMost<T, const MOST: usize>(Vec<T>);

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counted::<T, MOST>(PhantomData))
    }
}

struct Counted<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Counted<T, MOST> {
    type Value = AtMost<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if kept.len() == MOST {
                return Err(A::Error::custom(format!("a list has more than {MOST} entries")));
            }
            kept.push(entry);
        }
        Ok(AtMost(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_at_or_before_a_column() {
        // Line 2: column 4 is line 10, column 5 of the source; column 8 is generated; column 12 is line 11 of it.
        let text =
            r#"{"version":3,"sources":["a.ts"],"sourceRoot":"/srv/","names":[],"mappings":";IASI,I,IACA"}"#;
        let table = Table::decode(text.as_bytes()).unwrap();
        for (line, column, expected) in [
            (1, 4, Some(("/srv/a.ts", 9, 4))),
            (1, 7, Some(("/srv/a.ts", 9, 4))),
            (1, 8, None),
            (1, 40, Some(("/srv/a.ts", 10, 4))),
            (1, 3, None),
            (0, 9, None),
            (2, 0, None),
        ] {
            assert_eq!(table.look_up(line, column), expected, "{line}:{column}");
        }
    }

    #[test]
    fn sections_are_moved_to_where_they_begin() {
        let part =
            |name: &str| format!(r#"{{"version":3,"sources":["{name}"],"names":[],"mappings":"AAAA;AACA"}}"#);
        let text = format!(
            r#")]}}'
{{"version":3,"sections":[{{"offset":{{"line":0,"column":0}},"map":{}}},{{"offset":{{"line":1,"column":9}},"map":{}}}]}}"#,
            part("a"),
            part("b")
        );
        let table = Table::decode(text.as_bytes()).unwrap();
        assert_eq!(table.look_up(0, 0), Some(("a", 0, 0)));
        assert_eq!(table.look_up(1, 9), Some(("b", 0, 0)));
        assert_eq!(table.look_up(2, 0), Some(("b", 1, 0)));
    }

    #[test]
    fn what_would_take_much_memory_is_refused() {
        let map = |sources: &str, mappings: &str| {
            format!(r#"{{"version":3,"sources":[{sources}],"names":[],"mappings":"{mappings}"}}"#)
        };
        let many = map(r#""a""#, &"AAAA,".repeat(MAX_PLACES + 1));
        assert!(matches!(Table::decode(many.as_bytes()), Err(DecodeError::TooMany)));
        let many = map(&format!("{}null", "null,".repeat(MAX_SOURCES)), "");
        assert!(matches!(Table::decode(many.as_bytes()), Err(DecodeError::Json(_))));
        for broken in ["", "{", "[]", r#"{"mappings":"AAAA!"}"#, r#"{"mappings":"D"}"#] {
            assert!(Table::decode(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
