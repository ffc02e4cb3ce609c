//! `cargo xtask dist`: a release as two archives in `target/archives`: what is installed, and what debuggers read.

mod check;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::run::{cmd, say};
use crate::{cargo, repo, setup};

/// The version of the workspace, which all its packages share.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The program, and its line tables and names of types and variables.
const PROGRAM: &str = "memwatch-bpf";
const DEBUG: &str = "memwatch-bpf.debug";

/// The package that writes the man pages and the completions for shells: not an example of memwatch-user, because
/// with its development dependencies everything would be compiled once more.
const MANUAL: &str = "memwatch-manual";

/// Options of `dist`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Builds `target/archives/memwatch-bpf-VERSION-ARCH.tar.gz`, and the same with `-debug` for what debuggers read; checks that
/// the former works where nothing else is installed.
pub(crate) fn run(_: &Args) -> Result<()> {
    setup::run(&setup::Args {})?;
    cargo::build_shipped(&["--package", MANUAL, "--bin", MANUAL])?;
    let name = format!("memwatch-bpf-{VERSION}-{ARCH}");
    let archives = repo::root().join("target/archives");
    let dir = empty(&archives.join(&name))?;
    strip(&repo::shipped_binary(), &dir)?;
    let archive = pack(&archives, &format!("{name}-debug"), &[Path::new(&name).join(DEBUG)])?;
    say(&format!("target/archives/{archive}"));
    fs::remove_file(dir.join(DEBUG)).context("cannot remove what was packed apart")?;
    cmd(repo::shipped().join(MANUAL)).arg(&dir).run()?;
    copy(&documents()?, &dir)?;
    let archive = pack(&archives, &name, &[PathBuf::from(&name)])?;
    check::works_alone(&archives.join(&archive), &name)?;
    say(&format!("target/archives/{archive}"));
    Ok(())
}

/// That directory, without what an earlier release left there.
fn empty(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir.to_owned())
}

/// Copies the program into `dir` without what debuggers read, which comes to lie beside it under the name that the program
/// has it by. Names of functions stay in the program: a backtrace is made of them.
fn strip(program: &Path, dir: &Path) -> Result<()> {
    let (stripped, debug) = (dir.join(PROGRAM), dir.join(DEBUG));
    let objcopy = || cmd("objcopy");
    let keep = ["--only-keep-debug", "--compress-debug-sections"];
    objcopy().args(keep).arg(program).arg(&debug).run()?;
    objcopy().arg("--strip-debug").arg(program).arg(&stripped).run()?;
    // The link holds a checksum and the name alone: debuggers look beside the program first.
    objcopy().arg("--add-gnu-debuglink").arg(&debug).arg(&stripped).run()
}

/// Packs what is named, relative to `from`, in that order; the name of the archive.
fn pack(from: &Path, name: &str, files: &[PathBuf]) -> Result<String> {
    let archive = format!("{name}.tar.gz");
    let tar = cmd("tar").args(["--sort=name", "--owner=0", "--group=0", "-czf", &archive]);
    tar.args(files).dir(from).run()?;
    Ok(archive)
}

/// README, changelog and licences.
fn documents() -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(repo::root()).context("cannot list the top directory")?;
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "README.md" || name == "CHANGELOG.md" || name.starts_with("LICENSE")
    };
    let documents: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).filter(wanted).collect();
    let has = |start: &str| {
        documents
            .iter()
            .any(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)))
    };
    ensure!(has("README"), "a release needs README.md in the top directory");
    ensure!(
        has("LICENSE"),
        "a release needs the text of its licences, LICENSE-MIT and LICENSE-APACHE, in the top directory"
    );
    Ok(documents)
}

fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::copy(file, to.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}
