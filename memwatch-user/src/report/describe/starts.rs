//! Where collections start, in words.

use super::site;
use crate::report::{
    record::{Frame, Start, Starts},
    text::{escape_untrusted, join},
};
use crate::units::{pause, percent, things};

/// `in load /srv/app.js:12`, or `outside JavaScript`.
pub(super) fn place(frames: &[Frame]) -> String {
    frames
        .first()
        .map_or_else(|| "outside JavaScript".to_owned(), |frame| format!("in {}", site::frame(frame)))
}

/// `352 collections in 1.24 s · 61 % of that started outside JavaScript · 2 collections not known where`.
pub(super) fn line(starts: &Starts) -> String {
    let outside = starts.outside.pause_us as f64 / starts.all.pause_us.max(1) as f64;
    let unknown = match starts.unknown.n {
        0 => String::new(),
        n => format!("{} not known where", things(n, "collection")),
    };
    join([
        format!("{} in {}", things(starts.all.n, "collection"), pause(starts.all.pause_us)),
        format!("{} of that started outside JavaScript", percent(outside)),
        unknown,
    ])
}

/// One start each: `mark-compact in load /srv/app.js:12 (3 in 120 ms, allocation limit)`.
pub(super) fn all(starts: &Starts) -> Vec<String> {
    starts.starts.iter().map(start).collect()
}

/// The most important start of mark-compacts and of other collections; empty if none is known.
#[must_use]
pub(crate) fn brief(starts: &Starts) -> String {
    let first = |full: bool| starts.starts.iter().find(|start| start.kind.is_full() == full);
    join([true, false].into_iter().filter_map(first).map(start))
}

fn start(start: &Start) -> String {
    let (n, reason) = (start.paused.n, escape_untrusted(&start.reason));
    let kind = start.kind.word();
    format!("{kind} {} ({n} in {}, {reason})", place(&start.frames), pause(start.paused.pause_us))
}
