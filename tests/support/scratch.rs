//! One directory for all that a test run writes. It outlives the run, for whoever looks into a failure, and goes
//! when the next run starts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result};

const PREFIX: &str = "memwatch-tests-";

static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    remove_old(&env::temp_dir());
    env::temp_dir().join(format!("{PREFIX}{}", process::id()))
});

/// A new, empty directory.
pub fn directory(name: &str) -> Result<PathBuf> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let path = ROOT.join(format!("{}-{name}", SERIAL.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// The `XDG_CACHE_HOME` of this run's tools, unless a test wants one of its own.
pub fn cache_home() -> Result<PathBuf> {
    let path = ROOT.join("cache");
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn remove_old(temp: &Path) {
    let entries = fs::read_dir(temp).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_old(&entry.file_name().to_string_lossy())) {
        if fs::remove_dir_all(entry.path()).is_err() {
            // Something is still mounted below it; the next run will try again.
        }
    }
}

fn is_old(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
    owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}
