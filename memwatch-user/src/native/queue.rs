//! Which of the processes that grow are followed at once: the most suspicious ones within a cap. Pure.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use crate::model::Mono;

/// Processes that are followed at once: each has an instance of the kernel's object, with 8 MB of rings and maps, and windows
/// that follow each other on one thread, of up to 0.2 s each.
pub(super) const MOST_FOLLOWED: usize = 4;
/// A process keeps its place for so long, so that some windows and the looks after them come to something.
const SHORTEST_TURN: Duration = Duration::from_secs(60);
/// Another one takes its place if it grows so many times as fast: two that grow alike would take turns for nothing.
const MUCH_FASTER: f64 = 1.5;

/// A process that may be followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Suspect {
    pub(super) pid: u32,
    /// Bytes a second; 0 if it does not grow.
    pub(super) growth: f64,
    /// Since when it is followed, if it is.
    pub(super) followed: Option<Mono>,
}

/// Those that are to be followed from `now` on.
pub(super) fn choose(now: Mono, suspects: &[Suspect]) -> BTreeSet<u32> {
    let is_fresh = |suspect: &Suspect| suspect.followed.is_some_and(|since| now.since(since) < SHORTEST_TURN);
    let weight = |suspect: &Suspect| suspect.growth * suspect.followed.map_or(1.0, |_| MUCH_FASTER);
    let mut order: Vec<&Suspect> =
        suspects.iter().filter(|one| one.growth > 0.0 || one.followed.is_some()).collect();
    order.sort_by(|one, other| {
        let rank = |suspect: &Suspect| (Reverse(is_fresh(suspect)), Reverse(suspect.growth > 0.0));
        rank(one).cmp(&rank(other)).then(weight(other).total_cmp(&weight(one)))
    });
    order.into_iter().take(MOST_FOLLOWED).map(|suspect| suspect.pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Mono = Mono(1_000_000_000_000);

    fn suspect(pid: u32, growth: f64, followed: Option<Mono>) -> Suspect {
        Suspect { pid, growth, followed }
    }

    fn chosen(suspects: &[Suspect]) -> Vec<u32> {
        choose(LATER, suspects).into_iter().collect()
    }

    #[test]
    fn the_most_suspicious_are_followed_however_many_there_are() {
        let hundred: Vec<Suspect> = (1..=100).map(|pid| suspect(pid, f64::from(pid), None)).collect();
        assert_eq!(chosen(&hundred), [97, 98, 99, 100]);
        assert_eq!(chosen(&[suspect(1, 0.0, None)]), [0; 0], "who does not grow is left alone");
    }

    #[test]
    fn a_place_is_kept_for_a_while_and_then_goes_to_who_grows_much_faster() {
        let follow = |since: Mono| {
            let mut suspects: Vec<Suspect> = (1..=4).map(|pid| suspect(pid, 10.0, Some(since))).collect();
            suspects.push(suspect(5, 14.0, None));
            suspects
        };
        let long_ago = Mono(0);
        assert_eq!(chosen(&follow(LATER)), [1, 2, 3, 4]);
        assert_eq!(chosen(&follow(long_ago)), [1, 2, 3, 4], "not much faster");
        let mut suspects = follow(long_ago);
        suspects[4].growth = 16.0;
        suspects[2].growth = 9.0;
        assert_eq!(chosen(&suspects), [1, 2, 4, 5]);
        suspects[2].followed = Some(LATER);
        assert!(chosen(&suspects).contains(&3), "its turn has just begun");
    }

    #[test]
    fn who_has_stopped_growing_makes_room_only_where_somebody_waits() {
        let stopped = suspect(1, 0.0, Some(Mono(0)));
        assert_eq!(chosen(&[stopped]), [1]);
        let others: Vec<Suspect> = (2..=5).map(|pid| suspect(pid, 1.0, None)).collect();
        assert_eq!(chosen(&[&[stopped][..], &others].concat()), [2, 3, 4, 5]);
    }
}
