//! Cargo as the verbs call it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::repo;
use crate::run::{Cmd, cmd};

/// Cargo, in the top directory. It always builds the eBPF object: leaving it out for one command and not for the next
/// would compile the collector anew each time.
pub(crate) fn cargo() -> Cmd {
    cmd("cargo").dir(repo::root()).env_remove("AYA_BUILD_SKIP")
}

/// Builds `memwatch-bpf` for release.
pub(crate) fn build_release() -> Result<()> {
    cargo().args(["build", "--release", "--package", "memwatch-user"]).run()
}

/// Builds the tests that need a kernel, and says where their one program is.
pub(crate) fn build_suite() -> Result<PathBuf> {
    let messages = cargo()
        .args(["test", "--package", "memwatch-tests", "--test", "suite", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .read()?;
    messages.lines().find_map(suite_in).context("cargo built no test program named `suite`")
}

/// The program in one line of cargo's JSON, if it is the suite.
fn suite_in(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    (message["target"]["name"] == "suite").then(|| message["executable"].as_str().map(PathBuf::from))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_is_found_among_cargos_messages() {
        let suite = r#"{"reason":"compiler-artifact","target":{"name":"suite"},"executable":"/x/suite-1"}"#;
        let other = r#"{"reason":"compiler-artifact","target":{"name":"xtask"},"executable":"/x/xtask"}"#;
        assert_eq!(suite_in(suite), Some(PathBuf::from("/x/suite-1")));
        assert_eq!(suite_in(other), None);
        assert_eq!(suite_in("warning: not JSON"), None);
    }
}
