//! `bpf-linker`, which makes an eBPF object of the compiler's LLVM bitcode and so needs an LLVM at least as new.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Apt, installing};
use crate::cargo::cargo;
use crate::run::cmd;
use crate::toolchain::{Toolchain, which};

/// The newest that builds on stable 1.95; it knows LLVM 21 to 23.
const VERSION: &str = "0.13.0";

/// The linker, brought if need be.
pub(super) fn bpf_linker() -> Result<String> {
    let toolchain = Toolchain::installed().context("needs the eBPF toolchain first")?;
    let compiler = llvm_of_compiler(toolchain)?;
    if !installed_for(compiler) {
        install(compiler)?;
    }
    Ok(format!("for LLVM {compiler}"))
}

fn install(llvm: u32) -> Result<()> {
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    if !prefix.join("bin/llvm-config").exists() {
        Apt::default().install(&[&format!("llvm-{llvm}-dev")], &[])?;
    }
    installing(&format!("bpf-linker {VERSION} for LLVM {llvm}, from source; about a minute"));
    cargo()
        .args(["install", "bpf-linker", "--version", VERSION, "--locked", "--force", "--no-default-features"])
        .args(["--features", &format!("llvm-{llvm}")])
        .env("LLVM_PREFIX", prefix)
        .run()
        .context("cannot fetch or build bpf-linker from crates.io")?;
    ensure!(which("bpf-linker").is_some(), "it is installed, but not on PATH: add ~/.cargo/bin to PATH");
    Ok(())
}

fn llvm_of_compiler(toolchain: Toolchain) -> Result<u32> {
    let version = cmd("rustup").args(["run", toolchain.name(), "rustc", "-vV"]).ask()?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(leading_number)
        .with_context(|| format!("rustc of `{}` does not name its LLVM", toolchain.name()))
}

/// Whether the linker on `PATH` can read what the compiler writes. One that was linked statically does not say which
/// LLVM it holds, and is taken at its word.
fn installed_for(compiler: u32) -> bool {
    which("bpf-linker").is_some_and(|path| llvm_of_linker(&path).is_none_or(|linker| linker >= compiler))
}

fn llvm_of_linker(path: &Path) -> Option<u32> {
    const LIBRARY: &[u8] = b"libLLVM.so.";
    let program = fs::read(path).ok()?;
    let name = program.windows(LIBRARY.len()).position(|bytes| bytes == LIBRARY)? + LIBRARY.len();
    leading_number(&String::from_utf8_lossy(program.get(name..name + 8)?))
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_what_counts() {
        for (text, major) in [("22.1.4", Some(22)), ("22", Some(22)), ("22\0junk", Some(22)), ("x", None)] {
            assert_eq!(leading_number(text), major, "{text}");
        }
    }
}
