//! `list`: the Node processes of this host, one row each, with a name that tells them apart. Only reads /proc, so that it works
//! without root as far as the kernel lets us look; what could not be looked at is counted.

mod table;

use std::{
    collections::HashMap,
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
    v8::version,
};

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
