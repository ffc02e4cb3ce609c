//! A recorded process: who it was, what is true about it, and its collections.
//!
//! The file is the CSV of the recorded traces, `end_ms,pause_us,kind,before_bytes,after_bytes`, with optional lines
//! `# key: value` above it.

use anyhow::{Context as _, Result, bail};
use memwatch_user::model::{Collection, GcKind, Mono, OutsideHeap};

const COLUMNS: &str = "end_ms,pause_us,kind,before_bytes,after_bytes";

/// What is true about a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth {
    /// It leaks.
    Leak {
        /// How fast, on the average, bytes an hour.
        rate: f64,
        /// Since when, seconds after the attach; zero if it leaked already.
        from_s: f64,
    },
    /// It does not, whatever it looks like.
    Healthy,
}

/// One recorded process.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Where it comes from.
    pub source: String,
    /// Node's version.
    pub node: String,
    /// What is true about it.
    pub truth: Truth,
    /// The heap's limit, bytes.
    pub limit: Option<u64>,
    /// How old the process was at the attach, seconds.
    pub age_s: f64,
    /// In order of time, seconds since the attach.
    pub collections: Vec<Collection>,
}

impl Trace {
    /// Reads a trace. Fails on a key, kind or number that is none, naming the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut trace = Self {
            source: String::new(),
            node: String::new(),
            truth: Truth::Healthy,
            limit: None,
            age_s: 0.0,
            collections: Vec::new(),
        };
        for line in text.lines().filter(|line| *line != COLUMNS) {
            let taken = match line.strip_prefix("# ") {
                Some(header) => trace.header(header),
                None => collection(line).map(|c| trace.collections.push(c)),
            };
            taken.with_context(|| format!("not a line of a trace: `{line}`"))?;
        }
        Ok(trace)
    }

    /// The trace as [`Trace::parse`] reads it.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let head = format!("# source: {}\n# node: {}\n# age_s: {}\n", self.source, self.node, self.age_s);
        let leak = match self.truth {
            Truth::Leak { rate, from_s } => format!("# leak: {rate} {from_s}\n"),
            Truth::Healthy => String::new(),
        };
        let limit = self.limit.map_or(String::new(), |limit| format!("# limit: {limit}\n"));
        let lines: String = self.collections.iter().map(|c| line(c) + "\n").collect();
        [&head, &leak, &limit, COLUMNS, "\n", &lines].concat()
    }

    fn header(&mut self, header: &str) -> Result<()> {
        let (key, value) = header.split_once(": ").context("no `key: value`")?;
        match key {
            "source" => value.clone_into(&mut self.source),
            "node" => value.clone_into(&mut self.node),
            "age_s" => self.age_s = value.parse()?,
            "limit" => self.limit = Some(value.parse()?),
            "leak" => {
                let (rate, from_s) = value.split_once(' ').context("no `rate from_s`")?;
                self.truth = Truth::Leak { rate: rate.parse()?, from_s: from_s.parse()? };
            }
            other => bail!("no such key as `{other}`"),
        }
        Ok(())
    }
}

/// A collection that ended `end` after the attach and took `pause_us`.
#[must_use]
pub fn gc(end: Mono, pause_us: u64, kind: GcKind, before: u64, after: u64) -> Collection {
    Collection {
        heap: 1,
        tid: 1,
        start: Mono(end.0.saturating_sub(pause_us * 1000)),
        end,
        kind,
        reason: 0,
        before_bytes: Some(before),
        after_bytes: Some(after),
        limit: None,
        compacted: None,
        marking_start: None,
        stack: None,
        outside: OutsideHeap::default(),
    }
}

fn collection(line: &str) -> Result<Collection> {
    let field: Vec<&str> = line.split(',').collect();
    let [end_ms, pause_us, kind, before, after] = field[..] else { bail!("not five fields") };
    let kind =
        [GcKind::Scavenge, GcKind::MinorMark, GcKind::MarkCompact].into_iter().find(|k| k.word() == kind);
    let kind = kind.context("no such kind")?;
    let end = Mono(end_ms.parse::<u64>()? * 1_000_000);
    Ok(gc(end, pause_us.parse()?, kind, before.parse()?, after.parse()?))
}

fn line(c: &Collection) -> String {
    let bytes = |b: Option<u64>| b.unwrap_or(0);
    let (end_ms, pause_us) = (c.end.0 / 1_000_000, c.pause().as_micros());
    format!("{end_ms},{pause_us},{},{},{}", c.kind.word(), bytes(c.before_bytes), bytes(c.after_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "# source: a test\n# node: 20.20.2\n# age_s: 60\n# leak: 1048576 3600\n# limit: 1000000\n\
                    end_ms,pause_us,kind,before_bytes,after_bytes\n9,10,scavenge,5,4\n12,1,mark-compact,9,3\n";
        let trace = Trace::parse(text).unwrap();
        assert_eq!(trace.truth, Truth::Leak { rate: 1_048_576.0, from_s: 3600.0 });
        assert_eq!(
            (trace.collections.len(), trace.limit, trace.to_csv()),
            (2, Some(1_000_000), text.to_owned())
        );
    }

    #[test]
    fn nonsense_is_refused_by_its_line() {
        for bad in ["# color: red", "1,2,3", "1,2,sweep,3,4", "x,1,scavenge,1,1", "# leak: 5"] {
            assert!(Trace::parse(bad).is_err_and(|e| e.to_string().contains(bad)), "{bad}");
        }
    }
}
