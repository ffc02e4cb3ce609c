//! Takes a heap two or three times, and asks what grew between.

use std::{
    io::{self, BufRead},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{
    growth::{self, Taken},
    reading::{self, Picture},
    show::{self, Waiting},
};
use crate::{
    cli::heap::{Heap, Wait},
    heap::questions::census,
    model::ProcessId,
    target, units,
};

/// How often it is looked whether the process is still there.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn run(job: &Heap, wait: &Wait) -> Result<()> {
    let id = target::process::identify(job.pid)?.id;
    let mut takes = vec![take(job)?];
    match wait {
        Wait::UntilEnter => {
            until_enter();
            takes.push(take(job)?);
        }
        Wait::Times(times) => {
            for time in times {
                let last = takes.last().map_or_else(Instant::now, |take: &Taken| take.at);
                pass(id, last + *time)?;
                takes.push(take(job)?);
            }
        }
    }
    if let Some(diff) = growth::diff(&takes) {
        show::show(&diff, job.output)?;
    }
    Ok(())
}

fn take(job: &Heap) -> Result<Taken> {
    let picture: Picture = reading::take(job)?;
    let census = picture.ask(job.keys, |known, names| Ok(census(known, names)))?;
    Ok(Taken { census, source: picture.source("heap-diff"), at: picture.at })
}

/// Waits until `end`; an error if the process ends meanwhile, or another one has its number.
fn pass(id: ProcessId, end: Instant) -> Result<()> {
    let waiting = Waiting::start("waiting");
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        waiting.say(&format!("waiting, {} more", units::span(left.as_secs_f64().ceil())));
        thread::sleep(left.min(LOOK));
        if !target::process::identify(id.pid).is_ok_and(|now| now.id == id) {
            bail!("process {id} ended before the second take");
        }
    }
}

/// Waits for a line on standard input, or its end.
fn until_enter() {
    Waiting::ask("press Enter for the second take");
    let mut line = String::new();
    // One that cannot be read is as good as one that has ended.
    let _read = io::stdin().lock().read_line(&mut line);
}
