//! What the programs of `tests/corpus` need: packages from npm as `.cache/corpus/CASE/node_modules`, addons as
//! `.cache/corpus/addons/NAME.node`, and the Node releases that only they run on.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{host, nodes, packages};
use crate::repo;
use crate::run::cmd;

/// All of it, fetched if need be.
pub(crate) fn corpus() -> Result<String> {
    host::build_tools()?;
    let folders = folders()?;
    let with_packages: Vec<&PathBuf> = folders.iter().filter(|folder| packages::has_lock(folder)).collect();
    for folder in &with_packages {
        let name = folder.file_name().context("a case has a name")?;
        packages::bring(folder, &installed().join(name))?;
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
