//! Where things are in this repository.

use std::path::{Path, PathBuf};

/// The top directory.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// What was fetched and can be fetched again; ignored by git.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// The target that is shipped: the machine's own.
pub(crate) fn shipped_target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Where cargo leaves what is shipped.
pub(crate) fn shipped() -> PathBuf {
    root().join("target").join(shipped_target()).join("dist")
}

/// The tool as it is shipped, before its line tables are taken out.
pub(crate) fn shipped_binary() -> PathBuf {
    shipped().join("memwatch-bpf")
}
