//! Native programs and libraries of `fixtures/native`, built when they are needed.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{scratch, workspace};

/// Where Debian's package of one of `.cache/builds` has its libraries.
fn libraries(build: &str) -> PathBuf {
    workspace().join(format!(".cache/builds/{build}/usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

/// A program that is Node with an allocator linked in: `libjemalloc_pic` or `libtcmalloc_minimal`. It runs where Debian's
/// Node does.
pub fn node_with(allocator: &str) -> Result<PathBuf> {
    let archive = libraries("archives").join(format!("{allocator}.a"));
    ensure!(archive.exists(), "no {}: run `cargo xtask setup`", archive.display());
    let node = libraries("debian").join("libnode.so.108");
    let [archive, node] = [archive, node].map(|path| path.display().to_string());
    let whole = format!("-Wl,--whole-archive,{archive},--no-whole-archive,--allow-shlib-undefined");
    // The archive names functions of these; what is linked is sought there from left to right.
    build(&["embedder"], &[&whole, "-Wl,--no-as-needed", &node, "-lstdc++", "-lm", "-ldl"])
}

/// The library of an allocator that can be preloaded: `libjemalloc`, `libmimalloc` or `libtcmalloc`.
pub fn allocator(name: &str) -> Result<PathBuf> {
    let dir = libraries("allocators");
    let entries = dir.read_dir().context("no allocators: run `cargo xtask setup`")?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(name) && !file.contains("debug") && !file.contains("secure") && path.is_file()
    };
    paths.into_iter().find(is_it).with_context(|| format!("{name} is not in {}", dir.display()))
}

/// Builds `sources` into one program, or with `-shared` among `flags` into one library.
pub fn build(sources: &[&str], flags: &[&str]) -> Result<PathBuf> {
    let path = scratch::directory("native")?.join("built");
    let files = sources.iter().map(|name| workspace().join(format!("tests/fixtures/native/{name}.c")));
    let mut compiler = Command::new("gcc");
    compiler.args(["-O1", "-w", "-pthread"]).args(flags).args(files).arg("-o").arg(&path);
    let status = compiler.status().context("no gcc: run `cargo xtask setup`")?;
    ensure!(status.success(), "{compiler:?} failed");
    Ok(path)
}
