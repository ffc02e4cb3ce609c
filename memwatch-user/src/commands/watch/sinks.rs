//! The sinks of a watch, opened: a new one is a line here.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal},
    os::fd::AsFd,
};

use anyhow::{Context, Result};

use super::out_file::OutFile;
use crate::{
    cli::{
        job::{Watch, Whom},
        log,
        output::{ColorArg, OutputArgs},
    },
    host::{
        clock::{self, WallClock},
        own,
    },
    report::{
        color::ColorChoice,
        fanout::Fanout,
        json::Json,
        lines::{Lines, Verbosity},
        live::{Beside, Live},
        record::Own,
        time::Time,
    },
};

/// The first sink's.
const STANDARD_OUTPUT: &str = "standard output";

/// Opens every sink; the first has standard output.
pub(super) fn open(watch: &Watch, json: Vec<OutFile>) -> Result<Fanout> {
    let (name, color) = (STANDARD_OUTPUT, has_color(watch.output));
    let mut sinks = Fanout::default();
    if watch.output.json {
        sinks.add(name, Json::new(stdout()?))?;
    } else if is_live(watch) {
        sinks.add(name, live(color)?)?;
    } else {
        sinks.add(name, Lines::new(BufWriter::new(stdout()?), verbosity(watch), color))?;
    }
    for file in json {
        let name = file.path.display().to_string();
        let begun = file.begin().with_context(|| format!("cannot write {name}"))?;
        sinks.add(name, Json::new(begun))?;
    }
    Ok(sinks)
}

/// Standard output without the lock and the buffer of the standard library: a thread that waits in it for a reader would keep
/// others from it for good.
fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// The live view needs the terminal for itself: with a program that we started, lines it is.
pub(super) fn is_live(watch: &Watch) -> bool {
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let launches = matches!(watch.whom, Whom::Command(_));
    is_terminal && !launches && !watch.quiet && !watch.output.json
}

/// The live view. The terminal is its own from here on.
fn live(color: bool) -> io::Result<Live> {
    let clock = WallClock::sample();
    let now = Box::new(move || Time::from_unix_ms(clock.unix_ms(clock::now())));
    let own = || Own { cpu_s: own::cpu_seconds(), rss: own::rss_bytes() };
    let live = Live::start(color, Beside { now, own })?;
    log::silence();
    Ok(live)
}

/// Whether standard output is to be coloured.
pub(crate) fn has_color(output: OutputArgs) -> bool {
    let choice = match output.color {
        ColorArg::Auto => ColorChoice::Auto,
        ColorArg::Always => ColorChoice::Always,
        ColorArg::Never => ColorChoice::Never,
    };
    choice.enabled(io::stdout().is_terminal(), std::env::var_os("NO_COLOR").as_deref())
}

fn verbosity(watch: &Watch) -> Verbosity {
    match watch.verbose {
        _ if watch.quiet => Verbosity::Quiet,
        0 => Verbosity::Normal,
        _ => Verbosity::Verbose,
    }
}
