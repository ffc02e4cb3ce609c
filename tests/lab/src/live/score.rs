//! Who was right about the live processes.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};

use super::{
    case::{self, Case},
    replay::{self, Said, Setting},
    settings::MEMWATCH,
    trace::{Trace, Truth},
};
use crate::{DAY, HOUR, score::share, stats::quantile};

/// A process that was watched, what the tool said first, and what each other detector says first.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it ran.
    pub case: Case,
    /// What was recorded.
    pub trace: Trace,
    /// The tool, live.
    pub live: Option<Said>,
    /// The others, in their order.
    pub replayed: Vec<Option<Said>>,
}

/// Whose alarms are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The tool's, live.
    Live,
    /// Of a setting.
    Replayed(usize),
}

/// Counts over some processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Leaks there were.
    pub leaks: usize,
    /// Of them alarmed at.
    pub hits: usize,
    /// Of those with a right kind.
    pub right_kind: usize,
    /// Healthy processes.
    pub healthy: usize,
    /// Of them alarmed at.
    pub false_alarms: usize,
    /// How long the healthy ones were watched, seconds.
    pub healthy_s: f64,
    /// Of each hit: seconds and mark-compacts until the alarm.
    pub delays: Vec<[f64; 2]>,
    /// Of each hit whose rate is known: bytes leaked until the alarm.
    pub bytes: Vec<f64>,
}

/// All traces there are, judged. Fails on one that cannot be read.
pub fn judge(settings: &[Setting]) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for case in case::all()? {
        for file in case.runs().map(|run| run.trace()).filter(|file| file.exists()) {
            let trace = fs::read_to_string(&file).map_err(Into::into).and_then(|text| Trace::parse(&text));
            let trace = trace.with_context(|| format!("{} is no trace", file.display()))?;
            let replayed = settings.iter().map(|setting| replay::replay(&trace, setting)).collect();
            judged.push(Judged { case: case.clone(), live: replay::live(&trace), trace, replayed });
        }
    }
    Ok(judged)
}

impl Judged {
    /// What somebody said first.
    #[must_use]
    pub fn said(&self, who: Who) -> Option<&Said> {
        match who {
            Who::Live => self.live.as_ref(),
            Who::Replayed(setting) => self.replayed.get(setting)?.as_ref(),
        }
    }

    /// How fast it leaks what its first right kind counts, bytes an hour; `None` if that is no memory.
    #[must_use]
    pub fn true_rate(&self) -> Option<f64> {
        rate_of(&self.trace.truth, self.case.kinds.first()?)
    }

    /// How far off the rate of the last `leak` of a right kind is, as a share of what is true of that kind.
    #[must_use]
    pub fn rate_error(&self) -> Option<f64> {
        let is_right = |kind: &String| self.case.kinds.contains(kind);
        let leaks = self.trace.verdicts().map(|(_, verdict)| verdict);
        let last = leaks.filter(|verdict| verdict.level == "leak" && is_right(&verdict.kind)).last()?;
        Some((last.rate? / rate_of(&self.trace.truth, &last.kind)? - 1.0).abs())
    }
}

/// Of malloc's bytes, those behind array buffers are no native leak.
fn rate_of(truth: &Truth, kind: &str) -> Option<f64> {
    match kind {
        "js-heap" => truth.rate("heap"),
        "external" => truth.rate("external"),
        "native" => Some(truth.rate("malloc")? - truth.rate("array_buffers").unwrap_or(0.0)),
        _ => None,
    }
}

impl Tally {
    /// Of somebody's alarms at `judged`; processes that are watched until they die are about forecasts.
    #[must_use]
    pub fn of(judged: &[&Judged], who: Who) -> Self {
        let mut tally = Self::default();
        for process in judged.iter().filter(|process| !process.case.to_death) {
            let said = process.said(who);
            if process.trace.run.leaks() {
                tally.leak(process, said);
            } else {
                tally.healthy += 1;
                tally.false_alarms += usize::from(said.is_some());
                tally.healthy_s += process.trace.watched_s;
            }
        }
        tally
    }

    fn leak(&mut self, process: &Judged, said: Option<&Said>) {
        self.leaks += 1;
        let Some(said) = said else { return };
        self.hits += 1;
        let is_right = |kind: &String| process.case.kinds.contains(kind);
        self.right_kind += usize::from(said.kind.as_ref().is_some_and(is_right));
        self.delays.push([said.at_s, said.mark_compacts as f64]);
        self.bytes.extend(process.true_rate().map(|rate| rate * said.at_s / HOUR));
    }

    /// Share of alarms that were right.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    /// Share of leaks that were alarmed at.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.hits, self.leaks)
    }

    /// Days for which healthy processes were watched.
    #[must_use]
    pub fn healthy_days(&self) -> f64 {
        self.healthy_s / DAY
    }

    /// Quantile of the seconds (0) or mark-compacts (1) until the alarm.
    #[must_use]
    pub fn delay(&self, of: usize, q: f64) -> Option<f64> {
        quantile(&self.delays.iter().map(|delay| delay[of]).collect::<Vec<_>>(), q)
    }
}

/// Median seconds until the tool's and until faithful memwatch's alarm, over the leaks that memwatch finds: the tool's
/// is infinite where it finds none.
#[must_use]
pub fn beside_memwatch(judged: &[&Judged]) -> Option<(f64, f64, usize)> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let leaks = |process: &&&Judged| process.trace.run.leaks() && !process.case.to_death;
    for process in judged.iter().filter(leaks) {
        if let Some(said) = process.said(Who::Replayed(MEMWATCH)) {
            theirs.push(said.at_s);
            ours.push(process.live.as_ref().map_or(f64::INFINITY, |said| said.at_s));
        }
    }
    Some((quantile(&ours, 0.5)?, quantile(&theirs, 0.5)?, ours.len()))
}

/// By right kind, how often each kind was said first; `none` where no leak was called. Of healthy processes the right
/// kind is `none`.
#[must_use]
pub fn confusion(judged: &[&Judged]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    let none = || "none".to_owned();
    for process in judged {
        let leaks = process.trace.run.leaks();
        let right = process.case.kinds.first().filter(|_| leaks).cloned().unwrap_or_else(none);
        let said = process.live.as_ref().and_then(|said| said.kind.clone()).unwrap_or_else(none);
        // Where several kinds are right, the one that was said is.
        let right = if leaks && process.case.kinds.contains(&said) { said.clone() } else { right };
        *counts.entry((right, said)).or_default() += 1;
    }
    counts
}

/// Over processes that died: how many, and of the forecasts in force at each tenth of their watched life, how many there
/// were and how many held the moment of death between their ends.
#[must_use]
pub fn forecasts(judged: &[&Judged]) -> (usize, usize, usize) {
    let (mut runs, mut made, mut right) = (0, 0, 0);
    for process in judged.iter().filter(|process| process.case.to_death) {
        let Some(death) = process.trace.death_s() else { continue };
        runs += 1;
        for tenth in 1..10 {
            let now = death * f64::from(tenth) / 10.0;
            let said = process.trace.verdicts().take_while(|(at, _)| *at <= now);
            let leak = said.filter(|(_, verdict)| verdict.kind == process.case.kinds[0]).last();
            let Some((at, verdict)) = leak.filter(|(_, verdict)| verdict.level == "leak") else { continue };
            made += 1;
            let holds =
                |low: f64, high: Option<f64>| at + low <= death && high.is_none_or(|high| death <= at + high);
            right += usize::from(verdict.left[0].is_some_and(|low| holds(low, verdict.left[1])));
        }
    }
    (runs, made, right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MIB,
        live::{page, settings},
    };

    /// What a leak has grown by between the twin's two looks, at least: 2 MiB and a tenth, or so many of a thing.
    fn grew(truth: &Truth) -> bool {
        truth.counters.iter().any(|(counter, [quarter, end])| {
            let growth = end.saturating_sub(*quarter) as f64;
            match counter.as_str() {
                "heap" | "external" | "malloc" => growth > (2.0 * MIB).max(*quarter as f64 / 10.0),
                "fds" => growth >= 32.0,
                "threads" => growth >= 16.0,
                _ => false,
            }
        })
    }

    #[test]
    fn every_trace_is_what_its_name_says() {
        for process in judge(&[]).unwrap() {
            let name = process.trace.run.name();
            let text = fs::read_to_string(process.trace.run.trace()).unwrap();
            assert_eq!(process.trace.to_text(), text, "{name}");
            let leaks = process.trace.run.leaks() && !process.case.to_death;
            assert_eq!(grew(&process.trace.truth), leaks, "{name}: {:?}", process.trace.truth);
            assert!(process.trace.readings().count() > 60, "{name}");
        }
    }

    fn judged(variant: &str, said: &str) -> Judged {
        let verdict = format!("v,30000,1,leak,{said},1100,,,20,60,heap-limit\n");
        let text = format!(
            "# case: a\n# variant: {variant}\n# node: 20.20.2\n# watched_s: 100\n# truth_s: 3600\n\
             # truth heap: 1000 2000\n# columns: rss\nf,1000,1,9,90,10,,\n{}e,80000,exit\n",
            if said.is_empty() { "" } else { &verdict }
        );
        let trace = Trace::parse(&text).unwrap();
        let case = case::all().unwrap().into_iter().find(|case| case.kinds == ["js-heap"]).unwrap();
        Judged { case, live: replay::live(&trace), trace, replayed: vec![None; settings::all().len()] }
    }

    #[test]
    fn right_and_wrong_are_told_apart() {
        let all = [
            judged("leaky", "js-heap"),
            judged("leaky", "native"),
            judged("leaky", ""),
            judged("fixed", "fds"),
        ];
        let set: Vec<&Judged> = all.iter().collect();
        let tally = Tally::of(&set, Who::Live);
        assert_eq!((tally.leaks, tally.hits, tally.right_kind, tally.false_alarms), (3, 2, 1, 1));
        assert!(
            (tally.precision() - 2.0 / 3.0).abs() < 1e-9 && (tally.healthy_days() * DAY - 100.0).abs() < 1e-9
        );
        assert!((all[0].rate_error().unwrap() - 0.1).abs() < 1e-9 && all[1].rate_error().is_none());
        let count = |right: &str, said: &str| confusion(&set)[&(right.to_owned(), said.to_owned())];
        assert_eq!((count("js-heap", "native"), count("none", "fds"), count("js-heap", "none")), (1, 1, 1));
        assert!(page::sections(&all, &settings::all(), &[]).contains("0.67"));
    }

    #[test]
    fn a_forecast_holds_if_death_is_between_its_ends() {
        let mut dying = judged("leaky", "js-heap");
        dying.case.to_death = true;
        // Said at 30 s: between 50 and 90 s. It died at 80 s, and the tenths from 32 s on have a forecast.
        assert_eq!(forecasts(&[&dying]), (1, 6, 6));
    }
}
