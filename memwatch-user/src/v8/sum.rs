//! What a piece of code computes, as far as it is understood: a constant plus multiples of words of an object.

use std::{collections::BTreeMap, fmt};

/// Where a word lies, seen from an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// At an offset in the object.
    At(u32),
    /// At the second offset in the other object that the word at the first offset points at.
    Behind(u32, u32),
}

/// A constant plus multiples of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    constant: i64,
    words: BTreeMap<Place, i64>,
}

impl Sum {
    pub(super) fn constant(constant: i64) -> Self {
        Self { constant, words: BTreeMap::new() }
    }

    pub(super) fn word(place: Place) -> Self {
        Self { constant: 0, words: BTreeMap::from([(place, 1)]) }
    }

    pub(super) fn as_constant(&self) -> Option<i64> {
        self.words.is_empty().then_some(self.constant)
    }

    pub(super) fn as_word(&self) -> Option<Place> {
        match self.words.iter().next() {
            Some((place, 1)) if self.words.len() == 1 && self.constant == 0 => Some(*place),
            _ => None,
        }
    }

    /// The word at an offset from where a word points, if it is one word and a constant.
    pub(super) fn as_place_behind(&self) -> Option<Place> {
        match self.words.iter().next() {
            Some((Place::At(pointer), 1)) if self.words.len() == 1 => {
                Some(Place::Behind(*pointer, u32::try_from(self.constant).ok()?))
            }
            _ => None,
        }
    }

    pub(super) fn plus(&self, other: &Self, times: i64) -> Option<Self> {
        let mut sum = self.clone();
        sum.constant = sum.constant.checked_add(other.constant.checked_mul(times)?)?;
        for (place, count) in &other.words {
            let entry = sum.words.entry(*place).or_default();
            *entry = entry.checked_add(count.checked_mul(times)?)?;
        }
        sum.words.retain(|_, count| *count != 0);
        Some(sum)
    }

    pub(super) fn times(&self, factor: i64) -> Option<Self> {
        Self::default().plus(self, factor)
    }

    /// The two words and how often each counts, if it is a sum of two words and nothing else.
    pub(super) fn terms(&self) -> Option<[(Place, i64); 2]> {
        let mut words = self.words.iter().map(|(place, count)| (*place, *count));
        match (words.next(), words.next(), words.next(), self.constant) {
            (Some(one), Some(other), None, 0) => Some([one, other]),
            _ => None,
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.constant)?;
        for (place, count) in &self.words {
            match place {
                Place::At(offset) => write!(f, " + {count}*[{offset:#x}]")?,
                Place::Behind(pointer, offset) => write!(f, " + {count}*[[{pointer:#x}]+{offset:#x}]")?,
            }
        }
        Ok(())
    }
}
