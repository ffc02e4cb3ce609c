//! How fast the collector is by itself: asks the criterion bench of memwatch-user.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::fresh_directory;
use crate::cargo::cargo;

/// Group and name of the benchmark that goes all the way.
const WHOLE: &str = "pipeline/bytes to verdict";

/// Collections a second, from the bytes of the ring buffer to the verdict.
pub(super) fn events_per_second() -> Result<f64> {
    let home = fresh_directory("criterion")?;
    let times = ["--warm-up-time", "1", "--measurement-time", "4", "--noplot"];
    cargo()
        .args(["bench", "--package", "memwatch-user", "--bench", "pipeline", "--", WHOLE])
        .args(times)
        .env("CRITERION_HOME", &home)
        .run()?;
    let new = home.join(WHOLE).join("new");
    let events = number(&new.join("benchmark.json"), "/throughput/Elements")?;
    let nanoseconds = number(&new.join("estimates.json"), "/median/point_estimate")?;
    Ok(events / nanoseconds * 1e9)
}

fn number(file: &Path, pointer: &str) -> Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let value: Value = serde_json::from_str(&text)?;
    let number = value.pointer(pointer).and_then(Value::as_f64);
    number.with_context(|| format!("no {pointer} in {}", file.display()))
}
