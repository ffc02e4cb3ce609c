//! `doctor`: what this host and a process allow, a line a finding, with what to do about it where anything can be done.

use std::io::{self, Write};

use anyhow::Result;

use super::watch::sinks::has_color;
use crate::{
    bpf::{multi, trial},
    cli::job::Doctor,
    doctor,
    host::{features::Features, kernel::Kernel},
    report::check::{State, write_json, write_text},
};

/// Checks everything, and writes what was found. Returns the exit status: 0 if watching is possible, else 2.
pub fn run(job: &Doctor) -> Result<u8> {
    let kernel = Kernel::running();
    let features = Features::probe(kernel.version, multi::is_supported()).without(&job.assume_missing);
    let rights = trial::rights();
    let mut checks = doctor::host(&kernel, features, &rights);
    checks.extend(job.pid.map(doctor::process).unwrap_or_default());
    let mut out = io::stdout().lock();
    if job.output.json {
        write_json(&checks, &mut out)?;
    } else {
        write_text(&checks, has_color(job.output), &mut out)?;
    }
    out.flush()?;
    let possible = checks.iter().all(|check| check.state != State::Fail);
    Ok(if possible { 0 } else { 2 })
}
