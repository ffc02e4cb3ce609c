//! Values that several commands take, and the error if one cannot be meant.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// The largest pid that Linux can be configured to give (`PID_MAX_LIMIT`, include/linux/threads.h).
const PID_MAX: u32 = 4 * 1024 * 1024;
/// What was typed makes no sense: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// With this to say.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

pub(super) fn pid(text: &str) -> Result<u32, Usage> {
    let number: i128 = text.trim().parse().map_err(|_| {
        Usage(format!(
            "--pid {}: not a number; `memwatch-bpf list` shows the Node.js processes of this host",
            text.escape_debug()
        ))
    })?;
    u32::try_from(number)
        .ok()
        .filter(|pid| (1..=PID_MAX).contains(pid))
        .ok_or_else(|| Usage(format!("--pid {number}: no process can have this id (1 to {PID_MAX})")))
}

/// `90s`, `1h 30m`, `2d`; a number alone is seconds.
pub(super) fn duration(option: &str, text: &str) -> Result<Duration, Usage> {
    let wrong = || {
        let text = text.escape_debug();
        Usage(format!("{option} {text}: not a length of time, such as 10 (seconds), 90s, 1h 30m or 2d"))
    };
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    let duration = seconds.unwrap_or_else(|| Ok(spelt_out(text).unwrap_or_default())).map_err(|_| wrong())?;
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

fn spelt_out(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    Duration::try_from(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}
