//! What the records of a watch over many processes say of the watch itself.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use super::super::child::Line;

/// What was seen in the records.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The longest time between two memory records of one process, if any process had two.
    pub(super) longest_gap_s: Option<f64>,
    /// Collections.
    pub(super) collections: usize,
    /// Records that the kernel had no room for, of all processes.
    pub(super) lost: u64,
}

/// Reads records in the order in which they came. What is lost counts from the first, all else from `since`.
pub(super) fn seen(lines: impl IntoIterator<Item = Line>, since: Instant) -> Seen {
    let (mut seen, mut last) = (Seen::default(), BTreeMap::new());
    let mut losses = BTreeMap::new();
    for Line { at, text } in lines {
        let Ok(record) = serde_json::from_str::<Value>(&text) else { continue };
        let pid = record["pid"].as_u64().unwrap_or_default();
        match record["type"].as_str().unwrap_or_default() {
            "gc" if at >= since => seen.collections += 1,
            "memory" if at >= since => seen.read(last.insert(pid, at), at),
            // They count from the attach on: the last one has all.
            "loss" => _ = losses.insert(pid, record["lost"].as_u64().unwrap_or_default()),
            _ => {}
        }
    }
    seen.lost = losses.values().sum();
    seen
}

impl Seen {
    fn read(&mut self, before: Option<Instant>, at: Instant) {
        let gap = before.map(|before| at.saturating_duration_since(before).as_secs_f64());
        self.longest_gap_s = self.longest_gap_s.into_iter().chain(gap).reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn gaps_are_of_one_process_and_losses_of_all() {
        let began = Instant::now();
        let line = |ms, text: &str| Line { at: began + Duration::from_millis(ms), text: text.to_owned() };
        let lines = [
            line(0, r#"{"type":"gc","pid":2}"#),
            line(0, r#"{"type":"loss","pid":3,"lost":10}"#),
            line(500, r#"{"type":"memory","pid":1}"#),
            line(900, r#"{"type":"memory","pid":2}"#),
            line(1000, r#"{"type":"memory","pid":1}"#),
            line(1100, r#"{"type":"gc","pid":1}"#),
            line(1200, r#"{"type":"loss","pid":1,"lost":2}"#),
            line(1300, r#"{"type":"loss","pid":1,"lost":5}"#),
            line(1300, r#"{"type":"loss","pid":2,"lost":1}"#),
            line(3000, r#"{"type":"memory","pid":2}"#),
        ];
        let seen = seen(lines, began + Duration::from_millis(100));
        assert_eq!((seen.longest_gap_s, seen.collections, seen.lost), (Some(2.1), 1, 16));
    }
}
