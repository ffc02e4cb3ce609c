//! Places in the program, by how much is allocated there.

use std::{cmp::Reverse, collections::BTreeMap};

use super::Sampled;
use crate::model::{Frame, FrameKind, Stack, StackEnd, origin};

/// Sites that are told.
const SITES: usize = 10;
/// Frames that are told of each.
const FRAMES: usize = 16;
/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.96;

/// One place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Site {
    /// Its share of all bytes, 0 to 1.
    pub share: f64,
    /// 95 % interval of the share, as far as chance in sampling goes.
    pub interval: [f64; 2],
    /// Its bytes.
    pub bytes: u64,
    /// Samples behind it.
    pub samples: u64,
    /// The most frequent stack that leads there, innermost first.
    pub frames: Vec<Frame>,
}

/// The places with the largest shares. A place is a line of the user's own code: what a library of Node's or a builtin
/// allocates counts for the line that calls it.
#[must_use]
pub(crate) fn sites(sampled: &[Sampled<'_>]) -> Vec<Site> {
    let mut places: BTreeMap<Place<'_>, Group<'_>> = BTreeMap::new();
    for one in sampled.iter().filter(|one| one.bytes > 0) {
        places.entry(place(one.stack)).or_default().add(one);
    }
    let total: Group<'_> = places.values().fold(Group::default(), |total, group| Group {
        bytes: total.bytes + group.bytes,
        samples: total.samples + group.samples,
        ..total
    });
    let mut sites: Vec<Site> = places.into_values().map(|group| group.site(&total)).collect();
    sites.sort_by_key(|site| Reverse(site.bytes));
    sites.truncate(SITES);
    sites
}

/// What makes a place: file, line, function.
type Place<'a> = (Option<&'a str>, Option<u32>, Option<&'a str>);

fn place(stack: &Stack) -> Place<'_> {
    let frame = stack.frames.get(origin(&stack.frames));
    frame.map_or((None, None, None), |frame| (frame.file.as_deref(), frame.line, frame.function.as_deref()))
}

#[derive(Default)]
struct Group<'a> {
    bytes: u64,
    samples: u64,
    /// The stack with the most bytes.
    largest: Option<(u64, &'a Stack)>,
}

impl<'a> Group<'a> {
    fn add(&mut self, one: &Sampled<'a>) {
        self.bytes += one.bytes;
        self.samples += one.samples;
        if self.largest.is_none_or(|(bytes, _)| bytes < one.bytes) {
            self.largest = Some((one.bytes, one.stack));
        }
    }

    fn site(self, total: &Group<'_>) -> Site {
        let share = self.bytes as f64 / total.bytes.max(1) as f64;
        let error = Z * (share * (1.0 - share) / total.samples.max(1) as f64).sqrt();
        Site {
            share,
            interval: [(share - error).max(0.0), (share + error).min(1.0)],
            bytes: self.bytes,
            samples: self.samples,
            frames: self.largest.map(|(_, stack)| frames(stack)).unwrap_or_default(),
        }
    }
}

/// From the place outwards. Without JavaScript it says so.
fn frames(stack: &Stack) -> Vec<Frame> {
    if stack.end == StackEnd::Outside {
        let function = Some("(outside JavaScript)".to_owned());
        return vec![Frame { function, kind: FrameKind::Builtin, ..Frame::unknown() }];
    }
    stack.frames.iter().skip(origin(&stack.frames)).take(FRAMES).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::Alive;

    fn frame(function: &str, file: &str, line: u32) -> Frame {
        Frame {
            function: Some(function.to_owned()),
            file: (!file.is_empty()).then(|| file.to_owned()),
            line: Some(line),
            kind: if file.is_empty() { FrameKind::Builtin } else { FrameKind::JavaScript },
            ..Frame::unknown()
        }
    }

    fn stack(frames: &[(&str, &str, u32)]) -> Stack {
        let frames = frames.iter().map(|(function, file, line)| frame(function, file, *line)).collect();
        Stack { frames, end: StackEnd::Complete }
    }

    #[test]
    fn the_users_line_counts_for_what_it_calls() {
        let map = stack(&[
            ("map", "", 0),
            ("push", "node:internal/x", 3),
            ("load", "/app.js", 7),
            ("main", "/app.js", 9),
        ]);
        let direct = stack(&[("load", "/app.js", 7), ("other", "/app.js", 20)]);
        let timer = stack(&[("tick", "node:internal/timers", 5)]);
        let outside = Stack { frames: Vec::new(), end: StackEnd::Outside };
        let sampled = [(&map, 600, 6), (&direct, 100, 1), (&timer, 200, 2), (&outside, 100, 1)]
            .map(|(stack, bytes, samples)| Sampled { stack, bytes, samples, alive: Alive::default() });
        let sites = sites(&sampled);
        let told: Vec<_> = sites
            .iter()
            .map(|site| {
                (site.frames[0].function.as_deref().unwrap(), site.bytes, site.samples, site.frames.len())
            })
            .collect();
        assert_eq!(told, [("load", 700, 7, 2), ("tick", 200, 2, 1), ("(outside JavaScript)", 100, 1, 1)]);
        assert!((sites[0].share - 0.7).abs() < 1e-9);
        assert!(sites[0].interval[0] < 0.5 && sites[0].interval[1] > 0.9);
    }

    #[test]
    fn nothing_sampled_has_no_sites() {
        assert_eq!(sites(&[]), []);
        let unsampled = stack(&[("f", "/a.js", 1)]);
        assert_eq!(
            sites(&[Sampled { stack: &unsampled, bytes: 0, samples: 0, alive: Alive::default() }]),
            []
        );
    }
}
