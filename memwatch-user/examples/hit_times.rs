//! Says how long our programs take at a hit in the process whose id is the argument: at each line of standard input, of the
//! hits since the last one. `cargo xtask bench` runs it.

mod attached;

use std::io::{self, BufRead as _, Write as _};

use anyhow::{Context as _, Result};
use memwatch_common::{
    names::{malloc_probe, probe},
    times::Did,
};
use memwatch_user::{
    bpf::{
        attach::{Attachment, Binary, Place, Scope},
        times::{HitTimes, Times},
    },
    target,
};

use attached::{Attached, NUMBER};

fn main() -> Result<()> {
    let mut attached = attached::attach(true)?;
    let _empty = empty(&mut attached)?;
    let times = HitTimes::open(&mut attached.kernel)?;
    let mut before = histograms(&times)?;
    let mut out = io::stdout();
    writeln!(out, "live")?;
    for line in io::stdin().lock().lines() {
        line.context("cannot read what is asked for")?;
        let now = histograms(&times)?;
        let said = now.iter().zip(&before).map(|(now, before)| said(now, before));
        writeln!(out, "took {}", said.collect::<Vec<_>>().join(" "))?;
        before = now;
    }
    Ok(())
}

/// An empty program beside ours at the start of collections.
fn empty(attached: &mut Attached) -> Result<Attachment> {
    let start = attached.plan.probes.iter().find(|site| site.program == probe::GC_ENTER);
    let start = start.map(Place::from).context("no probe at the start of collections")?;
    let place = Place { program: malloc_probe::EMPTY, ..start };
    let binary = Binary::of(&target::examine(attached::pid()?)?.image)?;
    Ok(attached.kernel.programs.attach(NUMBER, &binary, Scope::File, &[place])?)
}

fn histograms(times: &HitTimes) -> Result<Vec<Vec<u64>>> {
    Did::ALL.into_iter().map(|did| times.read(did).map_err(anyhow::Error::from)).collect()
}

/// Hits, mean, median and 99th percentile, nanoseconds.
fn said(now: &[u64], before: &[u64]) -> String {
    let new: Vec<u64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
    let Times { count, mean, p50, p99 } = Times::of(&new);
    format!("{count} {mean:.0} {p50:.0} {p99:.0}")
}
