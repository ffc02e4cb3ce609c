//! Cargo as the verbs call it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::repo;
use crate::run::{Cmd, cmd};

/// Cargo, in the top directory, with the eBPF object.
pub(crate) fn cargo() -> Cmd {
    cmd("cargo").dir(repo::root()).env_remove("AYA_BUILD_SKIP")
}

/// Cargo that looks at code and makes no program: the eBPF object, which would be built for each such look anew, is left out.
pub(crate) fn looking() -> Cmd {
    cargo().env("AYA_BUILD_SKIP", "1")
}

/// Builds `memwatch-bpf` as it is shipped: what tests, benches and virtual machines run is what `dist` packs.
///
/// With glibc inside, so that it runs on any distribution; naming the target keeps the flag from build scripts and
/// procedural macros, which cannot be static.
pub(crate) fn build_shipped(and: &[&str]) -> Result<()> {
    cargo()
        .args(["build", "--profile", "dist", "--package", "memwatch-user", "--bin", "memwatch-bpf"])
        .args(and)
        .args(["--target", &repo::shipped_target()])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .run()
}

/// All tests, or only those that need a kernel. With the same packages named each time: which are, decides on the features
/// of what they share, and so on whether it is compiled once or twice.
pub(crate) fn test_all(only_suite: bool) -> Cmd {
    let tests = cargo().args(["test", "--workspace", "--exclude", "memwatch-ebpf"]);
    if only_suite { tests.args(["--test", "suite", "--"]) } else { tests }
}

/// Builds the tests that need a kernel, and says where their one program is.
pub(crate) fn build_suite() -> Result<PathBuf> {
    let build = cargo().args(["test", "--workspace", "--exclude", "memwatch-ebpf", "--test", "suite"]);
    let messages = build.args(["--no-run", "--message-format=json-render-diagnostics"]).read()?;
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
