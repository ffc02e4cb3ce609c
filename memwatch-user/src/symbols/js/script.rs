//! Scripts: where they are from, and which character is in which line.

use super::{
    memory::{Heap, Memory, Object, ReadError, small_integer},
    string,
};
use crate::{target::text::printable, v8::objects::Item};

/// The longest name that is kept.
const MAX_NAME: usize = 1024;
/// The longest source that is read for its line ends: 32 MB of two-byte characters.
const MAX_SOURCE: usize = 16 << 20;

/// A script, as long as it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Path, URL or what else it is called; fit to be shown. `None` for code without a name (`eval`, `new Function`).
    pub(super) name: Option<String>,
    /// Offset of the first character of each line but the first.
    lines: Vec<u32>,
    /// Line of its first line in the file that it is a part of.
    first_line: u32,
    /// Whether `lines` is complete.
    has_lines: bool,
    /// What its last `//# sourceMappingURL=` says.
    pub(super) source_map: Option<String>,
}

impl Script {
    /// One of which nothing but the name is known.
    #[cfg(test)]
    pub(super) fn named(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::default() }
    }

    /// Reads it.
    pub(super) fn read<M: Memory>(heap: &Heap<M>, script: Object) -> Result<Self, ReadError> {
        let script = heap.typed(script, Item::ScriptType, "a script")?;
        let first_line = small_integer(heap.field(script, Item::ScriptLineOffset)?);
        // One that is external and gone, or too large, has lines that nobody knows.
        let source =
            heap.object(script, Item::ScriptSource).and_then(|source| string::read(heap, source, MAX_SOURCE));
        let units = source.ok().filter(|text| !text.is_cut).map(|text| text.units);
        let (lines, source_map) =
            units.as_ref().map_or((Vec::new(), None), |units| (line_starts(units), source_map_url(units)));
        Ok(Self {
            name: name(heap, script)?,
            lines,
            first_line: first_line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
            has_lines: units.is_some(),
            source_map,
        })
    }

    /// Line and column of a character, both from 1.
    #[must_use]
    pub(super) fn line(&self, offset: u32) -> Option<(u32, u32)> {
        if !self.has_lines {
            return None;
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).map_or(0, |before| self.lines[before]);
        Some((u32::try_from(line).ok()?.checked_add(self.first_line)? + 1, offset - start + 1))
    }
}

fn name<M: Memory>(heap: &Heap<M>, script: Object) -> Result<Option<String>, ReadError> {
    let name = heap.object(script, Item::ScriptName)?;
    if !string::is_string(heap, name)? {
        return Ok(None);
    }
    let name = string::read(heap, name, MAX_NAME)?.to_utf8();
    Ok(if name.is_empty() { None } else { Some(printable(path(&name).as_bytes())) })
}

/// An ES module is called by its URL, the file of a CommonJS module by its path: the same for both.
fn path(name: &str) -> String {
    let Some(path) = name.strip_prefix("file://") else { return name.to_owned() };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let escape =
            tail.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let (byte, tail) = match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => (escaped, &tail[2..]),
            None => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As V8 tells lines (`String::CalculateLineEnds`): LF, CR, CR LF, and Unicode's two separators.
fn line_starts(units: &[u16]) -> Vec<u32> {
    let ends = |at: &usize| match units[*at] {
        0x0a | 0x2028 | 0x2029 => true,
        0x0d => units.get(at + 1) != Some(&0x0a),
        _ => false,
    };
    (0..units.len()).filter(ends).filter_map(|at| u32::try_from(at + 1).ok()).collect()
}

/// The URL behind the last `//# sourceMappingURL=`, if it is on a line of its own.
fn source_map_url(units: &[u16]) -> Option<String> {
    const MARK: &str = "# sourceMappingURL=";
    let mark: Vec<u16> = MARK.encode_utf16().collect();
    let at = units.windows(mark.len()).rposition(|window| window == mark)?;
    let url = units[at + mark.len()..]
        .split(|unit| char::from_u32(u32::from(*unit)).is_some_and(char::is_whitespace));
    let url = String::from_utf16(url.take(1).next()?).ok()?;
    (!url.is_empty()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::{
        super::memory::tests::{Fake, smi, tagged},
        *,
    };

    fn script(name: &[u8], source: &[u8], first_line: u32) -> Script {
        let mut memory = Fake::default();
        let script = memory.object(0x1000, 167);
        memory.string(0x2000, source);
        memory.string(0x8000, name);
        memory.word(0x1008, tagged(0x2000));
        memory.word(0x1010, tagged(0x8000));
        memory.word(0x1018, smi(first_line));
        Script::read(&memory.heap(), script).unwrap()
    }

    #[test]
    fn characters_are_in_lines() {
        let read = script(b"/srv/app.js", b"one\ntwo\r\nthree\rfour", 0);
        assert_eq!(read.name.as_deref(), Some("/srv/app.js"));
        for (offset, place) in
            [(0, (1, 1)), (3, (1, 4)), (4, (2, 1)), (9, (3, 1)), (15, (4, 1)), (99, (4, 85))]
        {
            assert_eq!(read.line(offset), Some(place), "{offset}");
        }
        assert_eq!(script(b"part", b"a\nb", 10).line(2), Some((12, 1)));
    }

    #[test]
    fn names_are_paths_and_fit_to_be_shown() {
        for (name, shown) in [
            (&b"file:///srv/my%20app.mjs"[..], Some("/srv/my app.mjs")),
            (b"file:///100%25%", Some("/100%%")),
            (b"node:internal/timers", Some("node:internal/timers")),
            (b"\x1b[31mred", Some("\\u{1b}[31mred")),
            (b"", None),
        ] {
            assert_eq!(script(name, b"", 0).name.as_deref(), shown);
        }
    }

    #[test]
    fn the_last_source_map_counts() {
        for (source, url) in [
            (
                &b"a\n//# sourceMappingURL=old.map\nb\n//# sourceMappingURL=app.js.map\n"[..],
                Some("app.js.map"),
            ),
            (
                b"//# sourceMappingURL=data:application/json;base64,e30=",
                Some("data:application/json;base64,e30="),
            ),
            (b"//# sourceMappingURL=", None),
            (b"a", None),
        ] {
            assert_eq!(script(b"x", source, 0).source_map.as_deref(), url);
        }
    }

    #[test]
    fn a_source_that_cannot_be_read_has_no_lines() {
        let mut memory = Fake::default();
        let script = memory.object(0x1000, 167);
        memory.word(0x1008, tagged(0x2000));
        memory.word(0x1010, tagged(0x1000));
        memory.word(0x1018, smi(0));
        let read = Script::read(&memory.heap(), script).unwrap();
        assert_eq!((read.name.as_deref(), read.line(5)), (None, None));
    }
}
