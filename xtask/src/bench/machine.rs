//! What it was measured on: what figures depend on, and nothing that names a machine.

use std::fs;
use std::thread;

use anyhow::Result;

use super::node;
use crate::run::cmd;

/// Processor, system and the versions of what is measured.
pub(super) fn description() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpuinfo, meminfo, release) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/etc/os-release"));
    let processors = thread::available_parallelism()?;
    let memory_gib = after(&meminfo, "MemTotal:")
        .and_then(|size| size.trim_end_matches(" kB").trim().parse::<f64>().ok())
        .map_or_else(String::new, |kib| format!(", {:.0} GiB", kib / 1024.0 / 1024.0));
    Ok(format!(
        "{} ({processors} processors{memory_gib}), {}, Linux {}; Node {}; bpftrace {}, wrk {}",
        after(&cpuinfo, "model name").unwrap_or("a processor without a name").trim_start_matches([':', ' ']),
        after(&release, "PRETTY_NAME=").unwrap_or("an unnamed system").trim_matches('"'),
        read("/proc/sys/kernel/osrelease").trim(),
        node::VERSION,
        package("bpftrace")?,
        package("wrk")?,
    ))
}

/// Today, in UTC.
pub(super) fn date() -> Result<String> {
    Ok(cmd("date").args(["--utc", "+%F"]).ask()?.trim().to_owned())
}

fn package(name: &str) -> Result<String> {
    cmd("dpkg-query").args(["--show", "--showformat=${Version}", name]).ask()
}

/// What follows the name on the first line that begins with it.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_follows_its_name() {
        assert_eq!(after("a: 1\nmodel name\t: Some CPU\n", "model name"), Some(": Some CPU"));
        assert_eq!(after("a: 1\n", "b"), None);
    }
}
