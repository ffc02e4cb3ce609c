//! The fields of a trace's lines: how each sort of event is spelt.

use std::{
    fmt::Display,
    str::{FromStr, Split},
};

use anyhow::{Context as _, Result, anyhow};
use memwatch_user::model::{Collection, GcKind, Mono, OutsideHeap};

use super::trace::{Event, Verdict};
use crate::trace::gc;

/// What the line before of the same letter had.
const SAME: &str = "~";

/// The letters of collections.
const LETTERS: [(char, GcKind); 3] =
    [('s', GcKind::Scavenge), ('m', GcKind::MinorMark), ('f', GcKind::MarkCompact)];

/// The fields of one line, behind letter and time.
pub(super) struct Fields<'a>(pub(super) &'a [String]);

/// A figure, or nothing.
pub(super) fn cell(value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// Some values as fields.
pub(super) fn row(values: &[&dyn Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A line, with [`SAME`] for what is the same as in the line before.
pub(super) fn line(letter: char, at: u64, fields: &[String], before: &[String]) -> String {
    let mut line = format!("{letter},{at}");
    for (i, field) in fields.iter().enumerate() {
        let same = !field.is_empty() && before.get(i) == Some(field);
        line += ",";
        line += if same { SAME } else { field };
    }
    line + "\n"
}

/// The fields of a line, [`SAME`] replaced by what it stands for.
pub(super) fn whole(fields: Split<'_, char>, before: &[String]) -> Result<Vec<String>> {
    let whole = |(i, field): (usize, &str)| match field {
        SAME => before.get(i).cloned().context("nothing before it"),
        other => Ok(other.to_owned()),
    };
    fields.enumerate().map(whole).collect()
}

/// Letter and fields of a collection.
pub(super) fn of_collection(c: &Collection) -> (char, Vec<String>) {
    let letter = LETTERS.iter().find(|(_, kind)| *kind == c.kind).map_or('s', |(letter, _)| *letter);
    let mut fields = row(&[&c.heap, &c.pause().as_micros()]);
    let sizes = [c.before_bytes, c.after_bytes, c.outside.external, c.outside.array_buffers];
    fields.extend(sizes.map(cell));
    (letter, fields)
}

/// The fields of a verdict.
pub(super) fn of_verdict(v: &Verdict) -> Vec<String> {
    let mut fields = vec![cell(v.isolate), v.level.clone(), v.kind.clone()];
    let figures = [v.rate, v.rate_interval[0], v.rate_interval[1], v.left[0], v.left[1]];
    fields.extend(figures.map(|figure| cell(figure.map(f64::round))));
    fields.push(cell(v.exhausts.as_ref()));
    fields
}

impl Fields<'_> {
    /// The field at that place, as it is.
    pub(super) fn text(&self, at: usize) -> Result<&str> {
        self.0.get(at).map(String::as_str).with_context(|| format!("no field {at}"))
    }

    /// The figure at that place; `None` if it is not known.
    pub(super) fn number<T: FromStr>(&self, at: usize) -> Result<Option<T>> {
        let text = self.text(at)?;
        let parsed = || text.parse().map_err(|_| anyhow!("field {at} is no number"));
        if text.is_empty() { Ok(None) } else { parsed().map(Some) }
    }

    /// The same, where one must be.
    fn known<T: FromStr>(&self, at: usize) -> Result<T> {
        self.number(at)?.with_context(|| format!("field {at} is empty"))
    }

    pub(super) fn isolate(&self) -> Result<Event> {
        Ok(Event::Isolate {
            isolate: self.known(0)?,
            state: self.text(1)?.to_owned(),
            thread: self.known(2)?,
            worker: self.known::<u8>(3)? == 1,
            limit: self.number(4)?,
        })
    }

    /// A collection, if `letter` is one's.
    pub(super) fn collection(&self, letter: char, at_ms: u64) -> Result<Collection> {
        let (_, kind) = LETTERS.iter().find(|(known, _)| *known == letter).context("no such letter")?;
        let collection = gc(Mono(at_ms * 1_000_000), self.known(1)?, *kind, 0, 0);
        let outside = OutsideHeap { external: self.number(4)?, array_buffers: self.number(5)? };
        let [before_bytes, after_bytes] = [self.number(2)?, self.number(3)?];
        Ok(Collection { heap: self.known(0)?, before_bytes, after_bytes, outside, ..collection })
    }

    pub(super) fn verdict(&self) -> Result<Verdict> {
        Ok(Verdict {
            isolate: self.number(0)?,
            level: self.text(1)?.to_owned(),
            kind: self.text(2)?.to_owned(),
            rate: self.number(3)?,
            rate_interval: [self.number(4)?, self.number(5)?],
            left: [self.number(6)?, self.number(7)?],
            exhausts: Some(self.text(8)?.to_owned()).filter(|text| !text.is_empty()),
        })
    }
}
