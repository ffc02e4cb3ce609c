//! Warnings and debug lines, on standard error: `memwatch-bpf: …`.

use std::io::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};

use crate::host::errors::one_line;

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

/// Stops logging: the terminal belongs to the live view now.
pub fn silence() {
    log::set_max_level(LevelFilter::Off);
}
