//! Warnings and debug lines, on standard error: `memwatch-bpf: …`.

use std::io::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};

struct ToStandardError;

impl Log for ToStandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // What another crate has to say in debug lines is of no use to our users.
        if record.level() <= log::Level::Warn || record.target().starts_with("memwatch") {
            // Nothing is left to be done about a standard error that is closed.
            let _closed = writeln!(io::stderr(), "memwatch-bpf: {}", record.args());
        }
    }

    fn flush(&self) {}
}

/// Logs warnings; with `verbose` > 0 more.
pub fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        _ => LevelFilter::Debug,
    };
    // Fails only if there is a logger already: then that one is as good.
    if log::set_logger(&ToStandardError).is_ok() {
        log::set_max_level(level);
    }
}

/// Says what went wrong at the end, whatever is logged.
pub fn complain(error: &anyhow::Error) {
    // Nothing is left to be done about a standard error that is closed.
    let _closed = writeln!(io::stderr(), "memwatch-bpf: {}", one_line(error));
}

/// An error with what caused it. Some errors say that themselves: it is said once.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Stops logging: the terminal belongs to the live view now.
pub fn silence() {
    log::set_max_level(LevelFilter::Off);
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let cause = || anyhow!("too many open files");
        let says_it = anyhow::Error::from(io::Error::other("cannot read x: too many open files"));
        assert_eq!(one_line(&cause().context("cannot read x")), "cannot read x: too many open files");
        let twice = Err::<(), _>(says_it).context("cannot watch").unwrap_err();
        assert_eq!(one_line(&twice), "cannot watch: cannot read x: too many open files");
        let twice = cause().context("cannot read x: too many open files; try less");
        assert_eq!(one_line(&twice), "cannot read x: too many open files; try less");
    }
}
