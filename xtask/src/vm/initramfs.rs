//! The file system that a guest starts with: busybox, the modules for 9p over virtio, and `init.sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::kernel::index_modules;
use crate::run::cmd;

/// What the guest runs first.
const INIT: &str = include_str!("init.sh");

/// What it takes to mount the host's files; a kernel that has one built in lists no file for it.
const MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// Makes it in `dir` for the modules below `above`, unless it is there and as `init.sh` is now.
pub(super) fn build(dir: &Path, above: &Path, kernel: &str) -> Result<PathBuf> {
    let image = dir.join("initramfs.cpio");
    let tree = dir.join("initramfs");
    if image.exists() && fs::read_to_string(tree.join("init")).is_ok_and(|init| init == INIT) {
        return Ok(image);
    }
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    index_modules(above, kernel)?;
    fill(&tree, above, kernel).with_context(|| format!("cannot fill {}", tree.display()))?;
    let pack = "find . | cpio --quiet -o -H newc > ../initramfs.partial && mv ../initramfs.partial ../initramfs.cpio";
    cmd("sh").args(["-c", pack]).dir(&tree).ask()?;
    Ok(image)
}

fn fill(tree: &Path, above: &Path, kernel: &str) -> Result<()> {
    for made in ["bin", "modules", "proc", "sys", "dev", "host", "layer", "guest"] {
        fs::create_dir_all(tree.join(made))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox")).context("busybox-static is not installed")?;
    for (n, module) in in_order(above, kernel).iter().enumerate() {
        add_module(module, &tree.join("modules").join(format!("{n:02}.ko")))?;
    }
    fs::write(tree.join("init"), INIT)?;
    Ok(fs::set_permissions(tree.join("init"), fs::Permissions::from_mode(0o755))?)
}

/// The files of the modules, each after those it depends on.
fn in_order(above: &Path, kernel: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for file in MODULES.iter().flat_map(|module| with_dependencies(above, kernel, module)) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// None for a module that is built in: since 7.0 the list of those is in another package, so that modprobe knows no
/// more than that there is no file. If one is missing in earnest, `init.sh` says so.
fn with_dependencies(above: &Path, kernel: &str, module: &str) -> Vec<PathBuf> {
    let show = ["--show-depends", "--set-version", kernel, module];
    let shown = cmd("/sbin/modprobe").arg("-d").arg(above).args(show).ask().unwrap_or_default();
    shown
        .lines()
        .filter_map(|line| line.strip_prefix("insmod "))
        .map(|line| PathBuf::from(line.trim()))
        .collect()
}

/// Unpacked: busybox hands a module to the kernel as it is.
fn add_module(file: &Path, to: &Path) -> Result<()> {
    if file.extension().is_some_and(|extension| extension == "xz") {
        let unpack = "xz -dc \"$0\" > \"$1\"";
        return cmd("sh").args(["-c", unpack]).arg(file).arg(to).ask().map(drop);
    }
    fs::copy(file, to).map(drop).with_context(|| format!("cannot copy {}", file.display()))
}
