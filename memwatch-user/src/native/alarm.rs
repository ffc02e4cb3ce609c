//! Does the process take more anonymous memory than it ever had? Read from /proc, so that one that does not pays nothing.
//! Pure.

use std::time::Duration;

use crate::model::Mono;

/// How much more is news: a page table's noise is less, and 10 KB/s take 13 s for it.
const STEP_BYTES: u64 = 128 << 10;
/// For how long news keep us looking.
const LASTS: Duration = Duration::from_secs(90);

/// What is known of a process's growth.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm {
    highest: u64,
    highest_break: u64,
    news: Option<Mono>,
    /// When it began to grow, and from what height.
    began: Option<(Mono, u64)>,
}

impl Alarm {
    /// Takes in a reading: anonymous bytes, and where the heap ends that `brk` makes. Whether there is reason to look.
    pub(crate) fn reading(&mut self, now: Mono, anonymous: Option<u64>, program_break: Option<u64>) -> bool {
        let (first, before) = (self.highest == 0, self.highest);
        let (anonymous, program_break) = (anonymous.unwrap_or(0), program_break.unwrap_or(0));
        let grown = anonymous >= self.highest + STEP_BYTES || program_break > self.highest_break;
        if grown {
            self.highest = self.highest.max(anonymous);
            self.highest_break = self.highest_break.max(program_break);
            if !first {
                self.news = Some(now);
            }
        }
        let alarmed = self.news.is_some_and(|news| now.since(news) < LASTS);
        if alarmed {
            self.began.get_or_insert((now, before));
        } else {
            self.began = None;
        }
        alarmed
    }

    /// Whether a reading is above what there was so far, by however little.
    #[must_use]
    pub(crate) fn is_higher(&self, anonymous: Option<u64>, program_break: Option<u64>) -> bool {
        anonymous > Some(self.highest) || program_break > Some(self.highest_break)
    }

    /// How fast it has grown since it began to, bytes a second.
    #[must_use]
    pub(crate) fn growth(&self, now: Mono) -> f64 {
        let Some((began, before)) = self.began else { return 0.0 };
        self.highest.saturating_sub(before) as f64 / now.since(began).as_secs_f64().max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn only_a_new_height_is_news_and_it_wears_off() {
        let mut alarm = Alarm::default();
        let mib = |number: u64| Some(number << 20);
        for (second, anonymous, expected) in
            [(0, 50, false), (1, 50, false), (2, 51, true), (60, 40, true), (92, 51, false), (93, 52, true)]
        {
            assert_eq!(alarm.reading(at(second), mib(anonymous), Some(1)), expected, "second {second}");
        }
    }

    #[test]
    fn how_fast_it_grows_is_told_from_where_it_began() {
        let mut alarm = Alarm::default();
        for second in 0..=30 {
            alarm.reading(at(second), Some(100 << 20), None);
        }
        assert!(alarm.growth(at(30)) == 0.0 && !alarm.is_higher(Some(100 << 20), None));
        for second in 31..=41 {
            alarm.reading(at(second), Some((100 + (second - 30)) << 20), None);
        }
        let growth = alarm.growth(at(41)) / f64::from(1 << 20);
        assert!((growth - 1.1).abs() < 1e-9 && alarm.is_higher(Some(112 << 20), None), "{growth}");
        alarm.reading(at(200), Some(111 << 20), None);
        assert!(alarm.growth(at(200)) == 0.0);
    }

    #[test]
    fn the_heap_of_brk_is_seen_before_its_pages_are_touched() {
        let mut alarm = Alarm::default();
        assert!(!alarm.reading(at(0), Some(1 << 20), Some(100)));
        assert!(alarm.reading(at(1), Some(1 << 20), Some(101)));
    }
}
