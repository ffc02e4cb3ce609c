//! Shows a trace to a detector: each heap to one of its own, or the resident sizes to one.

use std::collections::BTreeMap;

use memwatch_user::model::{Collection, GcKind, Mono};

use super::trace::{Event, Trace};
use crate::detectors::{Alarm, Detector};

/// What a detector is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The collections of each isolate.
    Heap,
    /// The process's resident set size, once a second.
    Rss,
}

/// Makes a detector for a heap of that limit (bytes) in a process of that age (seconds).
pub type Make = Box<dyn Fn(f64, f64) -> Box<dyn Detector>>;

/// A setting of a detector.
pub struct Setting {
    /// Its name in tables.
    pub name: String,
    /// What it is shown.
    pub feed: Feed,
    /// Makes it anew.
    pub make: Make,
}

/// The first alarm at a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Seconds after the attach.
    pub at_s: f64,
    /// Mark-compacts of all isolates until then.
    pub mark_compacts: usize,
    /// Bytes an hour, if it said that.
    pub rate: Option<f64>,
    /// The kind of memory, if it said that.
    pub kind: Option<String>,
}

/// The limit of a heap of which none was seen: that of Node on a host with plenty of memory.
const USUAL_LIMIT: f64 = 4096.0 * crate::MIB;

/// What the tool itself said first, when the trace was recorded.
#[must_use]
pub fn live(trace: &Trace) -> Option<Said> {
    let (at_s, verdict) = trace.verdicts().find(|(_, verdict)| verdict.level == "leak")?;
    let kind = Some(verdict.kind.clone());
    Some(Said { at_s, mark_compacts: mark_compacts(trace, at_s), rate: verdict.rate, kind })
}

/// What a detector says first of a trace.
#[must_use]
pub fn replay(trace: &Trace, setting: &Setting) -> Option<Said> {
    let mut shown =
        Shown { setting, age_s: trace.age_s, since: 0, limits: BTreeMap::new(), detectors: BTreeMap::new() };
    let (at, alarm) = trace.events.iter().find_map(|(at, event)| Some((*at, shown.event(*at, event)?)))?;
    let at_s = at as f64 / 1e3;
    Some(Said { at_s, mark_compacts: mark_compacts(trace, at_s), rate: alarm.rate, kind: None })
}

fn mark_compacts(trace: &Trace, until_s: f64) -> usize {
    let is_full = |event: &Event| matches!(event, Event::Collection(c) if c.kind == GcKind::MarkCompact);
    trace.events.iter().filter(|(at, event)| *at as f64 / 1e3 <= until_s && is_full(event)).count()
}

/// The detectors of one process, by isolate; zero is the process.
struct Shown<'a> {
    setting: &'a Setting,
    age_s: f64,
    /// When this process was attached to, milliseconds.
    since: u64,
    limits: BTreeMap<u64, f64>,
    detectors: BTreeMap<u64, Box<dyn Detector>>,
}

impl Shown<'_> {
    fn event(&mut self, at: u64, event: &Event) -> Option<Alarm> {
        match event {
            Event::Isolate { isolate, limit: Some(limit), .. } => {
                self.limits.insert(u64::from(*isolate), *limit as f64);
                None
            }
            Event::Collection(c) if self.setting.feed == Feed::Heap => {
                let (start, end) = (self.moment(c.start), self.moment(c.end));
                self.detector(c.heap).collection(&Collection { start, end, ..*c })
            }
            Event::Reading(reading) if self.setting.feed == Feed::Rss => {
                let at_s = (at - self.since) as f64 / 1e3;
                self.detector(0).sample(at_s, reading.rss? as f64)
            }
            Event::Restart => {
                (self.since, self.detectors, self.limits) = (at, BTreeMap::new(), BTreeMap::new());
                None
            }
            _ => None,
        }
    }

    /// Counted from the attach to this process.
    fn moment(&self, moment: Mono) -> Mono {
        Mono(moment.0.saturating_sub(self.since * 1_000_000))
    }

    fn detector(&mut self, of: u64) -> &mut dyn Detector {
        let limit = self.limits.get(&of).copied().unwrap_or(USUAL_LIMIT);
        let made = || (self.setting.make)(limit, self.age_s);
        self.detectors.entry(of).or_insert_with(made).as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::{consecutive::Consecutive, slope::Slope};

    const TEXT: &str = "\
# columns: rss\ni,0,1,seen,7,0,1000\nf,1000,1,9,90,10,,\nf,2000,1,9,90,20,,\nf,2500,2,9,90,15,,\nx,2600\nr,2700,5\n\
f,3000,1,9,90,30,,\nf,4000,1,9,90,40,,\nv,4500,1,leak,js-heap,7,,,,,\nf,5000,1,9,90,50,,\n";

    #[test]
    fn each_heap_has_a_detector_and_each_process_new_ones() {
        let trace = Trace::parse(TEXT).unwrap();
        let rising = |runs: u32| Setting {
            name: String::new(),
            feed: Feed::Heap,
            make: Box::new(move |_, _| Box::new(Consecutive::new(runs))),
        };
        let said = |runs: u32| replay(&trace, &rising(runs)).map(|said| (said.at_s, said.mark_compacts));
        assert_eq!((said(1), said(2), said(3)), (Some((2.0, 2)), Some((5.0, 6)), None));
        let live = live(&trace).unwrap();
        assert_eq!((live.at_s, live.mark_compacts, live.kind.as_deref()), (4.5, 5, Some("js-heap")));
    }

    #[test]
    fn resident_sizes_are_a_series_like_any() {
        let rows: Vec<String> = (0..20).map(|s| format!("r,{s}000,{}", 1000 + s * 100)).collect();
        let trace = Trace::parse(&format!("# columns: rss\n{}", rows.join("\n"))).unwrap();
        let make: Make = Box::new(|_, _| Box::new(Slope::new(100.0)));
        let setting = Setting { name: String::new(), feed: Feed::Rss, make };
        assert_eq!(replay(&trace, &setting).map(|said| said.at_s), Some(4.0));
    }
}
