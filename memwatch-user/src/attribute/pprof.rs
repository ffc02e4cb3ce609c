//! Samples as a pprof profile: gzip around the protocol buffer of google/pprof's proto/profile.proto.

use std::{collections::HashMap, io};

use flate2::{Compression, write::GzEncoder};
use prost::Message;

use super::{Sampled, collapsed};
use crate::model::Frame;

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    number: i64,
    #[prost(int64, tag = "3")]
    column: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Writes the profile: samples and `alloc_space`, and of what is proven to be alive `inuse_objects` and `inuse_space`. How many
/// objects were allocated is not known.
pub(crate) fn pprof(sampled: &[Sampled<'_>], interval: u64, to: impl io::Write) -> io::Result<()> {
    let mut tables = Tables::default();
    let mut kind =
        |name: &str, unit: &str| ValueType { kind: tables.string(name), unit: tables.string(unit) };
    let (count, space) = (kind("alloc_samples", "count"), kind("alloc_space", "bytes"));
    let in_use = [kind("inuse_objects", "count"), kind("inuse_space", "bytes")];
    let is_there = |one: &&Sampled<'_>| one.bytes > 0 || one.alive.bytes > 0;
    let sample = sampled.iter().filter(is_there).map(|one| tables.sample(one)).collect();
    let profile = Profile {
        sample_type: [count, space].into_iter().chain(in_use).collect(),
        sample,
        period_type: Some(space),
        period: number(interval),
        default_sample_type: space.kind,
        location: tables.location,
        function: tables.function,
        string_table: tables.string_table,
    };
    let mut gzip = GzEncoder::new(to, Compression::default());
    io::Write::write_all(&mut gzip, &profile.encode_to_vec())?;
    gzip.finish().map(drop)
}

/// What samples refer to by number: everything once.
struct Tables {
    strings: HashMap<String, i64>,
    string_table: Vec<String>,
    frames: HashMap<Frame, u64>,
    location: Vec<Location>,
    function: Vec<Function>,
}

impl Default for Tables {
    /// The first string must be the empty one.
    fn default() -> Self {
        Self {
            strings: HashMap::from([(String::new(), 0)]),
            string_table: vec![String::new()],
            frames: HashMap::new(),
            location: Vec::new(),
            function: Vec::new(),
        }
    }
}

impl Tables {
    fn sample(&mut self, one: &Sampled<'_>) -> Sample {
        let outside = [outside()];
        let frames = if one.stack.frames.is_empty() { &outside[..] } else { &one.stack.frames };
        let values = [one.samples, one.bytes, one.alive.objects, one.alive.bytes];
        let location_id = frames.iter().map(|frame| self.location(frame)).collect();
        Sample { location_id, value: values.map(number).to_vec() }
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        if let Some(id) = self.frames.get(frame) {
            return *id;
        }
        let id = self.location.len() as u64 + 1;
        let shown = frame.function.clone().unwrap_or_else(|| collapsed::name(frame));
        let function = Function {
            id,
            name: self.string(&shown),
            filename: self.string(frame.file.as_deref().unwrap_or_default()),
        };
        let place = |of: Option<u32>| i64::from(of.unwrap_or_default());
        let line = Line { function_id: id, number: place(frame.line), column: place(frame.column) };
        self.function.push(function);
        self.location.push(Location { id, line: vec![line] });
        self.frames.insert(frame.clone(), id);
        id
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(number) = self.strings.get(text) {
            return *number;
        }
        let new = number(self.string_table.len() as u64);
        self.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), new);
        new
    }
}

fn outside() -> Frame {
    Frame { function: Some("(outside JavaScript)".to_owned()), ..Frame::unknown() }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::{
        super::{Alive, tests::sample_stacks},
        *,
    };

    #[test]
    fn the_profile_reads_back() {
        let stacks = sample_stacks();
        let alive = Alive { bytes: 5, objects: 3 };
        let sampled: Vec<_> =
            stacks.iter().map(|stack| Sampled { stack, bytes: 7, samples: 2, alive }).collect();
        let (mut file, mut bytes) = (Vec::new(), Vec::new());
        pprof(&sampled, 512, &mut file).unwrap();
        GzDecoder::new(&file[..]).read_to_end(&mut bytes).unwrap();
        let profile = Profile::decode(&bytes[..]).unwrap();
        let text = |number: i64| profile.string_table[usize::try_from(number).unwrap()].as_str();
        let names = |sample: &Sample| -> Vec<&str> {
            let function = |id: &u64| profile.function.iter().find(|function| function.id == *id).unwrap();
            sample.location_id.iter().map(|id| text(function(id).name)).collect()
        };
        let types: Vec<_> = profile.sample_type.iter().map(|of| (text(of.kind), text(of.unit))).collect();
        let in_use = [("inuse_objects", "count"), ("inuse_space", "bytes")];
        assert_eq!(types, [[("alloc_samples", "count"), ("alloc_space", "bytes")], in_use].concat());
        assert_eq!(text(profile.default_sample_type), "alloc_space");
        assert_eq!(names(&profile.sample[0]), ["(anonymous) /srv/a:b.js", "map", "main"]);
        assert_eq!(profile.sample[0].value, [2, 7, 3, 5]);
        assert_eq!(names(&profile.sample[1]), ["(outside JavaScript)"]);
        assert_eq!(profile.location[2].line[0].number, 9);
        assert_eq!(text(0), "");
    }
}
