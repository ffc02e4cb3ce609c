//! Debian packages, by `apt-get`.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::installing;
use crate::run::{Cmd, cmd, is_root};
use crate::toolchain::which;

/// `apt-get` with options of its own, for instance another set of sources.
#[derive(Default)]
pub(crate) struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With `-o` options, given as `Name=value`.
    pub(crate) fn with_options(options: impl IntoIterator<Item = String>) -> Self {
        Self { options: options.into_iter().collect() }
    }

    /// Installs those of `packages` that are missing, refreshing the lists first; says what it does, or what a
    /// person is to do where it cannot.
    pub(crate) fn install(&self, packages: &[&str], extra: &[&str]) -> Result<()> {
        let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        ensure!(
            which("apt-get").is_some(),
            "no apt-get here; install what Debian calls {}",
            missing.join(" ")
        );
        let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
        ensure!(is_root(), "no root; run: sudo apt-get update && sudo {by_hand}");
        installing(&format!("{by_hand} (Debian packages)"));
        self.update().with_context(|| {
            format!("cannot reach a Debian archive, which is to provide {}", missing.join(" "))
        })?;
        let install =
            self.get().args(["install", "--yes", "--no-install-recommends"]).args(extra).args(&missing);
        install.run_quiet().with_context(|| format!("cannot install {}", missing.join(" ")))
    }

    /// Refreshes the package lists.
    pub(crate) fn update(&self) -> Result<()> {
        self.get().arg("update").run_quiet()
    }

    fn get(&self) -> Cmd {
        let options = self.options.iter().flat_map(|option| ["-o", option]);
        // Another apt-get may be at work, for instance the one that a fresh machine runs by itself.
        cmd("apt-get")
            .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
            .args(options)
            .env("DEBIAN_FRONTEND", "noninteractive")
    }
}

fn is_installed(package: &str) -> bool {
    // Each installed package has a list of its files; asking dpkg-query takes fifty times as long.
    let info = Path::new("/var/lib/dpkg/info");
    let lists = [format!("{package}.list"), format!("{package}:amd64.list"), format!("{package}:arm64.list")];
    lists.iter().any(|list| info.join(list).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_install_needs_neither_root_nor_apt() {
        assert!(Apt::default().install(&[], &[]).is_ok());
    }

    #[test]
    fn a_package_nobody_has_is_not_installed() {
        assert!(!is_installed("no-such-package"));
    }
}
