//! What was typed: no I/O, no checks beyond the form. The doc comments are the `--help`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    heap_args::HeapArgs,
    output::{ColorArg, OutputArgs},
    version,
};
use crate::host::features::FeatureName;

/// Says whether a running Node.js process leaks memory, what kind, how fast, and how long is left.
///
/// Attaches to unmodified, running processes through eBPF: no code change, no flag, no restart, no open port.
#[derive(Debug, Parser)]
#[command(
    name = "memwatch-bpf",
    version,
    long_version = version::long(),
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  memwatch-bpf list
      Show the Node.js processes of this host
  sudo memwatch-bpf 1234
      Watch the process 1234
  sudo memwatch-bpf --name 'api-*'
      Watch all processes of that name, including those that start later
  sudo memwatch-bpf 1234 --duration 10m --json > watch.jsonl
      Write one JSON object per line for ten minutes
  sudo memwatch-bpf --duration 60s -- node app.js
      Start a program and watch it for a minute

Exit status:
  1 if the last verdict on any process is `leak`; otherwise
  2 if the job could not be done, or if no process matched; otherwise
  3 if a last verdict is `inconclusive`; otherwise
  0, which means that a leak was excluded."
)]
pub struct Cli {
    /// What to do [default: watch].
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `watch`.
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch processes until they end, Ctrl-C, or --duration (the default command)
    Watch(Box<WatchArgs>),
    /// List the Node.js processes of this host
    List(ListArgs),
    /// Show what is in the heap of a process, what holds it, and what grew
    Heap(Box<HeapArgs>),
    /// Check what this host and a process allow, with a fix for whatever does not work
    Doctor(DoctorArgs),
    /// Start a small leaking Node.js program and watch it being caught
    Demo(DemoArgs),
}

/// Which processes to watch, for how long, and how to report it.
#[derive(Args, Clone, Debug, Default)]
pub struct WatchArgs {
    /// Watch these processes
    #[arg(value_name = "PID")]
    pub pids: Vec<String>,
    /// Watch these processes (comma-separated)
    #[arg(short, long, value_name = "PID,…", allow_hyphen_values = true)]
    pub pid: Option<String>,
    /// Watch Node.js processes of this name, including those that start later
    ///
    /// The pattern (`*`, `?`, `[…]`, `{a,b}`) is compared with the process title, the name that pm2 gave, the path and the
    /// file name of the script, the name of the npm package, the systemd unit, the executable, and `:PORT` for a TCP port
    /// that the process listens on. The report says which of these matched.
    #[arg(long, value_name = "GLOB")]
    pub name: Option<String>,
    /// Watch all Node.js processes, including those that start later
    #[arg(long)]
    pub all: bool,
    /// Watch all Node.js processes of this container, including those that start later (id, or its first characters)
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
    /// Also watch Node.js processes that the watched ones start (cluster, child_process)
    #[arg(long)]
    pub children: bool,
    /// Stop after this long, for example `10` (seconds), `90s`, `1h 30m` or `2d`
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// How often to read the memory use of a process; also sets the resolution of verdicts
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub interval: String,
    /// How to follow native memory (malloc and mmap)
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub native: NativeArg,
    /// Record which JavaScript functions allocate
    #[arg(long, value_enum, value_name = "STATE", default_value_t)]
    pub stacks: Switch,
    /// Whether to read the heaps of a process, to say whether they grow and what holds them (it is never stopped for that)
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub explain: Explain,
    /// Overhead limit for each watched process, in percent of one CPU (`--native full` ignores it)
    #[arg(long, value_name = "PERCENT", default_value = "1%")]
    pub budget: String,
    /// Files to write
    #[command(flatten)]
    pub profiles: ProfileArgs,
    /// How to show it
    #[command(flatten)]
    pub report: ReportArgs,
    /// Report more: -v every collection, -vv also debug messages of the eBPF programs (on standard error)
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Report verdicts only
    #[arg(short, long)]
    pub quiet: bool,
    /// Treat this kernel as one without this feature (used by the tests)
    #[arg(long, value_enum, value_name = "FEATURE", hide = true)]
    pub assume_missing: Vec<FeatureName>,
    /// Start this program, and watch it and the programs that it starts
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What to write of where JavaScript allocated, at the end.
#[derive(Args, Clone, Debug, Default)]
pub struct ProfileArgs {
    /// At the end, write a pprof profile of where JavaScript allocated, and what of that is alive
    #[arg(long, value_name = "FILE")]
    pub pprof: Option<PathBuf>,
    /// At the end, write a flame graph (SVG) of where JavaScript allocated
    #[arg(long, value_name = "FILE")]
    pub flamegraph: Option<PathBuf>,
    /// At the end, write collapsed stacks, one per line, of where JavaScript allocated
    #[arg(long, value_name = "FILE")]
    pub collapsed: Option<PathBuf>,
}

/// How to show a watch, and where else to write it.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    /// Print JSON Lines (one object per line) instead of text; with a file, also write them to that file
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    pub json: Vec<PathBuf>,
    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorArg,
}

/// How to follow native memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NativeArg {
    /// Disabled
    Off,
    /// Report whether it grows, without any probe
    Growth,
    /// Trace every malloc and free, without an overhead limit
    Full,
    /// Find the call sites that hold it, within the overhead limit
    #[default]
    Auto,
}

/// Whether heaps are read for what holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Explain {
    /// When one grows, and memory for it is plentiful
    #[default]
    Auto,
    /// Never
    Off,
}

/// Whether to do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Enabled where this build of Node.js allows it
    #[default]
    On,
    /// Disabled
    Off,
}

/// How to list processes.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Print JSON Lines: one object per line
    #[arg(long)]
    pub json: bool,
}

/// What to examine.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Also check this process
    #[arg(value_name = "PID")]
    pub process: Option<String>,
    /// Also check this process
    #[arg(short, long, value_name = "PID", allow_hyphen_values = true, conflicts_with = "process")]
    pub pid: Option<String>,
    /// How to show it
    #[command(flatten)]
    pub output: OutputArgs,
    /// Treat this kernel as one without this feature (used by the tests)
    #[arg(long, value_enum, value_name = "FEATURE", hide = true)]
    pub assume_missing: Vec<FeatureName>,
}

/// What to demonstrate with.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Node.js binary to start [default: `node` from PATH]
    #[arg(long, value_name = "FILE")]
    pub node: Option<PathBuf>,
    /// Give up after this long
    #[arg(long, value_name = "TIME", default_value = "90s")]
    pub duration: String,
    /// How to show it
    #[command(flatten)]
    pub output: OutputArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
