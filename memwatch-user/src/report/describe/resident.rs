//! What became of the resident set while it was watched, in words.

use super::parts;
use crate::report::record::Memory;
use crate::units::{bytes, change};

/// How many parts are named.
const PARTS: usize = 3;
/// Parts that changed by less than this share of the resident set are not named.
const SMALLEST: f64 = 0.01;

/// `resident set 62.1 → 190.4 MB: V8 heap +125.1 MB, malloc +2.4 MB`; nothing if it is not known.
#[must_use]
pub(crate) fn change_of(first: &Memory, last: &Memory) -> Option<String> {
    let (before, after) = (first.rss?, last.rss?);
    let mut changes = changes(first, last);
    let threshold = SMALLEST * after as f64;
    changes.retain(|(_, change)| change.unsigned_abs() as f64 >= threshold);
    changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.unsigned_abs()));
    let named: Vec<String> = changes.iter().take(PARTS).map(|(name, change)| part(name, *change)).collect();
    let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    Some(format!("resident set {}{named}", change(before, after)))
}

/// By how much each part changed; what was not known at first counts from nothing.
fn changes(first: &Memory, last: &Memory) -> Vec<(&'static str, i64)> {
    let before = parts(first);
    let before = |name: &str| before.iter().find(|(part, _)| *part == name).map(|(_, size)| *size);
    parts(last).into_iter().map(|(name, size)| (name, size - before(name).unwrap_or(0))).collect()
}

fn part(name: &str, change: i64) -> String {
    let sign = if change < 0 { "−" } else { "+" };
    format!("{name} {sign}{}", bytes(change.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(rss: u64, heap: u64, files: u64) -> Memory {
        let unexplained = Some((rss - heap - files).cast_signed());
        Memory {
            rss: Some(rss),
            v8_heap: Some(heap),
            mapped_files: Some(files),
            unexplained,
            ..Memory::default()
        }
    }

    #[test]
    fn what_changed_is_named_largest_first() {
        let (first, last) =
            (memory(62_100_000, 20_000_000, 40_000_000), memory(190_400_000, 150_000_000, 38_000_000));
        let expected = "resident set 62.1 → 190.4 MB: V8 heap +130.0 MB, files −2.0 MB";
        assert_eq!(change_of(&first, &last).as_deref(), Some(expected));
        assert_eq!(change_of(&first, &first).as_deref(), Some("resident set 62.1 → 62.1 MB"));
        assert_eq!(change_of(&Memory::default(), &last), None);
    }
}
