//! Reads a target from outside, one reading at a time: that of a large process takes tenths of a second, so it is taken
//! beside the loop that takes in events.

use std::time::Duration;

use memwatch_common::outside::OutsideLayout;

use super::features::{Feature, FeatureChange, FeatureState};
use crate::{
    host::{cgroup::MemoryCgroup, clock},
    model::{Mono, Reading, Resident},
    sample::Sampler,
    series::Budget,
};

/// A scrape that is to be taken.
pub(crate) struct ScrapeJob {
    sampler: Reader,
    heaps: Vec<u64>,
}

/// What reads the target.
enum Reader {
    /// What read it before.
    Known(Box<Sampler>),
    /// That is lost: it is made anew.
    Anew(Of),
}

/// What it takes to make a reader of a target.
#[derive(Clone)]
struct Of {
    pid: u32,
    cgroup: Option<MemoryCgroup>,
    outside: OutsideLayout,
}

/// A scrape that was taken.
pub(crate) struct Scrape {
    sampler: Box<Sampler>,
    reading: Reading,
}

impl ScrapeJob {
    /// Takes it.
    pub(crate) fn run(self) -> Scrape {
        let mut sampler = match self.sampler {
            Reader::Known(sampler) => sampler,
            Reader::Anew(of) => Box::new(Sampler::new(of.pid, of.cgroup, of.outside)),
        };
        let reading = sampler.read(clock::now(), &self.heaps);
        Scrape { sampler, reading }
    }
}

/// What one target's scrapes have shown.
pub(crate) struct Scraper {
    of: Of,
    /// Away while a scrape is being taken.
    reader: Option<Reader>,
    /// The last resident set by use, and when it was read: it is not read each time.
    resident: Option<(Mono, Resident)>,
    native: Feature,
}

/// What a scrape has shown.
pub(crate) struct Scraped {
    /// The allocator's own account can be read from now on, or no more.
    pub(crate) native: Option<FeatureChange>,
    pub(crate) reading: Reading,
    /// The resident set by use.
    pub(crate) budget: Budget,
    /// How old that is.
    pub(crate) budget_age: Option<Duration>,
}

impl Scraper {
    /// Of the process `pid` in `cgroup`, which `sampler` has read so far; `outside` is the way to V8's account of what isolates
    /// hold outside of their heaps.
    pub(crate) fn new(
        pid: u32,
        cgroup: Option<MemoryCgroup>,
        outside: OutsideLayout,
        sampler: Sampler,
    ) -> Self {
        let native = Feature::new("native", &native(&sampler));
        let reader = Some(Reader::Known(Box::new(sampler)));
        Self { of: Of { pid, cgroup, outside }, reader, resident: None, native }
    }

    /// The next scrape, unless one is under way. `heaps` are the addresses of the target's heaps.
    pub(crate) fn next(&mut self, heaps: Vec<u64>) -> Option<ScrapeJob> {
        self.reader.take().map(|sampler| ScrapeJob { sampler, heaps })
    }

    /// Takes in a scrape.
    pub(crate) fn taken(&mut self, scrape: Scrape) -> Scraped {
        let Scrape { sampler, reading } = scrape;
        let off = sampler.no_books().map(ToString::to_string);
        self.resident = reading.resident.map(|resident| (reading.at, resident)).or(self.resident);
        let budget = Budget::of(&reading, self.resident.map(|(_, resident)| resident));
        let budget_age = self.resident.map(|(at, _)| reading.at.since(at));
        self.reader = Some(Reader::Known(sampler));
        Scraped { native: self.native.update(off.as_deref()), reading, budget, budget_age }
    }

    /// The scrape that was under way has failed, and what read the target went with it: the next one makes it anew.
    pub(crate) fn failed(&mut self) {
        self.reader = Some(Reader::Anew(self.of.clone()));
    }
}

/// Whether the allocator's own account of native memory can be read.
pub(crate) fn native(sampler: &Sampler) -> FeatureState {
    sampler.no_books().map_or(FeatureState::On, |why| FeatureState::Off(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_again_after_a_scrape_that_failed() {
        let (pid, outside) = (std::process::id(), OutsideLayout::UNKNOWN);
        let mut scraper = Scraper::new(pid, None, outside, Sampler::new(pid, None, outside));
        let lost = scraper.next(Vec::new());
        assert!(lost.is_some() && scraper.next(Vec::new()).is_none());
        scraper.failed();
        let scrape = scraper.next(Vec::new()).unwrap().run();
        assert!(scraper.taken(scrape).reading.rss.is_some_and(|rss| rss > 0));
        assert!(scraper.next(Vec::new()).is_some());
    }
}
