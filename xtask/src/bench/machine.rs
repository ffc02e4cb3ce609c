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

/// Time of all processors since they were started, as the kernel counts it: jiffies.
#[derive(Clone, Copy)]
pub(super) struct Processors {
    total: u64,
    /// Of it, what the host gave to others while we wanted to run.
    stolen: u64,
}

impl Processors {
    /// As of now; nothing where the kernel does not say.
    pub(super) fn now() -> Self {
        Self::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of the first two.
    fn parse(stat: &str) -> Self {
        let fields = after(stat, "cpu ").unwrap_or_default().split_whitespace();
        let times: Vec<u64> = fields.map_while(|field| field.parse().ok()).take(8).collect();
        Self { total: times.iter().sum(), stolen: times.get(7).copied().unwrap_or_default() }
    }

    /// Percent of its processors that the host has kept from us since then. Beyond a few, times are its as much as ours.
    pub(super) fn stolen_pct(self) -> f64 {
        let now = Self::now();
        let [total, stolen] =
            [now.total - self.total, now.stolen - self.stolen].map(|jiffies| jiffies as f64);
        100.0 * stolen / total.max(1.0)
    }
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

    #[test]
    fn what_the_host_keeps_is_the_eighth_time() {
        let Processors { total, stolen } = Processors::parse("cpu  1 2 3 4 5 6 7 8 1 2\ncpu0 1 1\n");
        assert_eq!((total, stolen), (36, 8));
        assert_eq!(Processors::parse("").total, 0);
    }
}
