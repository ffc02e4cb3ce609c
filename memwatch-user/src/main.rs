//! `memwatch-bpf`: see README.md.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use memwatch_user::{
    cli::{
        job::{self, Job},
        log,
    },
    commands,
    host::malloc,
};

/// The job could not be done.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let status = match run() {
        Ok(status) => status,
        Err(error) if is_broken_pipe(&error) => 0,
        Err(error) => {
            log::complain(&error);
            FAILED
        }
    };
    ExitCode::from(status)
}

fn run() -> anyhow::Result<u8> {
    malloc::give_memory_back();
    match job::from_command_line(std::env::args_os())? {
        Job::Print(text) => {
            write!(io::stdout(), "{text}")?;
            Ok(0)
        }
        Job::Watch(watch) => {
            log::start(watch.verbose);
            Ok(commands::watch::run(&watch)?.status)
        }
        Job::List(list) => commands::list::run(list),
        Job::Heap(heap) => commands::heap::run(&heap),
        Job::Doctor(doctor) => commands::doctor::run(&doctor),
        Job::Demo(demo) => commands::demo::run(&demo),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
