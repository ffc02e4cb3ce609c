//! What was typed behind `heap`. The doc comments are the `--help`.

use clap::{Args, Subcommand};

use super::output::OutputArgs;

/// What to read.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct HeapArgs {
    /// What to ask; without one: what is in the heap and who holds it.
    #[command(subcommand)]
    pub question: Option<HeapCommand>,
    /// Options of the question without a name.
    #[command(flatten)]
    pub take: TakeArgs,
    /// Also list what Node and V8 hold for their own use
    #[arg(long)]
    pub internal: bool,
}

/// Whose heap, and how to read it.
#[derive(Args, Clone, Debug)]
pub struct TakeArgs {
    /// The process to read
    #[arg(long, value_name = "PID", allow_hyphen_values = true)]
    pub pid: Option<String>,
    /// How long the process may be stopped: `none`, `auto` (at most 50ms) or a time
    #[arg(long, value_name = "TIME", default_value = "auto")]
    pub pause: String,
    /// Also read keys of maps and dictionaries (values never)
    #[arg(long)]
    pub keys: bool,
    /// How to show it
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Questions about a heap.
#[derive(Clone, Debug, Subcommand)]
pub enum HeapCommand {
    /// Show what grew between two points in time, what holds it, and why
    Diff(DiffArgs),
    /// Show why objects of a class, or the one at an address, are kept alive
    Paths(PathsArgs),
    /// Find unusual numbers of timers, listeners, promises, sockets, contexts, equal strings
    Find(FindArgs),
}

/// What to compare.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// How long to wait between two takes; `30s,30s` takes three and distinguishes steady growth from a step
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub wait: String,
    /// Wait until Enter is pressed instead
    #[arg(long, conflicts_with = "wait")]
    pub until_enter: bool,
    /// Whose heap
    #[command(flatten)]
    pub take: TakeArgs,
}

/// Which objects.
#[derive(Args, Clone, Debug)]
pub struct PathsArgs {
    /// A class, as `heap` prints it, or the address of an object, as an answer gives it
    #[arg(value_name = "CLASS|@ADDRESS")]
    pub what: String,
    /// Whose heap
    #[command(flatten)]
    pub take: TakeArgs,
}

/// Which heap.
#[derive(Args, Clone, Debug)]
pub struct FindArgs {
    /// Whose heap
    #[command(flatten)]
    pub take: TakeArgs,
}
