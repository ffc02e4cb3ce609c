//! What pages show as output says where it comes from: `cargo xtask examples` writes it, or a person did for a reason.

use std::collections::BTreeSet;

use super::{Finding, Text};
use crate::examples::blocks::{Block, Origin, blocks};
use crate::examples::{NAMES, PAGES};

/// Languages of blocks that are output.
const OUTPUT: [&str; 2] = ["text", "json"];

/// Checks that each block of output has an origin that there is, and that each example has a place.
pub(super) fn check_all(texts: &[Text]) -> Vec<Finding> {
    let pages: Vec<&Text> =
        texts.iter().filter(|text| PAGES.iter().any(|page| text.path.as_os_str() == *page)).collect();
    let mut findings: Vec<Finding> = pages.iter().flat_map(|page| check(page)).collect();
    let shown: BTreeSet<&str> = pages.iter().flat_map(|page| examples(page)).collect();
    let nowhere = NAMES.into_iter().filter(|name| !shown.contains(name));
    let missing =
        |name| pages.first().map(|page| page.finding(1, format!("no page shows the example `{name}`")));
    findings.extend(nowhere.filter_map(missing));
    findings
}

fn examples(page: &Text) -> Vec<&str> {
    let name = |block: Block<'_>| match block.origin {
        Some(Origin::Example(name)) => NAMES.into_iter().find(|known| *known == name),
        _ => None,
    };
    blocks(&page.content).into_iter().filter_map(name).collect()
}

fn check(page: &Text) -> Vec<Finding> {
    let wrong = |block: &Block<'_>| match block.origin {
        Some(Origin::Example(name)) if !NAMES.contains(&name) => {
            Some(format!("no example `{name}`, name one of xtask/src/examples/mod.rs"))
        }
        None if OUTPUT.contains(&block.language) => {
            Some("output without its origin, say `<!-- example: NAME -->` above it".to_owned())
        }
        _ => None,
    };
    blocks(&page.content).iter().filter_map(|block| Some(page.finding(block.line, wrong(block)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    #[test]
    fn output_says_where_it_comes_from() {
        let name = NAMES[0];
        let page = |marker: &str| format!("# A\n{marker}\n```text\nout\n```\n```sh\nls\n```\n");
        expect(check, "README.md", &page(&format!("<!-- example: {name} -->")), &[]);
        expect(check, "README.md", &page("<!-- by hand: it cannot be made to happen -->"), &[]);
        expect(check, "README.md", &page("<!-- example: nothing-of-the-sort -->"), &[3]);
        expect(check, "README.md", &page(""), &[3]);
    }

    #[test]
    fn every_example_has_a_place() {
        let text = |content: &str| vec![Text { path: "docs/heap.md".into(), content: content.to_owned() }];
        let all = NAMES.map(|name| format!("<!-- example: {name} -->\n```text\n```\n")).concat();
        assert_eq!(check_all(&text(&all)), []);
        assert_eq!(check_all(&text("")).len(), NAMES.len());
    }
}
