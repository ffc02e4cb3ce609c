//! What is to be done: every value checked, every contradiction found, before anything is touched.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Parser, error::ErrorKind};

use super::{
    args::{Cli, Command, DemoArgs, DoctorArgs, Explain, NativeArg, ProfileArgs, Switch, WatchArgs},
    heap::{self, Heap},
    output::OutputArgs,
    values::{Usage, duration, pid},
};
use crate::{host::features::FeatureName, native};

/// As a file of `--json`.
const STANDARD_OUTPUT: &str = "-";
/// Reading /proc more often than this costs more than it tells.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Job {
    /// Watch.
    Watch(Watch),
    /// List the Node processes of the host.
    List(List),
    /// Read a heap.
    Heap(Heap),
    /// Examine host and process.
    Doctor(Doctor),
    /// Show off.
    Demo(Demo),
    /// Print this and leave: help or version.
    Print(String),
}

/// Whom to watch, for how long, and how to show it.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Whom.
    pub whom: Whom,
    /// Also what they start.
    pub children: bool,
    /// For how long; `None` until they or we are stopped.
    pub duration: Option<Duration>,
    /// How often to read the process's memory.
    pub interval: Duration,
    /// How closely to look at native memory.
    pub native: native::Mode,
    /// What that may cost a target, percent of one CPU.
    pub budget_pct: f64,
    /// Whether to say where JavaScript allocates.
    pub stacks: Switch,
    /// Whether heaps are read: for whether they grow, and what holds them.
    pub explain: Explain,
    /// Files to write of it.
    pub profiles: ProfileFiles,
    /// How to show it.
    pub output: OutputArgs,
    /// Also write it as JSON to these files.
    pub json_files: Vec<PathBuf>,
    /// 0 to 2.
    pub verbose: u8,
    /// Only verdicts.
    pub quiet: bool,
    /// Features of the host to do without.
    pub assume_missing: Vec<FeatureName>,
    /// Stop once a JavaScript heap is called a leak.
    pub until_leak: bool,
}

/// Files to write of where JavaScript allocates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileFiles {
    /// A pprof profile.
    pub pprof: Option<PathBuf>,
    /// A flame graph.
    pub flamegraph: Option<PathBuf>,
    /// Collapsed stacks.
    pub collapsed: Option<PathBuf>,
}

/// Whom to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// These processes; at least one, each once.
    Pids(Vec<u32>),
    /// Those whose executable, script or package matches this pattern.
    Name(String),
    /// Every Node process.
    All,
    /// Every Node process of this container.
    Container(String),
    /// A program that we start, and what it starts.
    Command(Vec<OsString>),
}

/// How to list processes.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// As JSON Lines.
    pub json: bool,
}

/// What to examine.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// Also this process.
    pub pid: Option<u32>,
    /// How to show it.
    pub output: OutputArgs,
    /// Features of the host to do without.
    pub assume_missing: Vec<FeatureName>,
}

/// What to demonstrate with.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The Node to start; `None` for the one on the PATH.
    pub node: Option<PathBuf>,
    /// Give up after this long.
    pub duration: Duration,
    /// How to show it.
    pub output: OutputArgs,
}

/// Reads the command line.
pub fn from_command_line(args: impl IntoIterator<Item = OsString>) -> Result<Job, Usage> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Job::Print(error.render().to_string()));
        }
        Err(error) => return Err(one_line(&error)),
    };
    match cli.command {
        None => watch(cli.watch).map(Job::Watch),
        Some(Command::Watch(args)) => watch(*args).map(Job::Watch),
        Some(Command::List(args)) => Ok(Job::List(List { json: args.json })),
        Some(Command::Heap(args)) => heap::heap(*args).map(Job::Heap),
        Some(Command::Doctor(args)) => doctor(&args).map(Job::Doctor),
        Some(Command::Demo(args)) => demo(args).map(Job::Demo),
    }
}

/// clap explains over several lines; its first paragraph is the explanation.
fn one_line(error: &clap::Error) -> Usage {
    let text = error.render().to_string();
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = paragraph.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Usage::new(format!("{message}; `memwatch-bpf --help` shows what there is"))
}

/// What to write; an error if `stacks` are not there to be written.
fn profiles(args: ProfileArgs, stacks: Switch) -> Result<ProfileFiles, Usage> {
    let ProfileArgs { pprof, flamegraph, collapsed } = args;
    let files = ProfileFiles { pprof, flamegraph, collapsed };
    if stacks == Switch::Off && files != ProfileFiles::default() {
        return Err(Usage::new("a profile is made of stacks: leave out --stacks off"));
    }
    Ok(files)
}

/// Two reports in one file would be neither.
fn all_differ(mut named: Vec<&PathBuf>) -> Result<(), Usage> {
    named.sort();
    let twice = named.windows(2).find(|pair| pair[0] == pair[1]);
    twice.map_or(Ok(()), |pair| {
        Err(Usage::new(format!("{} is named twice: each output needs a file of its own", pair[0].display())))
    })
}

fn watch(args: WatchArgs) -> Result<Watch, Usage> {
    let interval = duration("--interval", &args.interval)?;
    if interval < SHORTEST_INTERVAL {
        return Err(Usage::new(format!("--interval {} is too short: at least 100ms", args.interval)));
    }
    let children = args.children;
    let whom = whom(&args)?;
    if children && matches!(whom, Whom::All | Whom::Command(_)) {
        return Err(Usage::new("--children adds nothing here: they are watched anyway; leave it out"));
    }
    let profiles = profiles(args.profiles, args.stacks)?;
    let json_files = args.report.json;
    let profile_files = [&profiles.pprof, &profiles.flamegraph, &profiles.collapsed].into_iter().flatten();
    all_differ(json_files.iter().chain(profile_files).collect())?;
    let (standard_output, json_files): (Vec<_>, Vec<_>) =
        json_files.into_iter().partition(|file| file.as_os_str() == STANDARD_OUTPUT);
    Ok(Watch {
        whom,
        children,
        duration: args.duration.as_deref().map(|text| duration("--duration", text)).transpose()?,
        interval,
        native: mode(args.native),
        budget_pct: budget(&args.budget)?,
        stacks: args.stacks,
        explain: args.explain,
        profiles,
        output: OutputArgs { json: !standard_output.is_empty(), color: args.report.color },
        json_files,
        verbose: args.verbose,
        quiet: args.quiet,
        assume_missing: args.assume_missing,
        until_leak: false,
    })
}

fn whom(args: &WatchArgs) -> Result<Whom, Usage> {
    let given = [
        (!args.pids.is_empty()).then(|| positional(&args.pids).map(Whom::Pids)),
        args.pid.as_deref().map(|list| pids(list).map(Whom::Pids)),
        args.name.clone().map(|glob| Ok(Whom::Name(glob))),
        args.all.then_some(Ok(Whom::All)),
        args.container.as_deref().map(|id| container(id).map(Whom::Container)),
        (!args.command.is_empty()).then(|| Ok(Whom::Command(args.command.clone()))),
    ];
    let mut given = given.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(whom), None) => whom,
        (None, _) => Err(Usage::new(
            "which process? Give a PID, --name GLOB, --all, --container ID or -- COMMAND; `memwatch-bpf list` shows the Node.js processes of this host",
        )),
        (Some(_), Some(_)) => Err(Usage::new(
            "PID, --pid, --name, --all, --container and -- COMMAND exclude each other: give one",
        )),
    }
}

fn mode(native: NativeArg) -> native::Mode {
    match native {
        NativeArg::Off => native::Mode::Off,
        NativeArg::Growth => native::Mode::Growth,
        NativeArg::Full => native::Mode::Full,
        NativeArg::Auto => native::Mode::Auto,
    }
}

fn budget(text: &str) -> Result<f64, Usage> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    percent.filter(|percent| *percent > 0.0 && *percent <= 100.0).ok_or_else(|| {
        Usage::new(format!("--budget {}: not a share of one CPU, such as 1% or 0.5%", text.escape_debug()))
    })
}

/// What stands without an option is a pid, or was meant as a command.
fn positional(words: &[String]) -> Result<Vec<u32>, Usage> {
    let is_list = |word: &String| word.chars().all(|char| char.is_ascii_digit() || char == ',');
    if let Some(word) = words.iter().find(|word| !is_list(word)) {
        let word = word.escape_debug();
        return Err(Usage::new(format!(
            "{word} is neither a command nor a process id (processes by name: --name {word}); `memwatch-bpf --help` shows more"
        )));
    }
    pids(&words.join(","))
}

fn pids(list: &str) -> Result<Vec<u32>, Usage> {
    let mut pids = Vec::new();
    for text in list.split(',') {
        let pid = pid(text)?;
        if pids.contains(&pid) {
            return Err(Usage::new(format!("--pid {list} names process {pid} twice")));
        }
        pids.push(pid);
    }
    Ok(pids)
}

fn container(id: &str) -> Result<String, Usage> {
    if id.len() >= 4 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        Ok(id.to_owned())
    } else {
        Err(Usage::new(format!("--container {}: give at least four characters of its id", id.escape_debug())))
    }
}

fn doctor(args: &DoctorArgs) -> Result<Doctor, Usage> {
    let pid = args.process.as_deref().or(args.pid.as_deref()).map(pid).transpose()?;
    Ok(Doctor { pid, output: args.output, assume_missing: args.assume_missing.clone() })
}

fn demo(args: DemoArgs) -> Result<Demo, Usage> {
    Ok(Demo { node: args.node, duration: duration("--duration", &args.duration)?, output: args.output })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Job, Usage> {
        from_command_line(line.split(' ').map(OsString::from))
    }

    fn watch_of(line: &str) -> Watch {
        match parse(line) {
            Ok(Job::Watch(watch)) => watch,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn watch_is_the_default_command() {
        for line in [
            "memwatch-bpf --pid 7,8",
            "memwatch-bpf watch --pid 7,8",
            "memwatch-bpf 7 8",
            "memwatch-bpf 7,8",
            "memwatch-bpf watch 7 8",
            "memwatch-bpf -p 7,8",
            "memwatch-bpf --json 7 8 -q",
        ] {
            assert_eq!(watch_of(line).whom, Whom::Pids(vec![7, 8]), "{line}");
        }
    }

    #[test]
    fn lengths_of_time() {
        let day = 24 * 60 * 60;
        for (text, seconds) in [("10", 10), ("90s", 90), ("1h30m", 5400), ("2d", 2 * day), ("1w", 7 * day)] {
            let watch = watch_of(&format!("memwatch-bpf 7 --duration {text}"));
            assert_eq!(watch.duration, Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(watch_of("memwatch-bpf 7 --interval 0.5").interval, Duration::from_millis(500));
    }

    #[test]
    fn the_other_commands() {
        assert!(matches!(parse("memwatch-bpf list --json"), Ok(Job::List(List { json: true }))));
        for line in ["memwatch-bpf doctor 7", "memwatch-bpf doctor -p 7"] {
            assert!(matches!(parse(line), Ok(Job::Doctor(Doctor { pid: Some(7), .. }))), "{line}");
        }
        assert!(matches!(parse("memwatch-bpf --version"), Ok(Job::Print(text)) if text.contains("commit")));
    }

    #[test]
    fn a_command_takes_everything_after_the_dashes() {
        let watch = watch_of("memwatch-bpf --json --duration 90s -- node app.js --pid 3");
        assert_eq!(watch.whom, Whom::Command(["node", "app.js", "--pid", "3"].map(OsString::from).to_vec()));
        assert_eq!(watch.duration, Some(Duration::from_secs(90)));
        assert!(watch.output.json);
    }

    #[test]
    fn json_goes_to_standard_output_or_beside_it_into_a_file() {
        for (line, json, files) in [
            ("memwatch-bpf --pid 7", false, &[][..]),
            ("memwatch-bpf --pid 7 --json", true, &[]),
            ("memwatch-bpf --json --pid 7", true, &[]),
            ("memwatch-bpf --pid 7 --json=-", true, &[]),
            ("memwatch-bpf --pid 7 --json=x", false, &["x"]),
            ("memwatch-bpf --pid 7 --json --json=x --json=y", true, &["x", "y"]),
        ] {
            let watch = watch_of(line);
            let files: Vec<_> = files.iter().map(PathBuf::from).collect();
            assert_eq!((watch.output.json, watch.json_files), (json, files), "{line}");
        }
    }

    #[test]
    fn bad_input_is_one_line() {
        let cases = [
            ("memwatch-bpf", "which process?"),
            ("memwatch-bpf --pid 0", "no process can have this id"),
            ("memwatch-bpf --pid -4", "no process can have this id"),
            ("memwatch-bpf --pid 99999999999999999999", "no process can have this id"),
            ("memwatch-bpf --pid x", "not a number"),
            ("memwatch-bpf --pid 7,7", "twice"),
            ("memwatch-bpf --pid 7,", "not a number"),
            ("memwatch-bpf --pid 7 --all", "exclude each other"),
            ("memwatch-bpf --all --children", "adds nothing"),
            ("memwatch-bpf --all -- node", "exclude each other"),
            ("memwatch-bpf --pid 7 --duration soon", "not a length of time"),
            ("memwatch-bpf --pid 7 --duration=-5s", "not a length of time"),
            ("memwatch-bpf --pid 7 --interval 1ms", "too short"),
            ("memwatch-bpf --pid 7 --budget 0%", "not a share of one CPU"),
            ("memwatch-bpf --pid 7 --budget 101", "not a share of one CPU"),
            ("memwatch-bpf --pid 7 --budget much", "not a share of one CPU"),
            ("memwatch-bpf --pid 7 --native some", "invalid value"),
            ("memwatch-bpf --pid 7 -v -q", "cannot be used with"),
            ("memwatch-bpf --container x", "four characters"),
            ("memwatch-bpf --pid 7 --json=x --pprof x", "named twice"),
            ("memwatch-bpf --pid 7 --json=", "a value is required"),
            ("memwatch-bpf --frobnicate", "unexpected argument"),
            ("memwatch-bpf frobnicate", "neither a command nor a process id"),
            ("memwatch-bpf 7 --pid 8", "exclude each other"),
            ("memwatch-bpf 7 7", "twice"),
            ("memwatch-bpf 0", "no process can have this id"),
            ("memwatch-bpf 7 --duration nan", "not a length of time"),
            ("memwatch-bpf 7 --duration 1e300", "not a length of time"),
            ("memwatch-bpf 7 --duration 0", "not a length of time"),
            ("memwatch-bpf doctor 7 --pid 7", "cannot be used with"),
        ];
        for (line, expected) in cases {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains('\n'), "{line}: {message}");
        }
    }
}
