//! What was typed: no I/O, no checks beyond the form. The doc comments are the `--help`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::heap::HeapArgs;
use crate::host::features::FeatureName;

/// Says whether a running Node.js process leaks memory, what kind, how fast, and how long is left.
///
/// Attaches to unmodified, running processes through eBPF: no code change, no flag, no restart, no open port.
#[derive(Debug, Parser)]
#[command(
    name = "memwatch-bpf",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  sudo memwatch-bpf --pid 1234                 watch one process
  sudo memwatch-bpf --name 'api-*'             every process of that name, and those that start later
  sudo memwatch-bpf --pid 1234 --json          one JSON object a line (docs/json.md)
  sudo memwatch-bpf --duration 60s -- node app.js  start a program and watch it

Exit status: 1 if a last verdict is `leak`; else 2 if the job could not be done;
else 3 if a last verdict is `inconclusive`; else 0."
)]
pub struct Cli {
    /// What to do; without one: watch.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `watch`.
    #[command(flatten)]
    pub watch: WatchArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch processes until Ctrl-C, their end, or --duration (the default command)
    Watch(Box<WatchArgs>),
    /// Say what is in the heap of a process, who holds it, and what grew
    Heap(Box<HeapArgs>),
    /// Say what this host and a process allow, each line with its fix
    Doctor(DoctorArgs),
    /// Start a small leaking Node program and watch it being caught
    Demo(DemoArgs),
}

/// Whom to watch, for how long, and how to show it.
#[derive(Args, Clone, Debug, Default)]
pub struct WatchArgs {
    /// Watch these processes (comma-separated)
    #[arg(long, value_name = "PID,…", allow_hyphen_values = true)]
    pub pid: Option<String>,
    /// Watch processes whose executable, script or npm package name matches, also those that start later
    #[arg(long, value_name = "GLOB")]
    pub name: Option<String>,
    /// Watch every Node process, also those that start later
    #[arg(long)]
    pub all: bool,
    /// Watch every Node process of this container (id or its first characters), also those that start later
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
    /// Also watch Node processes that the watched ones start (cluster, child_process)
    #[arg(long)]
    pub children: bool,
    /// Stop after this long, for example `90s` or `1h 30m`
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// How often to look at the memory of the process; verdicts stand on these looks too
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub interval: String,
    /// How closely to look at the memory of malloc
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    pub native: NativeArg,
    /// Whether to say where JavaScript allocates
    #[arg(long, value_enum, value_name = "STATE", default_value_t)]
    pub stacks: Switch,
    /// What each of the two may cost a process, percent of one CPU (but for `--native full`)
    #[arg(long, value_name = "PERCENT", default_value = "1%")]
    pub budget: String,
    /// Files to write
    #[command(flatten)]
    pub profiles: ProfileArgs,
    /// How to show it
    #[command(flatten)]
    pub output: OutputArgs,
    /// Say more: -v every collection, -vv also the kernel side's own debug lines (on standard error)
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Say only the verdicts
    #[arg(short, long)]
    pub quiet: bool,
    /// Take the host for one without this, to see what happens (used by the tests)
    #[arg(long, value_enum, value_name = "FEATURE", hide = true)]
    pub assume_missing: Vec<FeatureName>,
    /// Start this program and watch it and what it starts
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What to write of where JavaScript allocated, at the end.
#[derive(Args, Clone, Debug, Default)]
pub struct ProfileArgs {
    /// At the end, write where JavaScript allocated as a pprof profile
    #[arg(long, value_name = "FILE")]
    pub pprof: Option<PathBuf>,
    /// Likewise as a flame graph (SVG)
    #[arg(long, value_name = "FILE")]
    pub flamegraph: Option<PathBuf>,
    /// Likewise as collapsed stacks, one a line
    #[arg(long, value_name = "FILE")]
    pub collapsed: Option<PathBuf>,
}

/// How to show it.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OutputArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Colours; `auto` is on a terminal unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: ColorArg,
}

/// How closely to look at the memory of malloc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NativeArg {
    /// Not at all
    Off,
    /// Whether it grows: no probe
    Growth,
    /// Every malloc and free, whatever that costs
    Full,
    /// Which call sites hold it, within the budget
    #[default]
    Auto,
}

/// Whether to do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Where it works
    #[default]
    On,
    /// Not
    Off,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to examine.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Also examine this process
    #[arg(long, value_name = "PID", allow_hyphen_values = true)]
    pub pid: Option<String>,
    /// How to show it
    #[command(flatten)]
    pub output: OutputArgs,
    /// Take the host for one without this, to see what happens (used by the tests)
    #[arg(long, value_enum, value_name = "FEATURE", hide = true)]
    pub assume_missing: Vec<FeatureName>,
}

/// What to demonstrate with.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// The Node to start; without one: `node` on the PATH
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
