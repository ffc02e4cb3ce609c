//! What was not seen, and how much of it matters for verdicts.

use std::collections::BTreeMap;

use memwatch_common::loss::{LossClass, LossReason};

use super::outcome::Loss;
use crate::bpf::load::Kernel;

/// Losses of the whole watch: the kernel side counts by reason, not by process.
#[derive(Default)]
pub(crate) struct Losses {
    /// Records that the collector could not decode.
    malformed: u64,
    /// Of our own making, by reason.
    ours: BTreeMap<&'static str, u64>,
    /// As last told.
    told: Loss,
}

/// Losses so far.
pub(crate) struct Reading {
    /// All of them.
    pub(crate) loss: Loss,
    /// Those that were collections, or may have been.
    pub(crate) collections: u64,
}

impl Losses {
    /// Counts a record that could not be decoded.
    pub(crate) fn malformed(&mut self) {
        self.malformed += 1;
    }

    /// Counts something that is not in the report because of us.
    pub(crate) fn ours(&mut self, reason: &'static str) {
        *self.ours.entry(reason).or_default() += 1;
    }

    /// Asks the kernel side.
    pub(crate) fn read(&self, kernel: &Kernel) -> Reading {
        let mut loss = Loss { malformed: self.malformed, ..Loss::default() };
        let mut collections = 0;
        if self.malformed > 0 {
            loss.reasons.insert("not-understood".to_owned(), self.malformed);
        }
        for (reason, count) in &self.ours {
            loss.lost += count;
            loss.reasons.insert((*reason).to_owned(), *count);
        }
        for (reason, count) in kernel.losses().unwrap_or_default() {
            add(&mut loss, reason, count);
            if matches!(reason, LossReason::RingFull | LossReason::ThreadsFull) {
                collections += count;
            }
        }
        Reading { loss, collections }
    }

    /// Whether more is missing than was told, or more than twice as much was mended. Then it counts as told.
    pub(crate) fn is_news(&mut self, loss: &Loss) -> bool {
        let missing = |loss: &Loss| [loss.lost, loss.sampled_out, loss.malformed, loss.unmatched];
        let news = missing(loss) != missing(&self.told) || loss.mended > 2 * self.told.mended;
        if news {
            self.told = loss.clone();
        }
        news
    }
}

/// Adds `count` losses.
pub(crate) fn add(loss: &mut Loss, reason: LossReason, count: u64) {
    *match reason.class() {
        LossClass::Lost => &mut loss.lost,
        LossClass::Unmatched => &mut loss.unmatched,
        LossClass::Malformed => &mut loss.malformed,
        LossClass::Mended => &mut loss.mended,
    } += count;
    *loss.reasons.entry(reason.name().to_owned()).or_default() += count;
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
            let mut loss = Loss::default();
            add(&mut loss, LossReason::DirectCall, direct);
            add(&mut loss, LossReason::NoExitFrame, unknown);
            assert_eq!((loss.mended, loss.malformed), (direct, unknown));
            assert_eq!(losses.is_news(&loss), news, "{direct} {unknown}");
        }
    }
}
