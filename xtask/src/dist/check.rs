//! The archive of a release, tried as a user has it who unpacks it on a machine with nothing else: no libraries, no other
//! program, no configuration; only what the kernel itself provides.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::{PROGRAM, VERSION};
use crate::repo;
use crate::run::{Cmd, cmd, is_root, say};

/// The program may be this large, in MiB: it is copied to many machines. It had 12 when this was written.
const LARGEST_MIB: u64 = 20;

/// What a release has to have.
const CONTENT: [&str; 9] = [
    PROGRAM,
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "completions/memwatch-bpf.bash",
    "completions/memwatch-bpf.fish",
    "completions/_memwatch-bpf",
    "man/memwatch-bpf.1",
];

/// How `doctor` ends where everything works, and where this host forbids something.
const DOCTOR: [i32; 2] = [0, 2];

/// Enters a directory as the root of a mount namespace of its own, with the kernel's own file systems and no others, and
/// executes the command line that follows the directory.
const ENTER: &str =
    "for own in proc sys; do mount --rbind /$own \"$1/$own\" || exit; done; exec chroot \"$@\"";

/// Unpacks the archive into a root directory of its own, and runs the program there.
pub(super) fn works_alone(archive: &Path, name: &str) -> Result<()> {
    let root = super::empty(&repo::root().join("target/archives/root"))?;
    cmd("tar").arg("-xzf").arg(archive).arg("-C").arg(&root).run()?;
    is_complete(&root.join(name))?;
    let program = Path::new("/").join(name).join(PROGRAM);
    if is_root() {
        runs(&root, &program)?;
    } else {
        say("skipped: the program on a clean root: entering one needs root");
    }
    fs::remove_dir_all(&root).context("cannot remove what was unpacked")
}

fn is_complete(dir: &Path) -> Result<()> {
    for path in CONTENT {
        let meta = dir.join(path).metadata().with_context(|| format!("the archive has no {path}"))?;
        ensure!(meta.len() > 0, "{path} in the archive is empty");
    }
    let mebibytes = dir.join(PROGRAM).metadata()?.len() >> 20;
    ensure!(mebibytes <= LARGEST_MIB, "{PROGRAM} has {mebibytes} MiB, more than {LARGEST_MIB}");
    Ok(())
}

/// It knows its version, and finds as much of this host as it does with all of this machine's files around it.
fn runs(root: &Path, program: &Path) -> Result<()> {
    let version = alone(root, program)?.arg("--version").read()?;
    ensure!(version.starts_with(&format!("{PROGRAM} {VERSION}")), "`--version` says {version}");
    let report = |program: Cmd| program.arg("doctor").read_of(&DOCTOR);
    let (here, there) = (report(cmd(repo::shipped_binary()))?, report(alone(root, program)?)?);
    ensure!(here == there, "`doctor` says\n{here}and on a clean root\n{there}");
    Ok(())
}

/// The program in `root`, to which the caller appends arguments.
fn alone(root: &Path, program: &Path) -> Result<Cmd> {
    for name in ["proc", "sys"] {
        let dir = root.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Ok(cmd("unshare").args(["--mount", "sh", "-c", ENTER, "sh"]).arg(root).arg(program))
}
