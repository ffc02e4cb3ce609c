//! From the tool's JSON lines to a trace. Fields that the tool does not write (yet) are unknown in the trace.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use memwatch_lab::live::{
    case::Run,
    trace::{Event, Trace, Truth},
};
use memwatch_user::model::{Collection, GcKind, Mono};
use serde_json::Value;

use crate::records;

/// Small collections of an isolate that are closer than this become one: what is allocated and what survives is the
/// same, and nobody judges a heap by one of them.
const TOGETHER_MS: u64 = 500;

/// Gathers the events of one or several processes, one after the other.
#[derive(Default)]
pub(crate) struct Converter {
    tool: String,
    age_s: f64,
    /// When the process that is being read was attached to, milliseconds since 1970.
    attach: i64,
    /// Milliseconds for which earlier processes were watched.
    earlier: u64,
    last: u64,
    events: Vec<(u64, Event)>,
    /// The last collection of each isolate, if small ones may join it: its place, and when the first of them was.
    open: BTreeMap<u64, (usize, u64)>,
}

impl Converter {
    /// The process was stopped, and another is started in its place.
    pub(crate) fn restart(&mut self) {
        self.earlier = self.last;
        self.events.push((self.last, Event::Restart));
        self.open.clear();
    }

    /// Takes in all that the tool said of a process. Fails on a line that is no record.
    pub(crate) fn add(&mut self, lines: &str) -> Result<()> {
        for line in lines.lines() {
            self.record(line).with_context(|| format!("not a record: {line}"))?;
        }
        Ok(())
    }

    /// All of it as a trace.
    pub(crate) fn trace(self, run: Run, truth: Truth) -> Trace {
        let watched_s = self.last as f64 / 1e3;
        Trace { run, tool: self.tool, age_s: self.age_s, watched_s, truth, events: self.events }
    }

    fn record(&mut self, line: &str) -> Result<()> {
        let record: Value = serde_json::from_str(line)?;
        let ts = records::time(&record["ts"])?;
        match record["type"].as_str().context("no type")? {
            "hello" => self.hello(&record, ts)?,
            "stats" => self.limit(&record),
            "gc" => {
                let at = self.at(ts);
                let collection = records::collection(&record, at)?;
                self.collection(at, collection);
            }
            other => {
                let at = self.at(ts);
                self.events.extend(records::event(other, &record, at)?.map(|event| (at, event)));
            }
        }
        Ok(())
    }

    fn hello(&mut self, hello: &Value, ts: i64) -> Result<()> {
        self.attach = ts;
        self.tool = records::text(hello, "version")?;
        self.age_s = (ts - records::time(&hello["start_time"])?) as f64 / 1e3;
        Ok(())
    }

    /// Milliseconds of the watch.
    fn at(&mut self, ts: i64) -> u64 {
        self.last = self.last.max(self.earlier + u64::try_from(ts - self.attach).unwrap_or(0));
        self.last
    }

    /// A heap's limit may become known after the isolate is.
    fn limit(&mut self, stats: &Value) {
        let (serial, heap_limit) = (stats["isolate"].as_u64(), stats["heap_limit"].as_u64());
        for (_, event) in self.events.iter_mut().rev() {
            if let Event::Isolate { isolate, limit, .. } = event
                && serial == Some(u64::from(*isolate))
            {
                *limit = limit.or(heap_limit);
                return;
            }
        }
    }

    fn collection(&mut self, at: u64, c: Collection) {
        let small = c.kind == GcKind::Scavenge;
        let open = self.open.get(&c.heap).copied().filter(|(_, first)| small && at < first + TOGETHER_MS);
        if let Some((place, _)) = open
            && let Some((_, Event::Collection(earlier))) = self.events.get_mut(place)
        {
            *earlier = together(earlier, &c);
            return;
        }
        self.events.push((at, Event::Collection(c)));
        if small {
            self.open.insert(c.heap, (self.events.len() - 1, at));
        } else {
            self.open.remove(&c.heap);
        }
    }
}

/// Two small collections as one, at the time of the first: what was allocated is the sum.
fn together(first: &Collection, second: &Collection) -> Collection {
    let allocated = second.before_bytes.zip(first.after_bytes).map(|(now, then)| now.saturating_sub(then));
    let before_bytes = first.before_bytes.zip(allocated).map(|(before, more)| before + more);
    let pause = first.pause() + second.pause();
    let start = Mono(first.end.0.saturating_sub(u64::try_from(pause.as_nanos()).unwrap_or(0)));
    Collection { start, end: first.end, before_bytes, ..*second }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"type":"hello","ts":"2026-03-02T23:14:05.000Z","start_time":"2026-03-02T23:14:03.000Z","version":"1"}
{"type":"isolate","ts":"2026-03-02T23:14:05.100Z","isolate":1,"state":"seen","thread":7,"worker":false,"heap_limit":null}
{"type":"gc","ts":"2026-03-02T23:14:05.200Z","isolate":1,"kind":"scavenge","pause_us":10,"before_bytes":100,"after_bytes":60}
{"type":"gc","ts":"2026-03-02T23:14:05.300Z","isolate":1,"kind":"scavenge","pause_us":20,"before_bytes":110,"after_bytes":70}
{"type":"gc","ts":"2026-03-02T23:14:05.400Z","isolate":1,"kind":"mark-compact","pause_us":90,"before_bytes":80,"after_bytes":40,"external":9}
{"type":"gc","ts":"2026-03-02T23:14:05.450Z","isolate":1,"kind":"scavenge","pause_us":10,"before_bytes":90,"after_bytes":50}
{"type":"stats","ts":"2026-03-02T23:14:05.500Z","isolate":1,"heap_limit":4096}
{"type":"memory","ts":"2026-03-02T23:14:06.000Z","rss":2048,"fds":20,"cgroup":{"current":4096,"max":8192}}
{"type":"verdict","ts":"2026-03-02T23:14:07.000Z","isolate":1,"verdict":"leak","kind":"js-heap","rate_bytes_per_hour":5.0,"rate_interval":[4.0,null],"time_to_exhaustion_s":null,"exhausts":null}
{"type":"bye","ts":"2026-03-02T23:14:08.000Z","reason":"interrupted"}
"#;

    #[test]
    fn records_become_events() {
        let mut seen = Converter::default();
        seen.add(LINES).unwrap();
        seen.restart();
        let run = Run { case: "a".into(), variant: "leaky".into(), node: "20.20.2".into() };
        let text = seen.trace(run, Truth::default()).to_text();
        let expected = "# case: a\n# variant: leaky\n# node: 20.20.2\n# tool: 1\n# age_s: 2.000\n# watched_s: 3.000
# columns: rss cgroup_current cgroup_max fds\ni,100,1,seen,7,0,4096\ns,200,1,30,150,70,,\nf,400,1,90,80,40,9,\ns,450,~,10,90,50,,
r,1000,2,4,8,20\nv,2000,1,leak,js-heap,5,4,,,,\nx,3000\n";
        assert_eq!(text, expected);
    }
}
