//! Our detector as the tool runs it: judged after every mark-compact.

use std::time::Duration;

use memwatch_user::{
    detect::{Circumstances, HeapJudge, Level},
    model::{Collection, GcKind, Mono},
    series::Isolate,
    vocabulary::Question,
};

use super::{Alarm, Detector};

/// One isolate and its judge.
pub struct Ours {
    isolate: Isolate,
    judge: HeapJudge,
    circumstances: Circumstances,
}

impl Ours {
    /// For a heap of `limit` bytes in a process of `age` seconds.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size: positive, below 2^53"
    )]
    pub fn new(limit: f64, age: f64) -> Self {
        Self {
            isolate: Isolate::new(1, 1, false, Mono(0), Some(limit as u64)),
            judge: HeapJudge::new(Mono(0)),
            circumstances: Circumstances { age: Duration::from_secs_f64(age), lost_share: 0.0 },
        }
    }

    /// The same without one of its tests.
    #[must_use]
    pub fn without(self, question: Question) -> Self {
        Self { judge: self.judge.without(question), ..self }
    }
}

impl Detector for Ours {
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        self.isolate.collection(c, None);
        if c.kind != GcKind::MarkCompact {
            return None;
        }
        let before = self.judge.finding().level;
        let finding = self.judge.judge(&self.isolate, c.end, &self.circumstances);
        let rises = finding.level == Level::Leak && before != Level::Leak;
        rises.then(|| Alarm { at_s: c.end.seconds(), rate: finding.rate })
    }

    fn rate(&self) -> Option<f64> {
        self.judge.finding().rate
    }

    fn forecast(&self) -> Option<(f64, Option<f64>)> {
        let finding = self.judge.finding();
        let ends = finding.exhaustion.filter(|_| finding.level == Level::Leak)?;
        Some((ends.earliest_s, ends.latest_s))
    }
}
