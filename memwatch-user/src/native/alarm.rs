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
pub struct Alarm {
    highest: u64,
    highest_break: u64,
    news: Option<Mono>,
}

impl Alarm {
    /// Takes in a reading: anonymous bytes, and where the heap ends that `brk` makes. Whether there is reason to look.
    pub fn reading(&mut self, now: Mono, anonymous: Option<u64>, program_break: Option<u64>) -> bool {
        let first = self.highest == 0;
        let (anonymous, program_break) = (anonymous.unwrap_or(0), program_break.unwrap_or(0));
        let grown = anonymous >= self.highest + STEP_BYTES || program_break > self.highest_break;
        if grown {
            self.highest = self.highest.max(anonymous);
            self.highest_break = self.highest_break.max(program_break);
            if !first {
                self.news = Some(now);
            }
        }
        self.news.is_some_and(|news| now.since(news) < LASTS)
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
    fn the_heap_of_brk_is_seen_before_its_pages_are_touched() {
        let mut alarm = Alarm::default();
        assert!(!alarm.reading(at(0), Some(1 << 20), Some(100)));
        assert!(alarm.reading(at(1), Some(1 << 20), Some(101)));
    }
}
