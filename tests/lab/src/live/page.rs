//! The sections of docs/detection.md about live processes.

use std::collections::BTreeSet;

use super::{
    bars,
    case::{Case, Run},
    holders::{self, Answer},
    replay::Setting,
    score::{self, Judged},
    tables,
};
use crate::{HOUR, cases::Set};

/// The sections, from all traces and answers there are; of none, how to make some.
#[must_use]
pub fn sections(judged: &[Judged], settings: &[Setting], answers: &[(Case, Answer)]) -> String {
    [watched(judged, settings), holders::section(answers)].join("\n")
}

fn watched(judged: &[Judged], settings: &[Setting]) -> String {
    if judged.is_empty() {
        return format!("{HEAD}Nothing is recorded yet: run `cargo xtask evaluate --record`.\n");
    }
    let of = |set: Set| judged.iter().filter(move |process| process.case.set == set).collect::<Vec<_>>();
    let [report, tune] = [Set::Report, Set::Tune].map(of);
    let all: Vec<&Judged> = judged.iter().collect();
    let [report_lived, tune_lived, all_lived] = [&report, &tune, &all].map(|set| lived(set));
    let parts = [
        HEAD.to_owned() + &introduction(judged),
        "### The bars\n\n".to_owned() + &bars::bars(&[("reported", report.as_slice()), ("tuned on", &tune)]),
        KINDS.to_owned() + &tables::confusion(&score::confusion(&all_lived)),
        BESIDE.to_owned() + &tables::settings(&report_lived, settings),
        "### Families that are reported\n\n".to_owned() + &tables::families(&report_lived),
        "### Families that were tuned on\n\n".to_owned() + &tables::families(&tune_lived),
        DEATHS.to_owned() + &tables::deaths(&all),
        METHOD.to_owned(),
    ];
    parts.join("\n")
}

/// Those that are not watched until they die.
fn lived<'a>(set: &[&'a Judged]) -> Vec<&'a Judged> {
    set.iter().copied().filter(|process| !process.case.to_death).collect()
}

fn introduction(judged: &[Judged]) -> String {
    let names = |of: fn(&Run) -> &String| judged.iter().map(|p| of(&p.trace.run)).collect::<BTreeSet<_>>();
    let tools: BTreeSet<&str> = judged.iter().map(|process| process.trace.tool.as_str()).collect();
    let hours = judged.iter().map(|process| process.trace.watched_s).sum::<f64>() / HOUR;
    format!(
        "{} processes of {} programs on {} releases of Node, watched for {hours:.1} hours in all by memwatch-bpf {}. Any \
         `leak` that was ever said of a process counts, for and against.\n",
        judged.len(),
        names(|run| &run.case).len(),
        names(|run| &run.node).len(),
        tools.into_iter().collect::<Vec<_>>().join(", "),
    )
}

const HEAD: &str = "## Live processes\n\n";

const KINDS: &str = "\
### Which kind of memory

All families: processes by the kind that is right and the kind of the first `leak`. Where several kinds are right, the
one that was said is taken for it.

";

const BESIDE: &str = "\
### Beside others on the same processes

Reported families, every setting; compare rows of similar false alarms. All but the first row are replayed from the
recorded collections (`heap`) and resident set sizes (`RSS`). Of memwatch-bpf only the judge of heaps is replayed: that
row is about heaps alone.

";

const DEATHS: &str = "\
### Forecasts

Processes that were watched until they died. A forecast is judged at each tenth of the watched life, from the first
`leak` on: whether the moment of death was between its ends.

";

const METHOD: &str = "\
### How live processes are judged

* **Programs** are in `tests/corpus/`, with where each comes from, which releases of Node it runs on, and which kinds of
  verdict are right. A leaky variant has a fixed or otherwise healthy one beside it where there is such. The sixteen
  that were published are tuned on, and of our own `buffer-cache`, `listeners` and `timers`, beside which thresholds were
  mended; none was chosen by looking at those that are reported.
* **Recording** (`cargo xtask evaluate --record`): a process is attached to when it is two seconds old, unless the case
  says otherwise, and watched for 150 s, others beside it on the same processors. What the tool saw and said is kept in
  `tests/lab/traces/`, from which everything here is computed again, the same each time.
* **Truth** is the variant. Rates are those of a twin of each leaky process, unwatched, in which all garbage is collected
  at a quarter of the watch and at its end. Of a native leak: what glibc has handed out, less array buffers.
* **Time to detect** is counted from the attach. Beside memwatch-next's: medians over the leaks that it finds.
* **False alarms a process-day** say little after so few hours: see the simulated processes for that.
* **Prometheus's** durations are divided by 60 (its hour is a minute), **LBR's and Precog's** by 300 (their shortest
  trend of six hours is 72 s, medians of five minutes are the readings of a second). 100 % of the machine that these
  two think of is twice what was resident at first; Precog learns from the first 75 s, which makes it take a leak that
  was there from the start for normal. `predict_linear` compares resident sizes with 512 MiB.
* **Node 10** (`napi-ref-core`) is below the supported range: it is recorded only where the tool can attach to it, for
  its native side.
";
