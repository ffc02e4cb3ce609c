//! `list`: the Node processes of this host, one row each, with a name that tells them apart. Only reads /proc, so that it works
//! without root as far as the kernel lets us look; what could not be looked at is counted.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    io::{self, Write},
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    cli::job::List,
    report::{record::SCHEMA, time::Time},
    target::{
        FileKey, Identity, Scanner, Selector, image,
        process::{self, Process},
        select,
    },
    units,
    v8::version,
};

/// As much of a container's id as `docker ps` shows.
const SHORT_ID: usize = 12;
/// What is shown for a value that is not known.
const UNKNOWN: &str = "?";

/// A Node process.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    pid: u32,
    start_time: Time,
    /// What tells it from its neighbours; fit to be shown.
    name: String,
    node_version: Option<String>,
    /// Bytes that are resident.
    rss: Option<u64>,
    container: Option<String>,
    title: Option<String>,
    script: Option<String>,
    package: Option<String>,
    pm2_name: Option<String>,
    unit: Option<String>,
    ports: Vec<u16>,
}

/// What there is to see.
#[derive(Clone, Debug, Default, PartialEq)]
struct Listing {
    rows: Vec<Row>,
    /// Processes that we may not look at.
    unseen: usize,
}

/// Lists them. Returns the exit status.
pub fn run(job: List) -> Result<u8> {
    let listing = Listing::take();
    let mut out = io::stdout().lock();
    if job.json {
        listing.write_json(&mut out)?;
    } else {
        out.write_all(listing.text().as_bytes())?;
    }
    out.flush()?;
    Ok(0)
}

impl Listing {
    fn take() -> Self {
        let mut versions = HashMap::new();
        let mut scanner = Scanner::default();
        let found = scanner.scan(&Selector::All);
        let rows = found.iter().filter_map(|candidate| row(candidate.pid, &mut versions)).collect();
        Self { rows, unseen: select::unseen() }
    }

    fn text(&self) -> String {
        let mut text =
            if self.rows.is_empty() { "no Node.js process found\n".to_owned() } else { self.table() };
        if self.unseen > 0 {
            let processes = units::things(self.unseen as u64, "process");
            // A string takes everything.
            let _never =
                writeln!(text, "{processes} of other users could not be examined: run as root to see all");
        }
        text
    }

    /// Numbers to the right, names to the left, and no column that would be empty.
    fn table(&self) -> String {
        let has_containers = self.rows.iter().any(|row| row.container.is_some());
        let heading = ["PID", "NODE", "MEMORY", "CONTAINER", "NAME"].map(str::to_owned);
        let table: Vec<[String; 5]> =
            std::iter::once(heading).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 4] = std::array::from_fn(width);
        let line = |[pid, node, memory, container, name]: &[String; 5]| {
            let [pid_width, node_width, memory_width, container_width] = widths;
            let container =
                if has_containers { format!("{container:container_width$}  ") } else { String::new() };
            format!("{pid:>pid_width$}  {node:node_width$}  {memory:>memory_width$}  {container}{name}\n")
        };
        table.iter().map(line).collect()
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.rows {
            write_line(out, &Line { schema: SCHEMA, kind: "process", value: row })?;
        }
        if self.unseen > 0 {
            let unseen = Unseen { processes: self.unseen, reason: "no permission: run as root to see all" };
            write_line(out, &Line { schema: SCHEMA, kind: "unseen", value: &unseen })?;
        }
        Ok(())
    }
}

/// Processes that we may not look at.
#[derive(Serialize)]
struct Unseen {
    processes: usize,
    reason: &'static str,
}

#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

fn write_line<T: Serialize>(out: &mut dyn Write, line: &Line<'_, T>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let known = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
        let container = self.container.as_deref().map(|id| id.get(..SHORT_ID).unwrap_or(id));
        [
            self.pid.to_string(),
            known(self.node_version.clone()),
            known(self.rss.map(units::bytes)),
            container.unwrap_or("-").to_owned(),
            self.name.clone(),
        ]
    }
}

/// The row of `pid`; `None` if it ended meanwhile.
fn row(pid: u32, versions: &mut HashMap<FileKey, Option<String>>) -> Option<Row> {
    let (process, identity) = (process::identify(pid).ok()?, Identity::of(pid)?);
    Some(Row {
        pid,
        start_time: Time::from_unix_ms(process.start_unix_ms),
        name: identity.display_name(),
        node_version: node_version(&process, versions),
        rss: rss(pid),
        container: identity.container().map(str::to_owned),
        title: identity.title().map(str::to_owned),
        script: identity.script(),
        package: identity.package().map(str::to_owned),
        pm2_name: identity.pm2_name().map(str::to_owned),
        unit: identity.unit().map(str::to_owned),
        ports: identity.ports().to_vec(),
    })
}

/// Each file is searched once, however many processes run it.
fn node_version(process: &Process, versions: &mut HashMap<FileKey, Option<String>>) -> Option<String> {
    let image = image::find(process).ok()?;
    let find = || {
        let range = image.elf.read_only_data().ok()??;
        version::find(range, |at, to| image.elf.read(at, to)).ok()?.node
    };
    versions.entry(image.key).or_insert_with(find).clone()
}

fn rss(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u32, name: &str) -> Row {
        Row {
            pid,
            start_time: Time::from_unix_ms(0),
            name: name.to_owned(),
            node_version: Some("22.23.3".to_owned()),
            rss: Some(142_000_000),
            container: None,
            title: None,
            script: None,
            package: None,
            pm2_name: None,
            unit: None,
            ports: Vec::new(),
        }
    }

    #[test]
    fn columns_are_aligned_and_none_is_empty() {
        let other = Row { node_version: None, rss: None, ..row(7, "api/server.js :3000") };
        let listing = Listing { rows: vec![row(48213, "shop #3"), other.clone()], unseen: 0 };
        let expected = "  PID  NODE       MEMORY  NAME\n\
                        48213  22.23.3  142.0 MB  shop #3\n    7  ?               ?  api/server.js :3000\n";
        assert_eq!(listing.text(), expected);
        let inside = Row { container: Some("3f".repeat(32)), ..other };
        let text = Listing { rows: vec![inside], unseen: 0 }.text();
        assert!(text.contains("CONTAINER") && text.contains("  3f3f3f3f3f3f  api"), "{text}");
    }

    #[test]
    fn what_could_not_be_seen_is_said() {
        let listing = Listing { rows: Vec::new(), unseen: 12 };
        let expected = "no Node.js process found\nprocesses that could not be examined: 12 (no permission; run as root to see all)\n";
        assert_eq!(listing.text(), expected);
        let mut json = Vec::new();
        Listing { rows: vec![row(7, "shop")], unseen: 1 }.write_json(&mut json).unwrap();
        let lines: Vec<serde_json::Value> =
            json.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!((&lines[0]["type"], &lines[0]["name"]), (&"process".into(), &"shop".into()));
        assert_eq!((&lines[1]["type"], &lines[1]["processes"]), (&"unseen".into(), &1.into()));
    }
}
