//! Which process, and what it is made of.

pub mod allocator;
pub(crate) mod container;
pub(crate) mod elf;
mod error;
pub(crate) mod file;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod libc;
pub(crate) mod library;
pub mod maps;
pub(crate) mod pagemap;
pub mod process;
pub(crate) mod select;
pub(crate) mod text;

use std::path::PathBuf;

pub use self::{
    allocator::Allocator,
    error::TargetError,
    identity::{Identity, Matched},
    image::{FileKey, Image},
    libc::Libc,
    process::{Process, parse_pid},
    select::{Candidate, Scanner, Selector},
};

/// A Node.js process and what it is made of. Its versions are the plan's, which knows the file.
#[derive(Debug)]
pub struct Target {
    /// The process.
    pub process: Process,
    /// The file in it that holds V8 and Node.
    pub image: Image,
    /// Its C library.
    pub libc: Option<Libc>,
    /// What serves `malloc` in it.
    pub allocator: Option<Allocator>,
    /// Id of the container it runs in, by its cgroups.
    pub container: Option<String>,
}

/// Finds out all there is to know of `pid` before it is probed.
pub fn examine(pid: u32) -> Result<Target, TargetError> {
    let process = process::settled(pid)?;
    let image = image::find(&process)?;
    let path = PathBuf::from(format!("/proc/{pid}/maps"));
    let maps = maps::of(pid).map_err(|error| image::access(&process, &path, error))?;
    Ok(Target {
        image,
        libc: libc::libc(&maps),
        allocator: allocator::serving(pid, &maps).map(|serving| serving.allocator),
        container: container::id(pid),
        process,
    })
}
