//! What V8 itself says of its collections: the lines of `--trace-gc-nvp`, the truth that ours is held against.
//!
//! Node 12 to 24 print `name=value` pairs, 25 and 26 JSON. A line begins with the pid, the isolate's address and the
//! milliseconds since the isolate's birth: `[10014:0x3b3a8f60]       59 ms: pause=1.2 mutator=56.4 gc=s …`.

use serde_json::Value;

/// Names that `gc` goes by, and what records call them: `ms` is the mark-compact of Node 12 to 18.
const KINDS: [(&str, &str); 6] = [
    ("s", "scavenge"),
    ("ms", "mark-compact"),
    ("mc", "mark-compact"),
    ("mmc", "minor-mark"),
    ("mms", "minor-mark"),
    ("f", "mark-compact"),
];

/// Names of the size of all objects before: until Node 22, from 24 on.
const BEFORE: [&str; 2] = ["total_size_before", "start_object_size"];

/// The same after.
const AFTER: [&str; 2] = ["total_size_after", "end_object_size"];

/// One collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Address of the isolate; several where it may be any of them.
    pub isolates: Vec<String>,
    /// What records call the kind.
    pub kind: &'static str,
    /// Milliseconds since the isolate's birth at which it was over; unknown where it may be any of several isolates.
    pub at_ms: Option<u64>,
    /// V8's words; Node 25 and later only.
    pub reason: Option<String>,
    /// How long it took, milliseconds; one decimal until Node 24, three later.
    pub pause_ms: f64,
    /// Bytes of objects before.
    pub before: u64,
    /// Bytes of objects after.
    pub after: u64,
}

/// All collections in the output of a process, in their order.
///
/// V8 prints the beginning and the rest of a line by two calls. Where threads meet between the two, the beginnings come
/// first and the rests follow, in whatever order: about one line in 200 with four busy isolates.
#[must_use]
pub fn parse(output: &str) -> Vec<Line> {
    let (mut met, mut open) = (Vec::new(), 0);
    let mut lines = Vec::new();
    for mut line in output.lines() {
        while let Some((isolate, at_ms, rest)) = beginning(line) {
            met.push((isolate.to_owned(), at_ms));
            open += 1;
            line = rest;
        }
        if open > 0 {
            lines.extend(collection(&met, line));
            open -= 1;
        }
        if open == 0 {
            met.clear();
        }
    }
    lines
}

/// The isolate's address, its age, and what follows the beginning of a line.
fn beginning(line: &str) -> Option<(&str, u64, &str)> {
    let (ids, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (at, rest) = rest.split_once(" ms: ")?;
    let at_ms = at.trim().parse().ok()?;
    let isolate = ids.split(':').nth(1).filter(|address| address.starts_with("0x"))?;
    Some((isolate, at_ms, rest))
}

fn collection(met: &[(String, u64)], text: &str) -> Option<Line> {
    let fields = Fields::of(text)?;
    let size = |names: [&str; 2]| names.iter().find_map(|name| fields.get(name))?.parse::<u64>().ok();
    let kind = fields.get("gc")?;
    Some(Line {
        isolates: met.iter().map(|(isolate, _)| isolate.clone()).collect(),
        at_ms: if let [(_, at_ms)] = met { Some(*at_ms) } else { None },
        kind: KINDS.iter().find(|(short, _)| *short == kind)?.1,
        reason: fields.get("reason"),
        pause_ms: fields.get("pause")?.parse().ok()?,
        before: size(BEFORE)?,
        after: size(AFTER)?,
    })
}

/// What follows the beginning of a line, in either form.
enum Fields<'a> {
    Pairs(&'a str),
    Json(Value),
}

impl<'a> Fields<'a> {
    /// `None` if the line is not about a collection.
    fn of(text: &'a str) -> Option<Self> {
        match text.strip_prefix("GC: ") {
            Some(json) => serde_json::from_str(json).ok().map(Self::Json),
            None => text.starts_with("pause=").then_some(Self::Pairs(text)),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Pairs(text) => {
                let mut pairs = text.split_ascii_whitespace().filter_map(|pair| pair.split_once('='));
                pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
            }
            Self::Json(object) => match object.get(name)? {
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Real lines with the middle cut out, and what they say.
    const SAMPLES: &str = include_str!("trace_gc_samples.txt");

    /// Release; before and after of the scavenge, then of the mark-compact.
    const SIZES: [(&str, [u64; 4]); 9] = [
        ("12.22.12", [2_523_152, 2_130_400, 10_893_624, 4_948_104]),
        ("14.21.3", [2_527_664, 2_112_912, 13_109_792, 5_951_216]),
        ("16.20.2", [4_949_696, 4_334_592, 14_269_456, 10_408_256]),
        ("18.20.8", [4_965_464, 4_346_408, 11_216_112, 8_782_232]),
        ("20.20.2", [4_339_032, 3_709_336, 12_232_520, 8_732_616]),
        ("22.23.3", [4_793_576, 4_101_336, 14_225_720, 9_745_000]),
        ("24.21.0", [5_179_808, 4_512_624, 15_729_424, 10_804_768]),
        ("25.9.0", [4_895_104, 4_200_608, 14_921_168, 10_001_896]),
        ("26.10.0", [5_205_440, 4_526_896, 17_085_912, 11_313_936]),
    ];

    #[test]
    fn lines_of_every_release() {
        let mut releases = SAMPLES.split("# ").skip(1).map(|block| block.split_once('\n').unwrap());
        for (version, sizes) in SIZES {
            let (name, text) = releases.next().unwrap();
            assert_eq!(name, version);
            let lines = parse(text);
            let kinds = lines.iter().map(|line| line.kind).collect::<Vec<_>>();
            assert_eq!(kinds, ["scavenge", "mark-compact"], "{version}");
            assert_eq!(
                lines.iter().flat_map(|line| [line.before, line.after]).collect::<Vec<_>>(),
                sizes,
                "{version}"
            );
            assert!(lines.iter().all(|line| line.pause_ms > 0.3 && line.isolates.len() == 1), "{version}");
        }
        assert!(releases.next().is_none());
    }

    #[test]
    fn every_field() {
        let line = "[1:0x2dda9000:0]       77 ms: GC: {\"pause\":2.756,\"gc\":\"s\",\"reason\":\"task\",\
                    \"start_object_size\":8,\"end_object_size\":7}";
        let expected = Line {
            isolates: vec!["0x2dda9000".to_owned()],
            at_ms: Some(77),
            kind: "scavenge",
            reason: Some("task".to_owned()),
            pause_ms: 2.756,
            before: 8,
            after: 7,
        };
        assert_eq!(parse(line), [expected]);
    }

    #[test]
    fn beginnings_that_met() {
        let rest = |size| format!("pause=1.0 gc=s total_size_before={size} total_size_after=1\n");
        let text = format!("[1:0xa] 5 ms: [1:0xb] 6 ms: {}{}[1:0xc] 7 ms: {}", rest(2), rest(3), rest(4));
        let found =
            parse(&text).into_iter().map(|line| (line.isolates.concat(), line.before)).collect::<Vec<_>>();
        let expected = [("0xa0xb", 2), ("0xa0xb", 3), ("0xc", 4)];
        assert_eq!(found, expected.map(|(isolates, size)| (isolates.to_owned(), size)));
    }

    #[test]
    fn other_output_is_passed_over() {
        let noise = "ready\n[1:0xa]  5 ms: action=SetLimit limit=5\n[1:0xa]  5 ms: Memory pool: Removed pages: 0\n, more\n";
        assert_eq!(parse(noise), []);
    }
}
