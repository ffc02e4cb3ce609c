//! A watched process as a file: what the tool saw of it and said about it, and what was true.
//!
//! Lines of text. Above, `# key: value`; below, one event a line, in order of time: a letter, milliseconds since the
//! attach, and the fields that [`Event`] documents, separated by commas. An empty field is not known; `~` is what the
//! line before of the same letter had. A few hundred bytes a watched second would be much for a repository: so sizes
//! of readings are in KiB (see [`columns`]), and small collections in quick succession are one.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use memwatch_user::model::{Collection, Mono, Reading};

use super::{
    case::Run,
    columns::{self, Figures, NAMES},
    fields::{self, Fields},
};

/// A process that was watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Who it was.
    pub run: Run,
    /// The tool's version.
    pub tool: String,
    /// How old it was at the attach, seconds.
    pub age_s: f64,
    /// How long it was watched, seconds.
    pub watched_s: f64,
    /// What was true.
    pub truth: Truth,
    /// In order of time.
    pub events: Vec<(u64, Event)>,
}

/// What forced collections found in a process of the same sort that nobody watched: a quarter of the watch after the
/// moment of the attach, and at its end. Empty for one that is healthy, or that dies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Seconds between the two.
    pub seconds: f64,
    /// By name of the counter (`heap`, `external`, `array_buffers`, `malloc`, `rss_anon`, `fds`, `threads`): both
    /// values, bytes or counts, all isolates together.
    pub counters: BTreeMap<String, [u64; 2]>,
}

/// Something that happened, or was read, or said.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `i,ms,isolate,state,thread,worker,limit`: an isolate came, was first seen, or went (`born`, `seen`, `gone`).
    Isolate {
        /// Its serial number.
        isolate: u32,
        /// `born`, `seen` or `gone`.
        state: String,
        /// Its thread.
        thread: u32,
        /// Whether it is a worker's.
        worker: bool,
        /// Its heap's limit, bytes.
        limit: Option<u64>,
    },
    /// `s`, `m` or `f` (scavenge, minor mark, mark-compact): `ms,isolate,pause_us,before,after,external,array_buffers`.
    /// The collection's `heap` is the isolate's serial number.
    Collection(Collection),
    /// `r,ms` and the columns that the head names.
    Reading(Box<Reading>),
    /// `v,ms,isolate,level,kind,rate,rate low,rate high,left low,left high,exhausts`: a verdict.
    Verdict(Verdict),
    /// `x,ms`: the process was stopped, another one started in its place, and the tool attached to that one.
    Restart,
    /// `e,ms,how`: the process ended by itself.
    End(String),
}

/// What the tool said. Words are those of the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Of which isolate; `None`: of the process.
    pub isolate: Option<u32>,
    /// `leak`, and so on.
    pub level: String,
    /// `js-heap`, and so on.
    pub kind: String,
    /// Bytes an hour.
    pub rate: Option<f64>,
    /// Its interval.
    pub rate_interval: [Option<f64>; 2],
    /// Seconds until something is used up.
    pub left: [Option<f64>; 2],
    /// `heap-limit`, and so on.
    pub exhausts: Option<String>,
}

impl Truth {
    /// By how much a counter grew in an hour; `None` if it was not counted.
    #[must_use]
    pub fn rate(&self, counter: &str) -> Option<f64> {
        let [quarter, end] = *self.counters.get(counter)?;
        Some((end as f64 - quarter as f64) / self.seconds * crate::HOUR)
    }

    fn head(&self) -> String {
        if self.counters.is_empty() {
            return String::new();
        }
        let line =
            |(name, [quarter, end]): (&String, &[u64; 2])| format!("# truth {name}: {quarter} {end}\n");
        let counters: String = self.counters.iter().map(line).collect();
        format!("# truth_s: {:.3}\n{counters}", self.seconds)
    }
}

impl Trace {
    /// Reads a trace. Fails on a line that is none, naming it.
    pub fn parse(text: &str) -> Result<Self> {
        let run = Run { case: String::new(), variant: String::new(), node: String::new() };
        let (truth, events) = (Truth::default(), Vec::new());
        let mut trace = Self { run, tool: String::new(), age_s: 0.0, watched_s: 0.0, truth, events };
        let mut reader = Reader::default();
        for line in text.lines() {
            let taken = match line.strip_prefix("# ") {
                Some(header) => trace.header(header, &mut reader),
                None => reader.event(line).map(|event| trace.events.push(event)),
            };
            taken.with_context(|| format!("not a line of a trace: `{line}`"))?;
        }
        Ok(trace)
    }

    fn header(&mut self, header: &str, reader: &mut Reader) -> Result<()> {
        let (key, value) = header.split_once(": ").context("no `key: value`")?;
        match key {
            "case" => value.clone_into(&mut self.run.case),
            "variant" => value.clone_into(&mut self.run.variant),
            "node" => value.clone_into(&mut self.run.node),
            "tool" => value.clone_into(&mut self.tool),
            "age_s" => self.age_s = value.parse()?,
            "watched_s" => self.watched_s = value.parse()?,
            "truth_s" => self.truth.seconds = value.parse()?,
            "columns" => reader.columns = value.split(' ').map(columns::index).collect(),
            counter => {
                let name = counter.strip_prefix("truth ").context("no such key")?;
                let (quarter, end) = value.split_once(' ').context("no two values")?;
                self.truth.counters.insert(name.to_owned(), [quarter.parse()?, end.parse()?]);
            }
        }
        Ok(())
    }

    /// The trace as [`Trace::parse`] reads it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let used = self.used_columns();
        let names: Vec<&str> = used.iter().map(|column| NAMES[*column]).collect();
        let mut text = self.head() + &format!("# columns: {}\n", names.join(" "));
        let mut before: BTreeMap<char, Vec<String>> = BTreeMap::new();
        for (at, event) in &self.events {
            let (letter, fields) = write(event, &used);
            let last = before.entry(letter).or_default();
            text += &fields::line(letter, *at, &fields, last);
            *last = fields;
        }
        text
    }

    fn head(&self) -> String {
        let Run { case, variant, node } = &self.run;
        let (tool, age, watched) = (&self.tool, self.age_s, self.watched_s);
        format!(
            "# case: {case}\n# variant: {variant}\n# node: {node}\n# tool: {tool}\n# age_s: {age:.3}\n\
             # watched_s: {watched:.3}\n{}",
            self.truth.head()
        )
    }

    /// The columns of which a figure is known at some time.
    fn used_columns(&self) -> Vec<usize> {
        let readings: Vec<Figures> = self.readings().map(columns::figures).collect();
        (0..NAMES.len()).filter(|column| readings.iter().any(|figures| figures[*column].is_some())).collect()
    }

    /// Its readings, in order of time.
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.events.iter().filter_map(|(_, event)| match event {
            Event::Reading(reading) => Some(&**reading),
            _ => None,
        })
    }

    /// When the process ended by itself, seconds after the attach.
    #[must_use]
    pub fn death_s(&self) -> Option<f64> {
        self.events.iter().find(|(_, event)| matches!(event, Event::End(_))).map(|(at, _)| *at as f64 / 1e3)
    }

    /// What the tool said, in order of time, with the seconds after the attach.
    pub fn verdicts(&self) -> impl Iterator<Item = (f64, &Verdict)> {
        self.events.iter().filter_map(|(at, event)| match event {
            Event::Verdict(verdict) => Some((*at as f64 / 1e3, verdict)),
            _ => None,
        })
    }
}

/// What must be remembered from line to line.
#[derive(Default)]
struct Reader {
    /// Where each column of a reading goes; `None` if it is one that we do not know.
    columns: Vec<Option<usize>>,
    before: BTreeMap<char, Vec<String>>,
}

impl Reader {
    fn event(&mut self, line: &str) -> Result<(u64, Event)> {
        let mut parts = line.split(',');
        let letter = parts.next().and_then(|word| word.chars().next()).context("no letter")?;
        let at: u64 = parts.next().context("no time")?.parse()?;
        let fields = fields::whole(parts, self.before.get(&letter).map_or(&[], Vec::as_slice))?;
        let event = self.read(letter, at, &Fields(&fields))?;
        self.before.insert(letter, fields);
        Ok((at, event))
    }

    fn read(&self, letter: char, at: u64, f: &Fields<'_>) -> Result<Event> {
        Ok(match letter {
            'i' => f.isolate()?,
            'r' => Event::Reading(Box::new(columns::reading(Mono(at * 1_000_000), &self.figures(f)?))),
            'v' => Event::Verdict(f.verdict()?),
            'x' => Event::Restart,
            'e' => Event::End(f.text(0)?.to_owned()),
            collection => Event::Collection(f.collection(collection, at)?),
        })
    }

    fn figures(&self, f: &Fields<'_>) -> Result<Figures> {
        let mut figures = columns::UNKNOWN;
        for (field, column) in self.columns.iter().enumerate() {
            let written = f.number(field)?;
            if let Some(column) = column {
                figures[*column] = written.map(|written| columns::read(*column, written));
            }
        }
        Ok(figures)
    }
}

/// An event's letter and its fields behind the time.
fn write(event: &Event, used: &[usize]) -> (char, Vec<String>) {
    match event {
        Event::Isolate { isolate, state, thread, worker, limit } => {
            ('i', fields::row(&[isolate, state, thread, &u8::from(*worker), &fields::cell(limit.as_ref())]))
        }
        Event::Collection(c) => fields::of_collection(c),
        Event::Reading(reading) => {
            let figures = columns::figures(reading);
            let cell = |column: &usize| fields::cell(figures[*column].map(|f| columns::written(*column, f)));
            ('r', used.iter().map(cell).collect())
        }
        Event::Verdict(verdict) => ('v', fields::of_verdict(verdict)),
        Event::Restart => ('x', Vec::new()),
        Event::End(how) => ('e', vec![how.replace([',', '\n'], " ")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# case: a\n# variant: leaky\n# node: 20.20.2\n# tool: 0.1.0\n# age_s: 2.000\n# watched_s: 150.000
# truth_s: 112.500\n# truth heap: 1000 5000\n# columns: rss fds
i,0,1,seen,77,0,\nr,1000,40960,20\ns,1500,1,800,5000000,4000000,,\ns,1700,~,~,6000000,~,,
f,2000,1,9000,7000000,3000000,1000,500\nr,2000,~,21\nv,2500,1,leak,js-heap,1000000,900000,,10,,heap-limit
x,2600\ne,2700,signal SIGKILL\n";

    #[test]
    fn what_is_written_is_read() {
        let trace = Trace::parse(TEXT).unwrap();
        assert_eq!(trace.to_text(), TEXT);
        assert_eq!(trace.truth.rate("heap"), Some(128_000.0));
        let (rss, fds): (Vec<_>, Vec<_>) = trace.readings().map(|r| (r.rss, r.descriptors)).unzip();
        assert_eq!(rss, [Some(40960 * 1024); 2]);
        assert_eq!(fds[1].map(|d| d.total), Some(21));
        assert_eq!(trace.verdicts().next().unwrap().1.left, [Some(10.0), None]);
    }

    #[test]
    fn nonsense_is_refused_by_its_line() {
        for bad in ["# color: red", "q,1", "s,1,2", "f,x,1,1,1,1,,", "r,1", "# truth heap: 5"] {
            let text = format!("# columns: rss\n{bad}\n");
            assert!(Trace::parse(&text).is_err_and(|e| e.to_string().contains(bad)), "{bad}");
        }
    }
}
