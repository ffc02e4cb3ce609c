//! The Rust toolchain that builds the eBPF object.
//!
//! Two can: rustup's nightly with `rust-src`, and Debian's Rust with a prebuilt `core` for BPF. One that is complete
//! is taken; else Debian's packages where there is apt-get, since they need nothing but the archive that the machine
//! trusts already; else rustup is asked.

use std::fs::{self, File};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

use super::{Apt, installing};
use crate::repo;
use crate::run::cmd;
use crate::toolchain::{DEBIAN, Toolchain, which};

/// The compiler, cargo, `core` for BPF, and clippy for the BPF target.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf", "rust-web-clippy"];

/// The toolchain, brought if need be; the text names it.
pub(super) fn toolchain() -> Result<String> {
    ensure!(which("rustup").is_some(), "no rustup on PATH; install it as https://rustup.rs says");
    if Toolchain::installed().is_none() {
        if which("apt-get").is_some() { from_debian() } else { from_rustup() }?;
    }
    let toolchain = Toolchain::installed().context("it was installed, yet it has no `core` for BPF")?;
    Ok(format!("rustup toolchain `{}`", toolchain.name()))
}

fn from_debian() -> Result<()> {
    Apt::default().install(&DEBIAN_PACKAGES, &[])?;
    installing(&format!("rustup toolchain `{DEBIAN}`, a link to Debian's Rust in /usr"));
    cmd("rustup").args(["toolchain", "link", DEBIAN, "/usr"]).run_quiet()
}

fn from_rustup() -> Result<()> {
    installing("rustup toolchain `nightly` with rust-src");
    let install = ["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"];
    cmd("rustup").args(install).args(["--component", "clippy"]).run_quiet()
}

/// Remembers the toolchain, and makes cargo ask `memwatch-user/build.rs` again when it is another than last time:
/// a build without eBPF object has no way of noticing that one has become possible.
pub(super) fn note_choice() -> Result<()> {
    let note = repo::cache().join("toolchain");
    let now = Toolchain::installed().map_or("none", Toolchain::name);
    if fs::read_to_string(&note).is_ok_and(|before| before == now) {
        return Ok(());
    }
    let script = repo::root().join("memwatch-user/build.rs");
    let touched =
        File::options().append(true).open(&script).and_then(|file| file.set_modified(SystemTime::now()));
    touched.with_context(|| format!("cannot touch {}", script.display()))?;
    fs::create_dir_all(repo::cache()).context("cannot create .cache")?;
    fs::write(&note, now).with_context(|| format!("cannot write {}", note.display()))
}
