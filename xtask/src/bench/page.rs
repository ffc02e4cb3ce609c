//! docs/performance.md: sections of text and tables, each of which can be measured and written anew by itself.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};

use super::machine;
use super::pairs::Pairs;
use super::stats::{Estimate, median};
use crate::repo;
use crate::run::say;

const PAGE: &str = "docs/performance.md";
const TITLE: &str = "# Performance\n\n";
const ABOUT: &str = "Written by `cargo xtask bench --write`; every figure is from a run, none is typed. Times depend on \
                     the machine, ratios within one run hardly do. A bar is what the project promises; a missed one is \
                     shown as missed.";
/// Widest line of text.
const WIDTH: usize = 120;

/// A section of the page.
pub(super) struct Section {
    /// Its name on the command line, by which it is found again.
    name: &'static str,
    title: &'static str,
    text: String,
}

/// Headings of a table of [`compared`] rows.
pub(super) const COMPARED: [&str; 6] =
    ["", "not attached", "attached", "attached / not (95 %)", "not / not (95 %)", "bar"];

/// A row of a quantity with and without, in a unit of which `scale` make one.
pub(super) fn compared<T>(
    what: &str,
    pairs: &Pairs<T>,
    of: impl Fn(&T) -> f64 + Copy,
    scale: f64,
    bar: Bar,
) -> [String; 6] {
    let (ratio, null) = (pairs.ratio(of), pairs.null_ratio(of));
    let middle = |value: f64| format!("{:.*}", if value * scale < 100.0 { 2 } else { 0 }, value * scale);
    [
        what.to_owned(),
        middle(median(pairs.bare().map(of))),
        middle(median(pairs.attached().map(of))),
        interval(ratio),
        interval(null),
        bar.judge_estimate(ratio),
    ]
}

/// What the project promises of a figure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

impl Bar {
    /// The bar, and whether a figure meets it.
    pub(super) fn judge(self, figure: f64) -> String {
        format!("{self}: {}", if self.is_met(figure) { "ok" } else { "**missed**" })
    }

    /// The same, and whether its interval leaves room for the opposite.
    pub(super) fn judge_estimate(self, estimate: Estimate) -> String {
        let open = self.is_met(estimate.low) != self.is_met(estimate.high);
        self.judge(estimate.value) + if open { ", within noise" } else { "" }
    }

    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

/// An estimate with its interval.
pub(super) fn interval(estimate: Estimate) -> String {
    format!("{:.4} ({:.4} to {:.4})", estimate.value, estimate.low, estimate.high)
}

impl Section {
    /// An empty section.
    pub(super) fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, text: String::new() }
    }

    /// Adds a paragraph.
    pub(super) fn says(mut self, paragraph: &str) -> Self {
        self.begin_block();
        self.text += &wrapped(paragraph);
        self
    }

    /// Adds a table.
    pub(super) fn table<const N: usize>(
        &mut self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        self.begin_block();
        self.text += &line(&headings.map(str::to_owned));
        self.text += &line(&[const { "---" }; N].map(str::to_owned));
        self.text.extend(rows.into_iter().map(|row| line(&row)));
    }

    fn begin_block(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// As it stands on the page.
    pub(super) fn text(&self) -> String {
        format!("## {} {}\n\n{}", self.title, label(self.name), self.text)
    }
}

/// Writes the page, keeping the sections of `order` that are not among `measured`. If those are from another machine, it is
/// the new sections that say what they were measured on.
pub(super) fn write(measured: &[Section], order: &[&str]) -> Result<()> {
    let path = repo::root().join(PAGE);
    let old = fs::read_to_string(&path).unwrap_or_default();
    let machine = wrapped(&format!("Measured on {}.", machine::description()?));
    let page = merged(&old, measured, order, &machine);
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
    say(&format!("wrote {PAGE}"));
    Ok(())
}

fn merged(old: &str, measured: &[Section], order: &[&str], machine: &str) -> String {
    let kept: Vec<&str> = old.split("\n## ").skip(1).collect();
    let is_new = |name: &str| measured.iter().any(|section| section.name == name);
    let is_of = |text: &str, name: &str| text.lines().next().is_some_and(|line| line.ends_with(&label(name)));
    let keeps = |name: &&str| !is_new(name) && kept.iter().any(|text| is_of(text, name));
    let is_mixed = order.iter().any(keeps) && !old.contains(machine);
    let head = old.split("\n## ").next().filter(|_| is_mixed).map(str::to_owned);
    let mut page = head.unwrap_or_else(|| [TITLE, &wrapped(ABOUT), "\n", machine].concat());
    for name in order {
        let new = measured.iter().find(|section| section.name == *name).map(Section::text);
        let new = new.map(|text| if is_mixed { text + "\n" + machine } else { text });
        let same =
            || kept.iter().find(|text| is_of(text, name)).map(|text| format!("## {}\n", text.trim_end()));
        if let Some(text) = new.or_else(same) {
            page = page + "\n" + &text;
        }
    }
    page
}

/// What a heading ends with.
fn label(name: &str) -> String {
    format!("(`{name}`)")
}

/// A line of a table.
fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Lines of at most [`WIDTH`] characters.
fn wrapped(text: &str) -> String {
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let needed = word.chars().count() + usize::from(length > 0);
        if length + needed > WIDTH {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
        }
        lines.push_str(word);
        length += if length > 0 { needed } else { word.chars().count() };
    }
    lines + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str, figure: &str) -> Section {
        let mut section = Section::new(name, "About").says("Some words.");
        section.table(["", "measured"], [["time".to_owned(), figure.to_owned()]]);
        section
    }

    #[test]
    fn a_section_can_be_measured_alone() {
        let order = ["one", "two", "three"];
        let whole = merged("", &[section("two", "2 ms"), section("one", "1 ms")], &order, "A.\n");
        let again = merged(&whole, &[section("one", "9 ms")], &order, "A.\n");
        assert_eq!(again, whole.replace("1 ms", "9 ms"));
        assert!(whole.find("1 ms").unwrap() < whole.find("2 ms").unwrap(), "{whole}");
    }

    #[test]
    fn what_is_from_another_machine_says_so() {
        let order = ["one", "two"];
        let whole = merged("", &[section("one", "1 ms"), section("two", "2 ms")], &order, "A.\n");
        let mixed = merged(&whole, &[section("one", "9 ms")], &order, "B.\n");
        let expected = whole.replace("| time | 1 ms |\n", "| time | 9 ms |\n\nB.\n");
        assert_eq!(mixed, expected);
        let new = merged(&mixed, &[section("one", "9 ms"), section("two", "3 ms")], &order, "B.\n");
        assert!(!new.contains("A.\n") && new.matches("B.\n").count() == 1, "{new}");
    }

    #[test]
    fn a_bar_is_met_missed_or_within_noise() {
        let judged = |bar: Bar, low, value, high| bar.judge_estimate(Estimate { value, low, high });
        assert_eq!(judged(Bar::AtLeast(0.99), 0.995, 1.0, 1.01), "at least 0.99: ok");
        assert_eq!(judged(Bar::AtLeast(0.99), 0.98, 1.0, 1.01), "at least 0.99: ok, within noise");
        assert_eq!(judged(Bar::AtMost(1.02), 1.01, 1.03, 1.05), "at most 1.02: **missed**, within noise");
        assert_eq!(judged(Bar::AtMost(1.02), 1.03, 1.04, 1.05), "at most 1.02: **missed**");
    }

    #[test]
    fn a_table_is_markdown() {
        let text = section("one", "1 ms").text();
        assert!(text.ends_with("Some words.\n\n|  | measured |\n| --- | --- |\n| time | 1 ms |\n"), "{text}");
    }

    #[test]
    fn lines_are_not_too_long() {
        let text = wrapped(&"four ".repeat(100));
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [119, 119, 119, 119, 19], "{text}");
        assert_eq!(text.split_whitespace().count(), 100);
    }
}
