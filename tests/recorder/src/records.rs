//! The tool's records, field by field. What the tool does not write (yet) is unknown.

use anyhow::{Context as _, Result};
use memwatch_lab::{
    live::{
        columns,
        trace::{Event, Verdict},
    },
    trace::gc,
};
use memwatch_user::{
    model::{Collection, GcKind, Mono, OutsideHeap, Resident},
    report::time::Time,
};
use serde_json::Value;

/// Where in a `memory` record a column of a reading is.
const COLUMNS: [(&str, &str); 17] = [
    ("rss", "/rss"),
    ("rss_anon", "/rss_anon"),
    ("swap", "/swap"),
    ("malloc_in_use", "/held/malloc_in_use"),
    ("malloc_free", "/held/malloc_free"),
    ("array_buffers", "/held/array_buffers"),
    ("external", "/held/external"),
    ("cgroup_current", "/cgroup/current"),
    ("cgroup_max", "/cgroup/max"),
    ("host_available", "/host_available"),
    ("fds", "/fds"),
    ("fd_sockets", "/fds_by_kind/sockets"),
    ("fd_files", "/fds_by_kind/files"),
    ("fd_pipes", "/fds_by_kind/pipes"),
    ("fd_other", "/fds_by_kind/other"),
    ("fd_limit", "/fd_limit"),
    ("threads", "/threads"),
];

/// Milliseconds since 1970.
pub(crate) fn time(value: &Value) -> Result<i64> {
    let time: Time = value.as_str().context("no time")?.parse()?;
    Ok(time.unix_ms())
}

/// A field that is text.
pub(crate) fn text(record: &Value, field: &str) -> Result<String> {
    Ok(record[field].as_str().with_context(|| format!("no `{field}`"))?.to_owned())
}

/// A field that is a figure; `None` if it is null or absent.
fn number(record: &Value, field: &str) -> Option<u64> {
    record[field].as_u64()
}

/// The event that a record is about, if a trace has such; `at` is in milliseconds.
pub(crate) fn event(kind: &str, record: &Value, at: u64) -> Result<Option<Event>> {
    Ok(match kind {
        "isolate" => Some(isolate(record)?),
        "memory" => Some(reading(record, at)),
        "verdict" => Some(Event::Verdict(verdict(record)?)),
        "end" => Some(Event::End(end(record)?)),
        _ => None,
    })
}

fn isolate(record: &Value) -> Result<Event> {
    Ok(Event::Isolate {
        isolate: serial(record)?,
        state: text(record, "state")?,
        thread: number(record, "thread").and_then(|tid| tid.try_into().ok()).context("no thread")?,
        worker: record["worker"].as_bool().unwrap_or(false),
        limit: number(record, "heap_limit"),
    })
}

fn serial(record: &Value) -> Result<u32> {
    number(record, "isolate").and_then(|serial| serial.try_into().ok()).context("no isolate")
}

/// The collection of a `gc` record; its `heap` is the isolate's serial number.
pub(crate) fn collection(record: &Value, at: u64) -> Result<Collection> {
    let name = text(record, "kind")?;
    let kinds = [GcKind::Scavenge, GcKind::MinorMark, GcKind::MarkCompact];
    let kind = kinds.into_iter().find(|kind| kind.word() == name).context("no such kind")?;
    let pause_us = number(record, "pause_us").context("no pause")?;
    let outside =
        OutsideHeap { array_buffers: number(record, "array_buffers"), external: number(record, "external") };
    Ok(Collection {
        heap: u64::from(serial(record)?),
        before_bytes: number(record, "before_bytes"),
        after_bytes: number(record, "after_bytes"),
        outside,
        ..gc(Mono(at * 1_000_000), pause_us, kind, 0, 0)
    })
}

fn reading(record: &Value, at: u64) -> Event {
    let mut figures = columns::UNKNOWN;
    for (name, place) in COLUMNS {
        if let Some(column) = columns::index(name) {
            figures[column] = record.pointer(place).and_then(Value::as_u64);
        }
    }
    let mut reading = columns::reading(Mono(at * 1_000_000), &figures);
    // What a cgroup without a limit uses is of no account, and what all processes of a host use is a long column.
    reading.limits.cgroup_current = reading.limits.cgroup_max.and(reading.limits.cgroup_current);
    reading.resident = resident(record);
    Event::Reading(Box::new(reading))
}

/// The resident set by use, if it was read at that moment and the allocator's part is known, which is told in three.
fn resident(record: &Value) -> Option<Resident> {
    let part = |field: &str| number(record, field);
    record["parts_age_s"].as_f64().filter(|age| *age <= 0.0)?;
    Some(Resident {
        v8_heap: part("v8_heap")?,
        malloc: part("array_buffers")? + part("native_live")? + part("allocator_slack")?,
        files: part("mapped_files")?,
        stacks: part("stacks")?,
        other: part("unexplained").unwrap_or(0),
    })
}

fn verdict(record: &Value) -> Result<Verdict> {
    let pair = |field: &str| [record[field][0].as_f64(), record[field][1].as_f64()];
    Ok(Verdict {
        isolate: serial(record).ok(),
        level: text(record, "verdict")?,
        kind: text(record, "kind")?,
        rate: record["rate_bytes_per_hour"].as_f64(),
        rate_interval: pair("rate_interval"),
        left: pair("time_to_exhaustion_s"),
        exhausts: text(record, "exhausts").ok(),
    })
}

fn end(record: &Value) -> Result<String> {
    let how = text(record, "how")?;
    let detail = ["name", "scope", "location"].into_iter().find_map(|field| record[field].as_str());
    Ok(detail.map_or(how.clone(), |detail| format!("{how} {detail}")))
}
