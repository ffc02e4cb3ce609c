//! The page docs/detection.md, from what was counted.

mod bars;
pub(crate) mod table;
mod tables;

use anyhow::Result;

use crate::{
    cases::Set,
    detectors::Kind,
    run::Said,
    score::{Judged, of_set},
    sim::check::{INTERVAL_WITHIN, RATIO_WITHIN},
    trace::Truth,
};

/// Name, truth, and what each detector said.
pub type Replayed = (&'static str, Truth, Vec<Said>);

/// The whole page. Fails if a recorded trace cannot be read.
pub fn page(judged: &[Judged<'_>], kinds: &[Kind], replayed: &[Replayed], live: String) -> Result<String> {
    let [tune, report, limit] = [Set::Tune, Set::Report, Set::Limit].map(|set| of_set(judged, set));
    let sections = [
        INTRODUCTION.to_owned(),
        live,
        "## The bars\n\n".to_owned() + &bars::bars(&report),
        "## Families that are reported\n\nNo threshold was chosen by looking at these.\n\n".to_owned()
            + &tables::families(&report),
        "## By rate of the leak\n\nReported families.\n\n".to_owned() + &tables::rates(&report),
        OPERATING.to_owned() + &tables::detectors(&report, kinds),
        ABLATION.to_owned() + &tables::ablation(&report, kinds),
        "## Families that were tuned on\n\n".to_owned() + &tables::families(&tune),
        LIMITS.to_owned() + &tables::families(&limit),
        RECORDED.to_owned() + &tables::recorded(replayed, kinds),
        method(judged.len()),
        "## Is the model V8?\n\n".to_owned() + &model()?,
    ];
    Ok(sections.join("\n"))
}

fn model() -> Result<String> {
    let why = format!(
        "Each recorded process is run again: the model is given what the program kept and how fast it allocated, and \
         finds by itself when to collect. After the start-up, medians; a test fails where the model is off by more than \
         a factor of {INTERVAL_WITHIN} (number and interval) or {RATIO_WITHIN} (ratio).\n\n"
    );
    Ok(why + &tables::model()?)
}

fn method(processes: usize) -> String {
    format!(
        "## Method\n\nThis page is about {processes} simulated processes and four recorded ones.\n\n{METHOD}"
    )
}

const INTRODUCTION: &str = "\
# How good the verdicts are

Written by `cargo xtask evaluate`; do not edit. It says how good the verdicts are: on live processes, of all kinds of
memory; and on **one isolate's JavaScript heap**, simulated, over days and weeks. An alarm of ours is a verdict `leak`.
";

const OPERATING: &str = "\
## Beside others, at equal false-alarm rate

Reported families. All settings of a detector are listed; compare rows of similar false-alarm rates. `memwatch-next,
faithful` has the original's 32-bit arithmetic, `repaired` has not; the rule is the same. A false alarm is counted each
time one begins.

";

const ABLATION: &str = "\
## What each test is for

Reported families; ours without one of its tests.

";

const LIMITS: &str = "\
## What nobody can tell

A cache that fills evenly for half a day is a leak until it is full: no look at the heap's sizes can tell them apart
before. Not in any total above.

";

const RECORDED: &str = "\
## Recorded processes

`--trace-gc-nvp` of Node 20.20.2, 150 s each: seconds until the alarm, or a dash. An alarm in one that is healthy is
a false one.

";

const METHOD: &str = "\
* **Programs** (`tests/lab/src/cases/`) keep a base of 30 MB to 2 GB and what their family adds; they promote 20 KB/s to
  1 MB/s of garbage, or 2 to 10 MB/s under churn. What happens to be alive at a mark-compact varies with a standard
  deviation of 50 KB to 2 MB plus 0.05 % of the base. All parameters are drawn evenly over their orders of magnitude.
* **Seeds** are the numbers of the family and of the case within it. Two runs write the same page, on any machine.
* **V8** (`tests/lab/src/sim/`) is the growing policy of V8 11.3 (Node 20): the growing factor that aims at 97 % of the
  time for JavaScript, at least 8 MB, at most half-way to the limit; the memory reducer. Where a process
  dies is drawn between 80 % of its limit (three recorded ones died at 80 to 83 %) and all of it. Scavenges are lumped
  together.
* **Split**: by family. Families beside which thresholds were looked at are not those that are reported.
* **Times** are watched times: 10 KB/h for a week, 100 KB/h for three days, 1 and 10 MB/h for a day (two beside daily
  load), 100 MB/h for eight hours, 1 GB/h for one, 10 GB/h for ten minutes; each rate up to twice that.
* **Intervals**: Wilson's of shares, one-sided Poisson's of rates (3/T of none).
* **Not done**: Precog/LBR; seasons longer than a day; load as a series of its own; several isolates.
";
