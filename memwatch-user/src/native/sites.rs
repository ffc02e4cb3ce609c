//! What becomes of each call site's blocks: the share that is still there at each age, and what that amounts to. Pure.

use std::{collections::HashMap, time::Duration};

use crate::model::{self, Frame};

/// The ages at which a sampled block is looked at. The first look, when its window closes, is for what was freed at once:
/// such a block is soon another's. The second takes note of its bytes, which were being written until then.
pub const AGES: [Duration; 12] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_secs(2),
    Duration::from_secs(6),
    Duration::from_secs(12),
    Duration::from_secs(24),
    Duration::from_secs(48),
    Duration::from_secs(96),
    Duration::from_secs(192),
    Duration::from_secs(384),
    Duration::from_secs(768),
    Duration::from_secs(1536),
];
/// Nothing younger is held against a site: a cache of some seconds looks like a leak until then.
const YOUNGEST_AGE: usize = 3;
/// Fewer blocks of an age say nothing of a site.
const FEWEST: u64 = 4;
/// So many of an age are preferred to fewer that are older.
const ENOUGH: u64 = 12;
/// A site whose blocks are mostly freed is none that holds memory. Blocks that were freed before the first look, and whose
/// bytes stayed as they were, are up to 2.5 % of a site's (measured), hence a share and not a count.
const LEAST_LIVE: f64 = 0.5;
/// A site that windows met as often as it was met, and then did not for so long, has stopped: the probability of that if
/// it had gone on. Without this a cache that has filled would be held against its site for good.
const CHANCE: f64 = 1e-3;
/// Sites that are told apart; the samples of further ones are left out.
const MOST_SITES: usize = 4096;
/// 97.5 % point of the normal distribution.
const Z: f64 = 1.96;

/// Which blocks a window saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Those of the slow path.
    Misses,
    /// All.
    All,
}

/// What looks found, of blocks of one age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Unchanged: still there.
    pub live: u64,
    /// Freed.
    pub freed: u64,
    /// Changed: there, or freed.
    pub changed: u64,
}

impl Found {
    fn total(self) -> u64 {
        self.live + self.freed + self.changed
    }
}

/// The calls that led to a block.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Key of the innermost.
    pub call_site: u64,
    /// Of native code, innermost first.
    pub frames: &'a [u64],
    /// Those of them that tell its site from others.
    pub key: &'a [u64],
    /// Of JavaScript before that, innermost first; the innermost of the user's tells its site from others.
    pub callers: &'a [Frame],
}

/// What tells a site from others: addresses, and file, line and function of the JavaScript that called. Neither changes when
/// V8 compiles a function anew or moves it.
pub(super) type Key = (Vec<u64>, Option<(Option<String>, Option<u32>, Option<String>)>);

impl Call<'_> {
    /// What it has in common with the other calls of its site.
    pub(super) fn site_key(&self) -> Key {
        let place = |frame: &Frame| (frame.file.clone(), frame.line, frame.function.clone());
        (self.key.to_vec(), self.callers.get(model::origin(self.callers)).map(place))
    }
}

/// What a call site handed out in windows of one kind; several sites may share it.
#[derive(Clone, Copy, Debug, Default)]
struct HandedOut {
    /// Bytes, as the kernel side counted them.
    counted: f64,
    /// The same, as its samples have it.
    sampled: f64,
}

/// One place that blocks come from.
#[derive(Clone, Debug, Default)]
struct Site {
    /// Key of its call site.
    call: u64,
    frames: Vec<u64>,
    callers: Vec<Frame>,
    misses: Blocks,
    all: Blocks,
}

/// Its blocks in windows of one kind.
#[derive(Clone, Debug, Default)]
struct Blocks {
    /// Bytes that were handed out.
    bytes: f64,
    /// What became of the sampled ones, by age.
    found: [Found; AGES.len()],
    /// Numbers of the first and the last window that met the site, and how many did.
    first: u32,
    last: u32,
    met: u32,
}

impl Blocks {
    /// Takes in bytes that the window of this number saw.
    fn add(&mut self, bytes: f64, window: u32) {
        self.bytes += bytes;
        if self.met == 0 {
            self.first = window;
        }
        if self.met == 0 || self.last != window {
            self.last = window;
            self.met += 1;
        }
    }

    /// Whether the site hands out no more, after so many windows in all.
    fn has_stopped(&self, windows: u32) -> bool {
        let span = f64::from(self.last - self.first) + 2.0;
        let missed = f64::from(windows.saturating_sub(self.last));
        self.met == 0 || (1.0 - f64::from(self.met) / span).powf(missed) < CHANCE
    }
}

impl Site {
    fn blocks(&mut self, seen: Seen) -> &mut Blocks {
        match seen {
            Seen::Misses => &mut self.misses,
            Seen::All => &mut self.all,
        }
    }
}

/// What a site amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The JavaScript that called, innermost first.
    pub callers: Vec<Frame>,
    /// The calls that led there, innermost first: addresses.
    pub frames: Vec<u64>,
    /// Bytes a second that are handed out and not freed.
    pub bytes_per_s: f64,
    /// Its share of what all sites keep, 0 to 1.
    pub share: f64,
    /// The probability that a block is still there.
    pub live: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// Blocks behind it, all of the age below.
    pub n: u64,
    /// The oldest age of which there are enough blocks.
    pub age: Duration,
}

/// Windows of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Windows {
    count: u32,
    length_s: f64,
}

/// All sites of one process.
#[derive(Debug, Default)]
pub struct Sites {
    known: Vec<Site>,
    index: HashMap<Key, usize>,
    calls: HashMap<u64, [HandedOut; 2]>,
    misses: Windows,
    all: Windows,
    /// Samples of sites beyond the limit: lost.
    pub left_out: u64,
}

impl Sites {
    /// Takes in a sample of the last window that stands for `bytes`. Returns the site's number.
    pub fn sample(&mut self, call: Call<'_>, seen: Seen, bytes: f64) -> Option<usize> {
        self.calls.entry(call.call_site).or_default()[seen as usize].sampled += bytes;
        let key = call.site_key();
        let number = match self.index.get(&key) {
            Some(number) => *number,
            None if self.known.len() >= MOST_SITES => {
                self.left_out += 1;
                return None;
            }
            None => {
                let (frames, callers) = (call.frames.to_vec(), call.callers.to_vec());
                self.known.push(Site { call: call.call_site, frames, callers, ..Site::default() });
                self.index.insert(key, self.known.len() - 1);
                self.known.len() - 1
            }
        };
        let window = self.windows(seen).count;
        self.known.get_mut(number)?.blocks(seen).add(bytes, window);
        Some(number)
    }

    /// Those that have been sampled, each once.
    #[must_use]
    pub fn call_sites(&self) -> Vec<u64> {
        self.calls.keys().copied().collect()
    }

    /// The site that a call belongs to.
    #[must_use]
    pub fn find(&self, call: Call<'_>) -> Option<usize> {
        self.index.get(&call.site_key()).copied()
    }

    /// Takes in how many bytes a call site handed out in the last window.
    pub fn counted(&mut self, call_site: u64, seen: Seen, bytes: f64) {
        self.calls.entry(call_site).or_default()[seen as usize].counted += bytes;
    }

    /// Bytes that a site handed out in all windows of a kind. Those of its call site are counted; where it shares that with
    /// others, its part is what its samples say.
    #[must_use]
    pub fn bytes(&self, site: usize, seen: Seen) -> f64 {
        self.known.get(site).map_or(0.0, |site| self.handed_out(site, seen))
    }

    fn handed_out(&self, site: &Site, seen: Seen) -> f64 {
        let call = self.calls.get(&site.call).map_or(HandedOut::default(), |calls| calls[seen as usize]);
        let blocks = match seen {
            Seen::Misses => &site.misses,
            Seen::All => &site.all,
        };
        if call.sampled > 0.0 { blocks.bytes * call.counted / call.sampled } else { 0.0 }
    }

    /// Takes in a window's length, less what its traps took.
    pub fn window(&mut self, seen: Seen, length_s: f64) {
        let windows = self.windows(seen);
        windows.count += 1;
        windows.length_s += length_s;
    }

    fn windows(&mut self, seen: Seen) -> &mut Windows {
        match seen {
            Seen::Misses => &mut self.misses,
            Seen::All => &mut self.all,
        }
    }

    /// The counts of one site at one age, to be added to.
    pub(super) fn found(&mut self, site: usize, seen: Seen, age: usize) -> Option<&mut Found> {
        self.known.get_mut(site)?.blocks(seen).found.get_mut(age)
    }

    /// Sites whose blocks stay, by what they keep, largest first. Those that have stopped are left out, unless all have.
    #[must_use]
    pub fn holding(&self) -> Vec<Estimate> {
        let (ended, current): (Vec<&Site>, Vec<&Site>) =
            self.known.iter().partition(|site| self.has_stopped(site));
        let estimates =
            |sites: Vec<&Site>| sites.into_iter().filter_map(|site| self.estimate(site)).collect();
        let mut estimates: Vec<Estimate> = Some(estimates(current))
            .filter(|current: &Vec<Estimate>| !current.is_empty())
            .unwrap_or_else(|| estimates(ended));
        let total: f64 = estimates.iter().map(|estimate| estimate.bytes_per_s).sum();
        for estimate in &mut estimates {
            estimate.share = if total > 0.0 { estimate.bytes_per_s / total } else { 0.0 };
        }
        estimates.sort_by(|a, b| b.bytes_per_s.total_cmp(&a.bytes_per_s));
        estimates
    }

    fn has_stopped(&self, site: &Site) -> bool {
        site.all.has_stopped(self.all.count) && site.misses.has_stopped(self.misses.count)
    }

    /// How many sites change their blocks so that it cannot be told whether they are freed.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        let is_uncertain = |site: &&Site| {
            let found = site.all.found[YOUNGEST_AGE];
            found.total() >= FEWEST && found.changed > found.live.max(found.freed)
        };
        self.known.iter().filter(is_uncertain).count()
    }

    /// Bytes a second: what windows on all blocks saw is in proportion; of a site that they hardly meet, windows on the slow
    /// path say the least that there is. The share that stays likewise: on the slow path a block that is freed at once, and
    /// then kept by somebody else who finds it in the cache, passes for one that stays.
    fn estimate(&self, site: &Site) -> Option<Estimate> {
        let in_all = oldest(&site.all);
        let (age, found) = in_all.or_else(|| oldest(&site.misses))?;
        let n = found.total();
        let live = found.live as f64 / n as f64;
        if live < LEAST_LIVE {
            return None;
        }
        let (seen, windows) = match in_all {
            Some(_) => (Seen::All, self.all),
            None => (Seen::Misses, self.misses),
        };
        let handed_out =
            if windows.length_s > 0.0 { self.handed_out(site, seen) / windows.length_s } else { 0.0 };
        Some(Estimate {
            frames: site.frames.clone(),
            callers: site.callers.clone(),
            bytes_per_s: handed_out * live,
            share: 0.0,
            live,
            interval: wilson(found.live, n),
            n,
            age,
        })
    }
}

fn oldest(blocks: &Blocks) -> Option<(Duration, Found)> {
    let of_at_least = |fewest| {
        let mut by_age = AGES.into_iter().zip(blocks.found).skip(YOUNGEST_AGE);
        by_age.rfind(|(_, found)| found.total() >= fewest)
    };
    of_at_least(ENOUGH).or_else(|| of_at_least(FEWEST))
}

/// The score interval of a share (Wilson 1927): sound for few trials and shares near 0 or 1.
#[must_use]
pub fn wilson(hits: u64, trials: u64) -> [f64; 2] {
    if trials == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests;
