//! Stacks in one line each, outermost first, as flame graph tools take them: `main;load;parse 1234`.

use std::{collections::BTreeMap, io};

use inferno::flamegraph::{self, Options, TextTruncateDirection};

use super::Sampled;
use crate::model::{Frame, FrameKind, StackEnd};

/// One line a stack, with its bytes.
#[must_use]
pub(crate) fn collapsed(sampled: &[Sampled<'_>]) -> Vec<String> {
    // Stacks that differ in where in a line they are have one line here.
    let mut volumes: BTreeMap<String, u64> = BTreeMap::new();
    for one in sampled.iter().filter(|one| one.bytes > 0) {
        *volumes.entry(names(one)).or_default() += one.bytes;
    }
    volumes.into_iter().map(|(names, bytes)| format!("{names} {bytes}")).collect()
}

/// A picture of them (SVG).
pub(crate) fn flamegraph(sampled: &[Sampled<'_>], to: impl io::Write) -> io::Result<()> {
    let mut options = Options::default();
    "Allocated on the JavaScript heap; survival unknown".clone_into(&mut options.title);
    "bytes".clone_into(&mut options.count_name);
    // The function is in front, the path behind it.
    options.text_truncate_direction = TextTruncateDirection::Right;
    let lines = collapsed(sampled);
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), to)
        .map_err(|error| io::Error::other(error.to_string()))
}

fn names(one: &Sampled<'_>) -> String {
    let outermost = match one.stack.end {
        StackEnd::Complete => None,
        StackEnd::Outside => Some("(outside JavaScript)"),
        StackEnd::Truncated => Some("(more frames)"),
        StackEnd::Broken => Some("(unreadable)"),
    };
    let frames = one.stack.frames.iter().rev().map(name);
    let names: Vec<String> = outermost.map(str::to_owned).into_iter().chain(frames).collect();
    names.join(";")
}

/// `load /srv/app.js:7`, `map (builtin)`.
#[must_use]
pub(super) fn name(frame: &Frame) -> String {
    let function = frame.function.as_deref().unwrap_or("(anonymous)");
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}"));
    let name = match (frame.kind, &frame.file) {
        (FrameKind::Unknown, _) => "(unknown)".to_owned(),
        (FrameKind::JavaScript, Some(file)) => format!("{function} {file}{line}"),
        _ => format!("{function} (builtin)"),
    };
    // Semicolons separate frames.
    name.replace(';', ":")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Alive, tests::sample_stacks},
        *,
    };

    #[test]
    fn a_stack_is_a_line_outermost_first() {
        let stacks = sample_stacks();
        let sampled: Vec<_> = stacks
            .iter()
            .map(|stack| Sampled { stack, bytes: 7, samples: 1, alive: Alive::default() })
            .collect();
        assert_eq!(
            collapsed(&sampled),
            [
                "(more frames);(unknown) 7",
                "(outside JavaScript) 7",
                "main /srv/a:b.js:9;map (builtin);(anonymous) /srv/a:b.js 7",
            ]
        );
        let twice = [sampled[1], sampled[1]];
        assert_eq!(collapsed(&twice), ["(outside JavaScript) 14"]);
        assert!(
            collapsed(&[Sampled { stack: &stacks[0], bytes: 0, samples: 0, alive: Alive::default() }])
                .is_empty()
        );
    }

    #[test]
    fn the_picture_has_every_frame() {
        let stacks = sample_stacks();
        let sampled: Vec<_> = stacks
            .iter()
            .map(|stack| Sampled { stack, bytes: 7, samples: 1, alive: Alive::default() })
            .collect();
        let mut svg = Vec::new();
        flamegraph(&sampled, &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(
            svg.contains("<svg") && svg.contains("main /srv/a:b.js:9") && svg.contains("survival unknown")
        );
        assert!(
            svg.contains("truncate_text_right = true"),
            "what does not fit is cut at the end, which is the path's"
        );
    }
}
