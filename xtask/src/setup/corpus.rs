//! What the programs of `tests/corpus` need: packages from npm as `.cache/corpus/CASE/node_modules`, addons as
//! `.cache/corpus/addons/NAME.node`, and the Node releases that only they run on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{host, installing, nodes, place};
use crate::repo;
use crate::run::cmd;

/// The files that npm installs from.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];

/// All of it, fetched if need be.
pub(crate) fn corpus() -> Result<String> {
    host::build_tools()?;
    let folders = folders()?;
    let with_packages: Vec<&PathBuf> =
        folders.iter().filter(|folder| folder.join(MANIFESTS[1]).exists()).collect();
    for folder in &with_packages {
        packages(folder)?;
    }
    addons()?;
    nodes::bring(&releases(&folders)?)?;
    Ok(format!("{} folders, {} with packages from npm", folders.len(), with_packages.len()))
}

fn source() -> PathBuf {
    repo::root().join("tests/corpus")
}

fn installed() -> PathBuf {
    repo::cache().join("corpus")
}

fn folders() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(source()).context("cannot list tests/corpus")?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

/// Installs what the folder's lock file names, unless that is what is installed.
fn packages(folder: &Path) -> Result<()> {
    let name = folder.file_name().context("a case has a name")?;
    let to = installed().join(name);
    let lock = |folder: &Path| fs::read(folder.join(MANIFESTS[1])).ok();
    if lock(&to) == lock(folder) {
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    installing(&format!("packages of {} from npm", name.display()));
    place::fill(&to, |partial| install(folder, partial))
        .with_context(|| format!("cannot install the packages of {}", name.display()))
}

fn install(folder: &Path, to: &Path) -> Result<()> {
    for manifest in MANIFESTS {
        fs::copy(folder.join(manifest), to.join(manifest)).with_context(|| format!("no {manifest}"))?;
    }
    // Not `npm ci`: it refuses lock files that npm 11 writes where two versions of one package (snappy's) each have
    // optional packages for other machines. Without scripts: what is native comes prebuilt.
    let options = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    cmd("npm").args(options).dir(to).run_quiet()
}

/// Compiles the addons. They use Node-API only, whose binaries fit every Node; its header is a package of its own.
fn addons() -> Result<()> {
    let to = installed().join("addons");
    let include = to.join("node_modules/node-api-headers/include");
    for entry in fs::read_dir(source().join("addons"))?.flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|extension| extension == "c") {
            let name = file.file_stem().context("an addon has a name")?;
            let output = to.join(name).with_extension("node");
            let compile = cmd("gcc").args(["-O2", "-Wall", "-shared", "-fPIC", "-I"]).arg(&include);
            compile.arg("-o").arg(output).arg(&file).ask()?;
        }
    }
    Ok(())
}

/// Every Node release that a case names.
fn releases(folders: &[PathBuf]) -> Result<Vec<String>> {
    let mut releases = BTreeSet::new();
    for file in folders.iter().map(|folder| folder.join("case.json")).filter(|file| file.exists()) {
        let case: Value = serde_json::from_str(&fs::read_to_string(&file)?)
            .with_context(|| format!("{} is no case", file.display()))?;
        let runs = case["runs"].as_object().into_iter().flat_map(|runs| runs.values());
        let named = runs.filter_map(Value::as_array).flatten();
        releases.extend(named.filter_map(Value::as_str).map(str::to_owned));
    }
    Ok(releases.into_iter().collect())
}
