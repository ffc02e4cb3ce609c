//! How fast the collector is by itself: asks the criterion benches of memwatch-user.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::fresh_directory;
use crate::cargo::cargo;

/// Group and name of the benchmark that goes all the way.
const WHOLE: &str = "pipeline/bytes to verdict";

/// Group of the benchmark of readings; its names are resident sizes.
const READING: &str = "reading";

/// Seconds that one full reading of a process takes of which so much is resident (`100 MiB`, `1024 MiB`).
pub(super) fn seconds_of_a_reading(size: &str) -> Result<f64> {
    Ok(measured("reading", &format!("{READING}/{size}"))?.nanoseconds / 1e9)
}

/// Collections a second, from the bytes of the ring buffer to the verdict.
pub(super) fn events_per_second() -> Result<f64> {
    let whole = measured("pipeline", WHOLE)?;
    let events = number(&whole.directory.join("benchmark.json"), "/throughput/Elements")?;
    Ok(events / whole.nanoseconds * 1e9)
}

/// What criterion has measured.
struct Measured {
    nanoseconds: f64,
    directory: PathBuf,
}

fn measured(bench: &str, name: &str) -> Result<Measured> {
    let home = fresh_directory("criterion")?;
    let times = ["--warm-up-time", "1", "--measurement-time", "4", "--noplot"];
    cargo()
        .args(["bench", "--package", "memwatch-user", "--bench", bench, "--", name])
        .args(times)
        .env("CRITERION_HOME", &home)
        .run()?;
    let directory = home.join(name).join("new");
    let nanoseconds = number(&directory.join("estimates.json"), "/median/point_estimate")?;
    Ok(Measured { nanoseconds, directory })
}

fn number(file: &Path, pointer: &str) -> Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let value: Value = serde_json::from_str(&text)?;
    let number = value.pointer(pointer).and_then(Value::as_f64);
    number.with_context(|| format!("no {pointer} in {}", file.display()))
}
