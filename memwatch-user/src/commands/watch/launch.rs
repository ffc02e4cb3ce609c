//! A program that we start, to be watched from its first instruction.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::FileType,
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, fs::FileTypeExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// The file that `program` means; `None` if there is none. Anything but a regular file is an error here already: to open a FIFO
/// would wait for its writer.
pub(super) fn program(program: &OsStr) -> Result<Option<PathBuf>> {
    let Some(file) = find(program) else { return Ok(None) };
    if let Ok(metadata) = file.metadata() {
        let what = kind(metadata.file_type());
        ensure!(metadata.is_file(), "cannot start {}: it is {what}, no program", file.display());
    }
    Ok(Some(file))
}

fn kind(of: FileType) -> &'static str {
    match of {
        of if of.is_dir() => "a directory",
        of if of.is_fifo() => "a FIFO",
        of if of.is_socket() => "a socket",
        _ => "a device",
    }
}

/// The file that `program` means, the way a shell looks for it.
fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// The started program. It is left running if it outlives the watch.
pub(super) struct Launched(Child);

impl Launched {
    /// Starts `command`. Its standard output goes to our standard error where ours carries JSON.
    pub(super) fn start(command: &[OsString], stdout_is_taken: bool) -> Result<Self> {
        let (program, args) = command.split_first().context("no program to start")?;
        let mut command = Command::new(program);
        command.args(args);
        if stdout_is_taken {
            command.stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?));
        }
        let child = command.spawn().with_context(|| {
            format!("cannot start {}: is it installed and on the PATH?", program.display())
        })?;
        Ok(Self(child))
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Takes its exit status once it has ended, so that it does not stay a zombie; whether it has.
    pub(super) fn reap(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}
