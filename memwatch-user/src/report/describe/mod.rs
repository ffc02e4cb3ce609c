//! A record in words: one line, made for somebody who reads a log at night and for grep.

pub(crate) mod hello;
mod holder;
pub(crate) mod kind;
pub mod reason;
pub(crate) mod resident;
mod site;
pub(crate) mod starts;
mod strongest;
pub(crate) mod verdict;

use super::{
    color::Tone,
    record::{
        Body, Bye, Cgroup, End, Feature, Gc, Governor, Heap, Isolate, IsolateState, Leak, Loss, Memory,
        Missed, Stats,
    },
    text::{LONGEST_SENTENCE, escape_to, escape_untrusted, join},
};
use crate::units::{self, bytes, pause, percent, span};

/// A record in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How it is meant.
    pub tone: Tone,
    /// The record's type, as in JSON.
    pub tag: &'static str,
    /// What happened; free of control characters.
    pub text: String,
    /// What belongs below it, indented.
    pub more: Vec<String>,
}

impl Line {
    const fn new(tone: Tone, tag: &'static str, text: String) -> Self {
        Self { tone, tag, text, more: Vec::new() }
    }
}

/// How much is said of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The places, and the two strongest reasons.
    Brief,
    /// Everything.
    All,
}

/// `body` in words; `limit` is the limit of the heap it is about, if known.
#[must_use]
pub fn body(body: &Body, limit: Option<u64>, detail: Detail) -> Line {
    match body {
        Body::Hello(hello) => Line {
            more: vec![hello::features(&hello.features)],
            ..Line::new(Tone::Strong, "hello", hello::hello(hello))
        },
        Body::Isolate(isolate) => Line::new(Tone::Dim, "isolate", self::isolate(isolate)),
        Body::Feature(feature) => Line::new(Tone::Warn, "feature", self::feature(feature)),
        Body::Gc(gc) => Line::new(Tone::Plain, "gc", self::gc(gc, limit)),
        Body::Stats(stats) => Line::new(Tone::Dim, "stats", self::stats(stats)),
        Body::Starts(starts) => {
            Line { more: starts::all(starts), ..Line::new(Tone::Dim, "starts", starts::line(starts)) }
        }
        Body::Memory(memory) => Line::new(Tone::Dim, "memory", self::memory(memory)),
        Body::Heap(heap) => Line::new(Tone::Dim, "heap", self::heap(heap)),
        Body::Leak(leak) => Line::new(Tone::Warn, "leak", self::leak(leak)),
        Body::Verdict(verdict) => Line {
            more: if detail == Detail::All { verdict::all(verdict) } else { verdict::brief(verdict) },
            ..Line::new(verdict::tone(verdict.verdict), "verdict", verdict::line(verdict, false))
        },
        Body::Governor(governor) => Line::new(Tone::Warn, "governor", self::governor(governor)),
        Body::End(end) => Line::new(end_tone(end), "end", self::end(end)),
        Body::Loss(loss) => Line::new(Tone::Warn, "loss", self::loss(loss)),
        Body::Missed(missed) => Line::new(Tone::Warn, "missed", self::missed(missed)),
        Body::Bye(bye) => Line::new(Tone::Strong, "bye", self::bye(bye)),
    }
}

fn isolate(isolate: &Isolate) -> String {
    let role = if isolate.worker { "worker thread" } else { "main thread" };
    let what = match isolate.state {
        IsolateState::Born => format!("{} set up on {role} {}", isolate.isolate, isolate.thread),
        IsolateState::Seen => format!("{} runs on {role} {}", isolate.isolate, isolate.thread),
        IsolateState::Gone => format!("{} of {role} {} torn down", isolate.isolate, isolate.thread),
    };
    join([what, limit_text(isolate.heap_limit)])
}

fn heap(heap: &Heap) -> String {
    let reachable = format!(
        "{} of {} reachable",
        bytes(heap.reachable_bytes),
        units::things(heap.reachable_objects, "object")
    );
    let external = format!("{} outside of the heap", bytes(heap.external_bytes));
    join([reachable, if heap.external_bytes > 0 { external } else { String::new() }])
}

fn limit_text(limit: Option<u64>) -> String {
    limit.map_or_else(String::new, |limit| format!("limit {}", bytes(limit)))
}

fn feature(feature: &Feature) -> String {
    let name = escape_untrusted(&feature.name).replace('_', " ");
    format!("{name} {}: {}", feature.state.word(), escape_untrusted(&feature.reason))
}

fn gc(gc: &Gc, limit: Option<u64>) -> String {
    let sizes = match (gc.before_bytes, gc.after_bytes) {
        (Some(before), Some(after)) => {
            format!("{} ({})", units::change(before, after), units::difference(before, after))
        }
        (Some(before), None) => format!("{} → ?", bytes(before)),
        (None, Some(after)) => format!("? → {}", bytes(after)),
        (None, None) => "sizes not seen".to_owned(),
    };
    let first = format!("{} {sizes} in {}", gc.kind.word(), pause(gc.pause_us));
    let marking = gc.marking_ms.map_or_else(String::new, |ms| format!("marked for {ms} ms"));
    let compacted = if gc.compacted == Some(true) { "compacted" } else { "" };
    let place = gc.started_in.as_deref().map_or_else(String::new, starts::place);
    join([first, escape_untrusted(&gc.reason), place, compacted.to_owned(), marking, limit_text(limit)])
}

fn stats(stats: &Stats) -> String {
    let pauses = stats.gc_pause_us;
    join([
        format!("base {}", bytes(stats.current_base)),
        format!("trend {:+.1} %", stats.usage_trend),
        format!("{} full, {} other", stats.num_full_gc, stats.num_inc_gc),
        format!("pauses p50 {}, p99 {}, max {}", pause(pauses.p50), pause(pauses.p99), pause(pauses.max)),
        format!("{} of the time in collections", percent(stats.gc_share)),
    ])
}

/// The process's memory in one line: totals, then parts.
#[must_use]
pub fn memory(memory: &Memory) -> String {
    let parts = parts(memory).into_iter().map(|(name, size)| format!("{name} {}", signed(size)));
    join([totals(memory)].into_iter().chain(parts))
}

/// The process's memory without its parts: total, limit, counts.
#[must_use]
pub fn totals(memory: &Memory) -> String {
    let count = |name: &str, n: Option<u64>| n.map_or_else(String::new, |n| format!("{n} {name}"));
    join([
        if memory.suspended { "stopped" } else { "" }.to_owned(),
        memory.rss.map_or_else(String::new, |rss| format!("rss {}", bytes(rss))),
        memory.cgroup.map_or_else(String::new, cgroup),
        count("fds", memory.fds),
        count("threads", memory.threads),
        count("handles", memory.handles),
    ])
}

/// What the resident set is made of, as far as that is known; the last may be negative.
#[must_use]
pub fn parts(memory: &Memory) -> Vec<(&'static str, i64)> {
    let known = [
        ("V8 heap", memory.v8_heap),
        ("array buffers", memory.array_buffers),
        ("malloc", memory.native_live),
        ("allocator slack", memory.allocator_slack),
        ("files", memory.mapped_files),
        ("stacks", memory.stacks),
    ];
    let known = known.into_iter().filter_map(|(name, size)| Some((name, size?.cast_signed())));
    known.chain(memory.unexplained.map(|size| ("unexplained", size))).collect()
}

fn signed(size: i64) -> String {
    let sign = if size < 0 { "−" } else { "" };
    format!("{sign}{}", bytes(size.unsigned_abs()))
}

fn cgroup(cgroup: Cgroup) -> String {
    let of = cgroup.max.map_or_else(String::new, |max| format!(" of {}", bytes(max)));
    format!("cgroup {}{of}", bytes(cgroup.current))
}

fn leak(leak: &Leak) -> String {
    escape_untrusted(&leak.reason)
}

fn governor(governor: &Governor) -> String {
    join([
        format!("{}: {}", escape_untrusted(&governor.mode), escape_to(&governor.reason, LONGEST_SENTENCE)),
        format!("{:.0} hits/s", governor.hit_rate_per_s),
        format!("{} of a CPU, {} % allowed", about(governor.cost_estimate_pct), governor.budget_pct),
        format!("sees {} of the events", percent(governor.coverage)),
    ])
}

const fn end_tone(end: &End) -> Tone {
    match end {
        End::OomKill { .. } | End::V8OutOfMemory { .. } | End::Signal { .. } => Tone::Bad,
        End::Exit { .. } | End::Exec | End::Unknown => Tone::Strong,
    }
}

/// How the target went, as the rest of a sentence about it.
#[must_use]
pub fn end(end: &End) -> String {
    match end {
        End::Exit { code } => format!("exited with code {code}"),
        End::Signal { signal, name } => format!("killed by {} ({signal})", escape_untrusted(name)),
        End::OomKill { scope } => {
            let whose = match scope.as_deref() {
                Some("cgroup") => ": its cgroup was out of memory",
                Some("host") => ": the host was out of memory",
                _ => "",
            };
            format!("killed by the kernel's OOM killer{whose}")
        }
        End::V8OutOfMemory { isolate, location } => {
            let who = isolate.map_or_else(String::new, |isolate| format!(" in isolate {isolate}"));
            let at = location.as_ref().map_or_else(String::new, |at| format!(": {}", escape_untrusted(at)));
            format!("V8 ran out of memory{who}{at}")
        }
        End::Exec => "executed another program".to_owned(),
        End::Unknown => "exited, cause unknown".to_owned(),
    }
}

/// What was not seen, with its reasons.
#[must_use]
pub fn loss(loss: &Loss) -> String {
    let reasons: Vec<_> =
        loss.reasons.iter().map(|(reason, n)| format!("{} {n}", escape_untrusted(reason))).collect();
    join([losses(loss).unwrap_or_else(|| "nothing lost".to_owned()), reasons.join(", ")])
}

/// What was not seen: the counters that are not zero, if there are any. What was mended is in the report.
#[must_use]
pub fn losses(loss: &Loss) -> Option<String> {
    let counters = [
        (loss.lost, "lost"),
        (loss.sampled_out, "sampled out"),
        (loss.malformed, "malformed"),
        (loss.unmatched, "unmatched"),
    ];
    let counted: Vec<_> =
        counters.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (!counted.is_empty()).then(|| counted.join(", "))
}

/// `about 0.32 %`: an estimate in percent.
fn about(percent: f64) -> String {
    if percent < 0.005 { "less than 0.01 %".to_owned() } else { format!("about {percent:.2} %") }
}

fn missed(missed: &Missed) -> String {
    let records =
        if missed.records == 1 { "1 record".to_owned() } else { format!("{} records", missed.records) };
    let output = escape_untrusted(&missed.output);
    format!("{records} from {} to {} left out: {output} was read too slowly", missed.from, missed.to)
}

/// The closing words.
#[must_use]
pub fn bye(bye: &Bye) -> String {
    let why = match bye.reason.as_str() {
        "interrupted" => "interrupted",
        "duration" => "time limit reached",
        "targets-gone" => "every target is gone",
        "quit" => "quit",
        "output-closed" => "the output was closed",
        other => &escape_untrusted(other),
    };
    let rss = bye.own.rss.map_or_else(String::new, |rss| format!(" and {}", bytes(rss)));
    let overhead = bye.target_overhead;
    let estimate = overhead.estimated_pct.map_or_else(
        || "cost to the targets not known".to_owned(),
        |percent| {
            format!("cost to the targets {} of a CPU, {} % allowed", about(percent), overhead.budget_pct)
        },
    );
    let backoffs = match overhead.backoffs {
        0 => String::new(),
        n => format!("backed off {}", units::things(n, "time")),
    };
    let own = format!("watching took {:.2} s of CPU{rss}", bye.own.cpu_s);
    join([format!("watched {}: {why}", span(bye.watched_s)), own, estimate, backoffs])
}

#[cfg(test)]
mod tests;
