//! Deno, as `.cache/deno/deno`: a process with V8 in it that is no Node, and whose V8 has no symbols.

use anyhow::{Context as _, Result, ensure};

use super::{installing, place};
use crate::repo;
use crate::run::cmd;

const VERSION: &str = "2.9.6";

/// Deno's own name for the architecture of this machine.
const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// Deno, fetched if need be.
pub(super) fn deno() -> Result<String> {
    let dir = repo::cache().join("deno");
    if !dir.exists() {
        let package = format!("@deno/linux-{ARCH}-glibc@{VERSION}");
        installing(&format!("{package} into .cache/deno, from npm"));
        place::fill(&dir, |partial| place::from_npm(&package, "package/deno", partial))
            .with_context(|| format!("cannot fetch {package} from npm"))?;
    }
    let says = cmd(dir.join("deno")).arg("--version").ask()?;
    ensure!(says.starts_with(&format!("deno {VERSION} ")), "remove .cache/deno: it holds another version");
    Ok(VERSION.to_owned())
}
