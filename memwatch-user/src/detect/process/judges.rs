//! The judges of all series of a process, and what they claim.

use super::{
    judge::{Around, LoadCourse, SeriesJudge},
    left::Left,
    subject::{
        ANONYMOUS, DESCRIPTORS, EXTERNAL, FILES, ISOLATES, NATIVE, REMAINDER, SLACK, SOCKETS, THREADS,
    },
};
use crate::{
    detect::{
        Circumstances, Kind, Level, Unit,
        follow::{growth, rate_of},
        kinds::Claim,
    },
    model::Mono,
    series::{ProcessSeries, Series},
    vocabulary::reason::Load,
};

/// One judge a series.
#[derive(Clone, Debug)]
pub(super) struct Judges {
    isolates: SeriesJudge,
    threads: SeriesJudge,
    files: SeriesJudge,
    sockets: SeriesJudge,
    /// Where sockets cannot be told from the rest.
    descriptors: SeriesJudge,
    external: SeriesJudge,
    native: SeriesJudge,
    remainder: SeriesJudge,
    slack: SeriesJudge,
    anonymous: SeriesJudge,
}

impl Judges {
    pub(super) fn new() -> Self {
        Self {
            isolates: SeriesJudge::new(&ISOLATES),
            threads: SeriesJudge::new(&THREADS),
            files: SeriesJudge::new(&FILES),
            sockets: SeriesJudge::new(&SOCKETS),
            descriptors: SeriesJudge::new(&DESCRIPTORS),
            external: SeriesJudge::new(&EXTERNAL),
            native: SeriesJudge::new(&NATIVE),
            remainder: SeriesJudge::new(&REMAINDER),
            slack: SeriesJudge::new(&SLACK),
            anonymous: SeriesJudge::new(&ANONYMOUS),
        }
    }

    /// Lets every judge look whose series has a new point; returns whether one had.
    pub(super) fn judge(
        &mut self,
        series: &ProcessSeries,
        now: Mono,
        circumstances: &Circumstances,
        left: &Left,
    ) -> bool {
        // Isolates are counted at every reading, so no other series has a point before this one has.
        if !self.isolates.has_news(&series.isolates) {
            return false;
        }
        let loads = loads(series);
        let age_s = circumstances.age.as_secs_f64();
        let around = |left, loads| Around { now, age_s, left, loads };
        let (no_load, allocation) = (around(None, &[]), around(left.least(Unit::Count), &loads[1..]));
        self.isolates.judge(&series.isolates, &no_load);
        self.threads.judge(&series.threads, &no_load);
        self.files.judge(&series.files, &around(left.least(Unit::Count), &loads));
        self.sockets.judge(&series.sockets, &allocation);
        self.descriptors.judge(&series.descriptors, &allocation);
        let memory = around(left.least(Unit::Bytes), &loads);
        self.external.judge(&series.external, &memory);
        self.native.judge(&series.native, &memory);
        self.remainder.judge(&series.remainder, &memory);
        self.slack.judge(&series.slack, &no_load);
        self.anonymous.judge(&series.anonymous, &no_load);
        true
    }

    /// What they say, a claim a kind; the more alarming of two series that are of one kind.
    pub(super) fn claims(&self, series: &ProcessSeries) -> Vec<Claim> {
        let sockets = if series.sockets.buckets.begun() > 0 {
            (&self.sockets, &series.sockets)
        } else {
            (&self.descriptors, &series.descriptors)
        };
        let isolates = [(&self.isolates, &series.isolates), (&self.threads, &series.threads)];
        let native = [(&self.native, &series.native), (&self.remainder, &series.remainder)];
        let kinds = [
            (Kind::Isolates, more_alarming(isolates)),
            (Kind::Fds, more_alarming([(&self.files, &series.files), sockets])),
            (Kind::External, (&self.external, &series.external)),
            (Kind::Native, more_alarming(native)),
            (Kind::Fragmentation, (&self.slack, &series.slack)),
        ];
        let own = kinds.map(|(kind, (judge, series))| judge.claim(kind, series));
        own.into_iter().chain(self.load(series)).collect()
    }

    /// The rate at which all anonymous memory grows, bytes an hour; `None` unless it does.
    pub(super) fn rate_of_all_memory(&self) -> Option<[f64; 2]> {
        (self.anonymous.finding.level >= Level::Growing).then_some(self.anonymous.narrow)
    }

    /// What follows the load: of several the one that grows fastest, memory first. What follows sockets that leak
    /// follows no load.
    fn load(&self, series: &ProcessSeries) -> Option<Claim> {
        let sockets_leak = self.sockets.finding.level >= Level::Suspect;
        let memory = [
            (&self.external, &series.external),
            (&self.native, &series.native),
            (&self.remainder, &series.remainder),
        ];
        let counts = [(&self.files, &series.files), (&self.sockets, &series.sockets)];
        let follows = |(judge, _): &&(&SeriesJudge, &Series)| {
            judge.load.is_some_and(|load| load != Load::Sockets || !sockets_leak)
        };
        let rate = |(judge, _): &&(&SeriesJudge, &Series)| judge.finding.rate.unwrap_or(0.0);
        let fastest = |candidates: &[(&SeriesJudge, &Series)]| {
            let most = candidates.iter().filter(follows).max_by(|a, b| rate(a).total_cmp(&rate(b)));
            most.map(|(judge, series)| judge.claim(Kind::Load, series).at_most(Level::Growing))
        };
        fastest(&memory).or_else(|| fastest(&counts))
    }
}

/// Measures of the load. A socket brings no more than a megabyte; what is allocated is turned over, and some seconds'
/// worth of it may be held.
fn loads(series: &ProcessSeries) -> [LoadCourse; 2] {
    let sockets = series.sockets.buckets.closed().to_vec();
    let allocation = rate_of(series.allocated.buckets.closed());
    [
        LoadCourse { measure: Load::Sockets, points: sockets, least_growth: 16.0, most_each: 1_048_576.0 },
        LoadCourse { measure: Load::Allocation, points: allocation, least_growth: 65_536.0, most_each: 60.0 },
    ]
}

fn more_alarming<'a>(two: [(&'a SeriesJudge, &'a Series); 2]) -> (&'a SeriesJudge, &'a Series) {
    let alarm = |(judge, series): (&SeriesJudge, &Series)| {
        (judge.finding.level, growth(series.buckets.closed()) / judge.subject.material)
    };
    if alarm(two[1]) > alarm(two[0]) { two[1] } else { two[0] }
}
