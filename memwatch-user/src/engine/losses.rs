//! What was not seen of each target, and how much of it matters for verdicts.

use std::{collections::BTreeMap, sync::Arc};

use memwatch_common::loss::{LossClass, LossReason};

use crate::{
    bpf::losses::{self, Counts},
    engine::outcome::Loss,
};

/// Losses of the whole watch, by process.
#[derive(Default)]
pub(crate) struct Losses {
    /// What the kernel side has counted.
    kernel: losses::Losses,
    /// What was lost by the collector.
    ours: losses::Losses,
    /// As last reported, by process.
    told: BTreeMap<u32, Loss>,
    /// Whether it was reported that the kernel side's counters cannot be read.
    is_blind: bool,
}

impl Losses {
    /// Counts something that is not in the report because of us; of anybody, if it is not known whose it is.
    pub(crate) fn ours(&mut self, pid: Option<u32>, reason: LossReason) {
        match pid {
            Some(pid) => self.ours.count(pid, reason, 1),
            None => self.ours.count_shared(reason, 1),
        }
    }

    /// Takes in what the kernel side says by now. Why it is not known what is lost, when that is news.
    pub(crate) fn read<E>(&mut self, kernel: Result<losses::Losses, E>) -> Option<Arc<E>> {
        let error = match kernel {
            Ok(kernel) => {
                self.kernel = kernel;
                None
            }
            Err(error) => Some(Arc::new(error)),
        };
        let is_news = error.is_some() && !self.is_blind;
        self.is_blind = error.is_some();
        error.filter(|_| is_news)
    }

    /// Those of one process.
    pub(crate) fn of(&self, pid: u32) -> Counts {
        let mut counts = self.kernel.of(pid);
        losses::add(&mut counts, self.ours.of(pid));
        counts
    }

    /// What there is to report of a process: whether more is missing than was reported, or more than twice as much was mended.
    /// Then it counts as reported.
    pub(crate) fn news(&mut self, pid: u32, counts: &Counts) -> Option<Loss> {
        let loss = loss(counts);
        let missing = |loss: &Loss| [loss.lost, loss.malformed, loss.unmatched];
        let told = self.told.entry(pid).or_default();
        let is_news = missing(&loss) != missing(told) || loss.mended > 2 * told.mended;
        is_news.then(|| {
            told.clone_from(&loss);
            loss
        })
    }

    /// A process is gone.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.kernel.forget(pid);
        self.ours.forget(pid);
        self.told.remove(&pid);
    }
}

/// The share of a target's collections that was lost, of which it had so many that were `seen`.
pub(crate) fn lost_share(counts: &Counts, seen: u64) -> f64 {
    let lost = counts.iter().filter(|(reason, _)| reason.may_be_a_collection()).map(|(_, count)| count);
    let lost: u64 = lost.sum();
    lost as f64 / (lost + seen).max(1) as f64
}

/// As a record.
fn loss(counts: &Counts) -> Loss {
    let mut loss = Loss::default();
    for (reason, count) in counts {
        *match reason.class() {
            LossClass::Lost => &mut loss.lost,
            LossClass::Unmatched => &mut loss.unmatched,
            LossClass::Malformed => &mut loss.malformed,
            LossClass::Mended => &mut loss.mended,
        } += count;
        *loss.reasons.entry(reason.name().to_owned()).or_default() += count;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_at_once_and_what_was_mended_when_it_has_doubled() {
        let mut losses = Losses::default();
        for (direct, unknown, news) in [
            (0, 0, false),
            (1, 0, true),
            (2, 0, false),
            (3, 0, true),
            (6, 0, false),
            (6, 1, true),
            (12, 1, false),
            (13, 1, true),
        ] {
            let mut counts = Counts::new();
            losses::add(&mut counts, [(LossReason::DirectCall, direct), (LossReason::NoExitFrame, unknown)]);
            let told = losses.news(1, &counts);
            assert_eq!(told.is_some(), news, "{direct} {unknown}");
            assert!(told.is_none_or(|told| (told.mended, told.malformed) == (direct, unknown)));
        }
        assert_eq!(losses.news(2, &Counts::new()), None, "another target lost nothing");
    }

    #[test]
    fn samples_that_are_lost_are_no_collections() {
        let counts = |reason| Counts::from([(reason, 30)]);
        assert!((lost_share(&counts(LossReason::RingFull), 10) - 0.75).abs() < 1e-9);
        for reason in [LossReason::SamplersFull, LossReason::StacksFull, LossReason::NoCollector] {
            assert!(lost_share(&counts(reason), 10).abs() < 1e-9, "{reason:?}");
        }
    }

    #[derive(Debug, PartialEq, Eq)]
    struct NoSuchMap;

    #[test]
    fn counters_that_cannot_be_read_are_an_error_and_not_nothing_lost() {
        let mut losses = Losses::default();
        let mut kernel = losses::Losses::default();
        kernel.count(1, LossReason::RingFull, 3);
        assert_eq!(losses.read(Ok::<_, NoSuchMap>(kernel)), None);
        assert_eq!(losses.read(Err(NoSuchMap)), Some(Arc::new(NoSuchMap)));
        assert_eq!(losses.read(Err(NoSuchMap)), None, "it is reported once");
        assert_eq!(losses.of(1), Counts::from([(LossReason::RingFull, 3)]), "what was known stays known");
    }
}
