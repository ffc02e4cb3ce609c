//! Which installed Rust toolchain can build the eBPF object; the one answer, given to `cargo xtask` and to
//! `memwatch-user/build.rs` (which includes this file), hence nothing but `std`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The name under which `cargo xtask setup` links Debian's Rust, which lives in `/usr`, into rustup.
pub(crate) const DEBIAN: &str = "debian";

/// Where a toolchain gets `core` for `bpfel-unknown-none` from, a target that rustup ships nothing for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// Rustup's nightly with the `rust-src` component: `core` is compiled with `-Z build-std`.
    Nightly,
    /// Debian's `rustc-web` with `libstd-rust-web-dev-bpf`: `core` is in the package.
    Debian,
}

impl Toolchain {
    /// The first toolchain that is complete, or none. Found once, it is not looked for again: each look starts rustup.
    pub(crate) fn installed() -> Option<Self> {
        static FOUND: OnceLock<Toolchain> = OnceLock::new();
        let found = || [Self::Nightly, Self::Debian].into_iter().find(|toolchain| toolchain.is_complete());
        FOUND.get().copied().or_else(|| found().map(|toolchain| *FOUND.get_or_init(|| toolchain)))
    }

    /// The name that `rustup run` takes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nightly => "nightly",
            Self::Debian => DEBIAN,
        }
    }

    /// The value of `RUSTC_BOOTSTRAP` for its builds. `aya_ebpf` uses a feature that is not stable, and Debian's
    /// compiler is a stable one; naming the crate leaves every other crate, and aya-build's choice of `-Z build-std`
    /// (which goes by the value `1`), alone.
    pub(crate) const fn bootstrap(self) -> Option<&'static str> {
        match self {
            Self::Nightly => None,
            Self::Debian => Some("aya_ebpf"),
        }
    }

    fn is_complete(self) -> bool {
        let has = match self {
            Self::Nightly => "lib/rustlib/src/rust/library/core",
            Self::Debian => "lib/rustlib/bpfel-unknown-none",
        };
        self.sysroot().is_some_and(|sysroot| sysroot.join(has).is_dir())
    }

    fn sysroot(self) -> Option<PathBuf> {
        let out =
            Command::new("rustup").args(["run", self.name(), "rustc", "--print", "sysroot"]).output().ok()?;
        out.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()))
    }
}

/// The first executable file of that name on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let dirs = env::var_os("PATH")?;
    env::split_paths(&dirs).map(|dir| dir.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
