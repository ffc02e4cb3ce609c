//! Names of functions as the source has them.

use crate::target::text::printable;

/// `Heap::CollectGarbage` from `_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE…`; the compiler's copies keep
/// their suffix. A name of another form is shown as it is.
pub(super) fn name(symbol: &str) -> String {
    let names = nested_names(symbol);
    let own = names.strip_prefix(&["v8", "internal"]).unwrap_or(&names);
    if own.is_empty() {
        return printable(symbol.as_bytes());
    }
    let copy = symbol.find('.').map_or("", |dot| &symbol[dot..]);
    printable(format!("{}{copy}", own.join("::")).as_bytes())
}

/// The names of a nested name of the C++ ABI: `_ZN`, perhaps `K`, then each with its length before it.
fn nested_names(symbol: &str) -> Vec<&str> {
    let Some(mut rest) = symbol.strip_prefix("_ZN") else { return Vec::new() };
    rest = rest.strip_prefix('K').unwrap_or(rest);
    let mut names = Vec::new();
    while let Some((name, after)) = split_name(rest) {
        names.push(name);
        rest = after;
    }
    names
}

fn split_name(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let length: usize = text[..digits].parse().ok()?;
    text[digits..].split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_in_the_source() {
        let cases = [
            (
                "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonE",
                "Heap::CollectGarbage",
            ),
            ("_ZNK2v88internal4Heap13SizeOfObjectsEv", "Heap::SizeOfObjects"),
            ("_ZN2v88internal4Heap8ScavengeEv.constprop.0", "Heap::Scavenge.constprop.0"),
            ("main", "main"),
            ("_ZN99xE", "_ZN99xE"),
            ("_ZN2\u{e9}xE\x1b", "\u{e9}"),
            ("_ZN3\u{e9}\u{e9}E", "_ZN3\u{e9}\u{e9}E"),
            ("_ZN", "_ZN"),
        ];
        for (symbol, expected) in cases {
            assert_eq!(name(symbol), expected);
        }
    }
}
