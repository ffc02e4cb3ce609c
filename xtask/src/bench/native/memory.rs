//! What following a million blocks from ten thousand call sites takes of memory: ours, and the kernel's for our maps.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

use super::super::Bench;
use super::super::node::Node;
use super::super::own::mebibytes;
use super::super::page::Section;
use super::super::tool::{GOVERNOR, Tool};
use super::addon;

/// Ten thousand calls of `malloc`.
const SITES: &str = "xtask/src/bench/native/sites.c";
/// How often each of them is made: a million blocks.
const ROUNDS: u32 = 100;

/// Adds the table.
pub(super) fn added(section: Section, bench: &Bench) -> Result<Section> {
    let addon = addon(SITES)?;
    let mut section = section.says(
        "Memory of ours and of the kernel for our maps (their `memlock`), MiB: beside a target that goes on, and with \
         a million blocks of ten thousand call sites outstanding.",
    );
    let mut rows = Vec::new();
    for mode in ["off", "full"] {
        let mut node = Node::start("native", &[&addon.to_string_lossy()])?;
        let tool = Tool::attach_with(&[node.pid()], &bench.cache, &["--native", mode])?;
        if mode == "full" {
            tool.wait_for(GOVERNOR)?;
        }
        rows.push(row(&format!("`--native {mode}`"), &tool)?);
        if mode == "full" {
            node.ask(&format!("fill {ROUNDS}"))?;
            rows.push(row("the same, a million blocks", &tool)?);
        }
        tool.detach()?;
    }
    section.table(["", "resident", "of it not of files", "maps"], rows);
    Ok(section)
}

fn row(what: &str, tool: &Tool) -> Result<[String; 4]> {
    // Known sites are told, and their names looked up, once a second.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let status = fs::read_to_string(format!("/proc/{}/status", tool.pid()))?;
    let [rss, anon] = ["VmRSS", "RssAnon"].map(|field| mebibytes(&status, field));
    Ok([
        what.to_owned(),
        format!("{:.1}", rss?),
        format!("{:.1}", anon?),
        format!("{:.1}", maps_bytes(tool.pid())? as f64 / 1_048_576.0),
    ])
}

/// Bytes of all maps that a process holds, each counted once.
fn maps_bytes(pid: u32) -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        // A descriptor may be closed meanwhile.
        maps.extend(map(&fs::read_to_string(entry.path()).unwrap_or_default()));
    }
    let bytes: u64 = maps.values().sum();
    (bytes > 0).then_some(bytes).context("it holds no map")
}

/// Id and size, if it is the description of a map.
fn map(fdinfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
    };
    Some((field("map_id")?, field("memlock")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_told_from_a_program() {
        assert_eq!(map("pos:\t0\nmap_type:\t1\nmemlock:\t4096\nmap_id:\t9\n"), Some((9, 4096)));
        assert_eq!(map("prog_type:\t2\nmemlock:\t4096\nprog_id:\t7\n"), None);
    }
}
