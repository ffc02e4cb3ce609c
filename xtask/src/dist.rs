//! `cargo xtask dist`: a release as one archive in `target/dist`.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::cargo::cargo;
use crate::run::{cmd, say};
use crate::{repo, setup};

/// The version of the workspace, which all its packages share.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Options of `dist`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Builds `target/dist/memwatch-bpf-VERSION-ARCH.tar.gz`.
pub(crate) fn run(_: &Args) -> Result<()> {
    setup::run(&setup::Args {})?;
    let name = format!("memwatch-bpf-{VERSION}-{ARCH}");
    let dist = repo::root().join("target/dist");
    let dir = dist.join(&name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    copy(&[build_static()?], &dir)?;
    copy(&documents()?, &dir)?;
    cmd("tar")
        .args(["--sort=name", "--owner=0", "--group=0", "-czf"])
        .arg(format!("{name}.tar.gz"))
        .arg(&name)
        .dir(&dist)
        .run()?;
    say(&format!("target/dist/{name}.tar.gz"));
    Ok(())
}

/// With glibc inside, so that it runs on any distribution; naming the target keeps the flag from build scripts and
/// procedural macros, which cannot be static.
fn build_static() -> Result<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-gnu");
    cargo()
        .args(["build", "--release", "--package", "memwatch-user", "--target", &target])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .run()?;
    Ok(repo::root().join("target").join(target).join("release/memwatch-bpf"))
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
