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

/// The release build of the tool.
pub(crate) fn release_binary() -> PathBuf {
    root().join("target/release/memwatch-bpf")
}
