//! Reads a target from outside, one reading at a time: that of a large process takes tenths of a second, so it is taken
//! beside the loop that takes in events. One that has done nothing since is left alone.

use std::{sync::Arc, time::Duration};

use memwatch_common::outside::OutsideLayout;

use super::features::{Feature, FeatureChange, FeatureState};
use crate::{
    host::{cgroup::MemoryCgroup, clock},
    model::{Mono, Reading, Resident},
    sample::{
        Request, Sampler,
        activity::{Activity, State},
    },
    series::Budget,
};

/// A scrape that is to be taken.
pub(crate) struct ScrapeJob {
    sampler: Reader,
    request: Request,
    /// How much there may be to find by reading it thoroughly: more is more urgent, 0 is nothing.
    pub(super) urgency: f64,
    /// What that will take by what it took.
    pub(super) details_take: Duration,
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
    /// What reading it thoroughly took, if it was.
    pub(super) took: Option<Duration>,
}

impl ScrapeJob {
    /// Takes it.
    pub(crate) fn run(self) -> Scrape {
        let mut sampler = match self.sampler {
            Reader::Known(sampler) => sampler,
            Reader::Anew(of) => Box::new(Sampler::new(of.pid, of.cgroup, of.outside)),
        };
        let reading = sampler.read(clock::now(), &self.request);
        let took = self.request.is_thorough.then(|| sampler.details_took());
        Scrape { sampler, reading, took }
    }

    pub(super) fn be_thorough(&mut self) {
        self.request.is_thorough = true;
    }

    #[cfg(test)]
    pub(super) fn is_thorough(&self) -> bool {
        self.request.is_thorough
    }

    /// One that reads our own process.
    #[cfg(test)]
    pub(super) fn of_us(urgency: f64, details_take: Duration) -> Self {
        let of = Of { pid: std::process::id(), cgroup: None, outside: OutsideLayout::UNKNOWN };
        Self { sampler: Reader::Anew(of), request: Request::default(), urgency, details_take }
    }
}

/// What one target's scrapes have shown.
pub(crate) struct Scraper {
    of: Of,
    /// Away while a scrape is being taken.
    reader: Option<Reader>,
    activity: Activity,
    /// The last resident set by use, and when it was read: it is not read each time.
    resident: Option<(Mono, Resident)>,
    /// The last size of all of it.
    rss: Option<u64>,
    /// When it was last read thoroughly, or was found, and what that took.
    thorough: (Mono, Duration),
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
        let (activity, thorough) = (Activity::of(pid), (clock::now(), Duration::ZERO));
        Self {
            of: Of { pid, cgroup, outside },
            reader,
            activity,
            resident: None,
            rss: None,
            thorough,
            native,
        }
    }

    /// The next scrape, unless one is under way or the target has done nothing since the last. `request` is what there is to read
    /// without being thorough.
    pub(crate) fn next(&mut self, now: Mono, request: impl FnOnce() -> Request) -> Option<ScrapeJob> {
        let sampler = self.reader.take()?;
        let state = self.activity.state(now);
        if state == State::Idle {
            self.reader = Some(sampler);
            return None;
        }
        let is_known = state == State::Overdue && self.resident.is_some();
        let urgency = if is_known { 0.0 } else { self.urgency(now) };
        let details_take = self.thorough.1;
        Some(ScrapeJob { sampler, request: request(), urgency, details_take })
    }

    /// How long the last thorough reading is ago, seconds, times how far off it is by now, MiB.
    fn urgency(&self, now: Mono) -> f64 {
        let known = self.resident.map(|(_, resident)| resident.total());
        let change = self.rss.unwrap_or(0).abs_diff(known.unwrap_or(0));
        now.since(self.thorough.0).as_secs_f64() * (1.0 + change as f64 / f64::from(1 << 20))
    }

    /// Takes in a scrape.
    pub(crate) fn taken(&mut self, scrape: Scrape) -> Scraped {
        let Scrape { sampler, reading, took } = scrape;
        self.rss = reading.rss;
        self.thorough = took.map_or(self.thorough, |took| (reading.at, took));
        let native = self.native.update(native(&sampler));
        self.resident = reading.resident.map(|resident| (reading.at, resident)).or(self.resident);
        let budget = Budget::of(&reading, self.resident.map(|(_, resident)| resident));
        let budget_age = self.resident.map(|(at, _)| reading.at.since(at));
        self.reader = Some(Reader::Known(sampler));
        Scraped { native, reading, budget, budget_age }
    }

    /// The scrape that was under way has failed, and what read the target went with it: the next one makes it anew.
    pub(crate) fn failed(&mut self) {
        self.reader = Some(Reader::Anew(self.of.clone()));
    }
}

/// Whether the allocator's own account of native memory can be read.
pub(crate) fn native(sampler: &Sampler) -> FeatureState {
    sampler.no_books().map_or(FeatureState::On, |why| FeatureState::Off(Arc::clone(why).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_again_after_a_scrape_that_failed() {
        let (pid, outside) = (std::process::id(), OutsideLayout::UNKNOWN);
        let mut scraper = Scraper::new(pid, None, outside, Sampler::new(pid, None, outside));
        let mut minute = 0;
        let mut next = |scraper: &mut Scraper| {
            minute += 1;
            scraper.next(Mono(minute * 60_000_000_000), Request::default)
        };
        let lost = next(&mut scraper);
        assert!(lost.is_some() && next(&mut scraper).is_none());
        scraper.failed();
        let scrape = next(&mut scraper).unwrap().run();
        assert!(scraper.taken(scrape).reading.rss.is_some_and(|rss| rss > 0));
        assert!(next(&mut scraper).is_some());
    }

    #[test]
    fn whoever_has_grown_or_waited_is_more_urgent() {
        let (pid, outside) = (std::process::id(), OutsideLayout::UNKNOWN);
        let mut scraper = Scraper::new(pid, None, outside, Sampler::new(pid, None, outside));
        let seconds = |n: u64| Mono(n * 1_000_000_000);
        let resident = Resident { v8_heap: 100 << 20, ..Resident::default() };
        (scraper.resident, scraper.rss) = (Some((seconds(10), resident)), Some(100 << 20));
        scraper.thorough.0 = seconds(10);
        assert!((scraper.urgency(seconds(14)) - 4.0).abs() < 1e-9);
        scraper.rss = Some(110 << 20);
        assert!((scraper.urgency(seconds(12)) - 22.0).abs() < 1e-9);
    }
}
