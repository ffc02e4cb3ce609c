//! What following a million blocks from ten thousand call sites takes of memory: ours, and the kernel's for our maps.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::super::Bench;
use super::super::footprint::Footprint;
use super::super::node::Node;
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
    thread::sleep(Duration::from_secs(4));
    let Footprint { rss_mib, anon_mib, maps_mib, .. } = Footprint::of(tool.pid())?;
    Ok([what.to_owned(), format!("{rss_mib:.1}"), format!("{anon_mib:.1}"), format!("{maps_mib:.1}")])
}
