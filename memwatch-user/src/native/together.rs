//! Blocks of malloc and direct mappings as one list. Pure.

use std::cmp::Reverse;

use super::Holder;
use crate::v8::symbols::takes_array_buffers;

/// Holders that are told.
const MOST: usize = 20;

/// Who holds native memory, largest first. Shares are of all that either holds: those that came were of one of them.
#[must_use]
pub fn together(malloc: Vec<Holder>, direct: Vec<Holder>) -> Vec<Holder> {
    let wholes = [whole(&malloc), whole(&direct)];
    let total: f64 = wholes.iter().sum();
    let scaled = |holders: Vec<Holder>, whole: f64| {
        let part = if total > 0.0 { whole / total } else { 0.0 };
        holders.into_iter().map(move |holder| Holder {
            share: holder.share * part,
            interval: holder.interval.map(|ends| ends.map(|end| end * part)),
            ..holder
        })
    };
    let mut all: Vec<Holder> = scaled(malloc, wholes[0]).chain(scaled(direct, wholes[1])).collect();
    all.sort_by_key(|holder| Reverse(holder.bytes));
    all.truncate(MOST);
    all
}

/// Those who hold array buffers; shares are of what they hold.
#[must_use]
pub fn of_array_buffers(mut holders: Vec<Holder>) -> Vec<Holder> {
    holders.retain(|holder| {
        holder.frames.iter().filter_map(|frame| frame.function.as_deref()).any(takes_array_buffers)
    });
    let all: f64 = holders.iter().map(|holder| holder.share).sum();
    let scaled = |share: f64| if all > 0.0 { (share / all).min(1.0) } else { 0.0 };
    for holder in &mut holders {
        holder.share = scaled(holder.share);
        holder.interval = holder.interval.map(|ends| ends.map(scaled));
    }
    holders
}

/// What all of them hold, those that are not told included.
fn whole(holders: &[Holder]) -> f64 {
    let largest = holders.iter().max_by_key(|holder| holder.bytes).filter(|holder| holder.share > 0.0);
    largest.map_or(0.0, |holder| holder.bytes as f64 / holder.share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{native::Frame, vocabulary::TakenBy};

    fn holder(by: TakenBy, bytes: u64, share: f64) -> Holder {
        let interval = Some([share / 2.0, share]);
        Holder { by, bytes, share, interval, n: 1, frames: Vec::new(), callers: Vec::new() }
    }

    #[test]
    fn array_buffers_have_their_own_shares() {
        let called = |function: &str, bytes, share| {
            let frame = Frame { function: Some(function.to_owned()), ..Frame::default() };
            Holder { frames: vec![frame], ..holder(TakenBy::Malloc, bytes, share) }
        };
        let found = of_array_buffers(vec![
            called("v8::internal::Zone::Expand", 100, 0.5),
            called("node::NodeArrayBufferAllocator::Allocate", 60, 0.3),
            called("v8::internal::BackingStore::Allocate", 20, 0.1),
        ]);
        let told: Vec<_> = found.iter().map(|one| (one.bytes, (one.share * 100.0).round())).collect();
        assert_eq!(told, [(60, 75.0), (20, 25.0)]);
    }

    #[test]
    fn shares_are_of_all() {
        let malloc = vec![holder(TakenBy::Malloc, 200, 0.5), holder(TakenBy::Malloc, 100, 0.25)];
        let direct = vec![holder(TakenBy::Mmap, 600, 1.0)];
        let all = together(malloc.clone(), direct);
        let told: Vec<_> = all.iter().map(|one| (one.by, one.bytes, one.share, one.interval)).collect();
        let expected = [
            (TakenBy::Mmap, 600, 0.6, Some([0.3, 0.6])),
            (TakenBy::Malloc, 200, 0.2, Some([0.1, 0.2])),
            (TakenBy::Malloc, 100, 0.1, Some([0.05, 0.1])),
        ];
        assert_eq!(told, expected);
        assert_eq!(together(malloc.clone(), Vec::new()), malloc);
        assert_eq!(together(Vec::new(), Vec::new()), []);
    }
}
