//! The blocks of a page that say what came of a run: a fence with a marker on the line above it.
//!
//! ```text
//! <!-- example: NAME -->     written by `cargo xtask examples`
//! <!-- program: FILE -->     what is run for it, as it stands there
//! <!-- by hand: WHY -->      no run can be made to say it
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

const FENCE: &str = "```";

/// Where a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin<'a> {
    /// The example of that name.
    Example(&'a str),
    /// A program that examples are made with.
    Program(&'a str),
    /// A person, and why.
    ByHand(&'a str),
}

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// The line of its opening fence, from 1.
    pub(crate) line: usize,
    /// What stands behind the fence.
    pub(crate) language: &'a str,
    /// `None` without a marker.
    pub(crate) origin: Option<Origin<'a>>,
    /// Where its lines are in the page, without the fences.
    content: Range<usize>,
}

/// All blocks of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut found, mut open, mut above, mut at) = (Vec::new(), None::<Block<'_>>, "", 0);
    for (index, line) in page.split_inclusive('\n').enumerate() {
        let text = line.trim_end();
        match (open.take(), text.strip_prefix(FENCE)) {
            (Some(block), Some("")) => found.push(Block { content: block.content.start..at, ..block }),
            (Some(block), _) => open = Some(block),
            (None, Some(language)) => {
                let content = at + line.len()..at + line.len();
                open = Some(Block { line: index + 1, language, origin: origin(above), content });
            }
            (None, None) => {}
        }
        (above, at) = (text, at + line.len());
    }
    found
}

fn origin(line: &str) -> Option<Origin<'_>> {
    let (kind, what) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    match kind {
        "example" => Some(Origin::Example(what)),
        "program" => Some(Origin::Program(what)),
        "by hand" => Some(Origin::ByHand(what)),
        _ => None,
    }
}

/// The page with those `examples` in their places that it has a place for.
pub(crate) fn rewrite(page: &str, examples: &BTreeMap<&str, String>) -> String {
    let mut written = page.to_owned();
    for block in blocks(page).iter().rev() {
        let Some(Origin::Example(name)) = block.origin else { continue };
        if let Some(example) = examples.get(name) {
            written.replace_range(block.content.clone(), &format!("{}\n", example.trim_end()));
        }
    }
    written
}

/// The program of that name, without numbers before its lines.
pub(crate) fn program(page: &str, name: &str) -> Option<String> {
    let block = blocks(page).into_iter().find(|block| block.origin == Some(Origin::Program(name)))?;
    let unnumbered = |line: &str| {
        let text = line.trim_start();
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{}\n", if rest.len() < text.len() { rest.get(2..).unwrap_or("") } else { line })
    };
    Some(page[block.content].lines().map(unnumbered).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n\n<!-- program: a.js -->\n```js\n 1  go();\n 2\n10    end();\n```\n\n\
                        <!-- example: run -->\n```text\nold\nlines\n```\n\n```sh\nls\n```\n\
                        <!-- by hand: it explodes -->\n```json\n{}\n```\n";

    #[test]
    fn blocks_have_their_origin() {
        let found: Vec<_> =
            blocks(PAGE).iter().map(|block| (block.line, block.language, block.origin)).collect();
        let expected = [
            (4, "js", Some(Origin::Program("a.js"))),
            (11, "text", Some(Origin::Example("run"))),
            (16, "sh", None),
            (20, "json", Some(Origin::ByHand("it explodes"))),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_example_takes_the_place_of_the_one_before() {
        let written =
            rewrite(PAGE, &BTreeMap::from([("run", "new\n".to_owned()), ("other", "x".to_owned())]));
        assert_eq!(written, PAGE.replace("old\nlines\n", "new\n"));
        assert_eq!(rewrite(PAGE, &BTreeMap::new()), PAGE);
    }

    #[test]
    fn a_program_is_run_as_the_page_has_it() {
        assert_eq!(program(PAGE, "a.js").as_deref(), Some("go();\n\n  end();\n"));
        assert_eq!(program(PAGE, "b.js"), None);
    }
}
