//! Golden files: what a command printed when somebody last looked at it. `MEMWATCH_BLESS=1` writes them anew.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, ensure};
use memwatch_tests::workspace;

/// An error unless `text` is what the golden file `name` holds.
pub(crate) fn check(name: &str, text: &str) -> Result<()> {
    let path = workspace().join("tests/golden").join(name);
    if env::var_os("MEMWATCH_BLESS").is_some_and(|value| value == "1") {
        return Ok(fs::write(&path, text)?);
    }
    let golden = fs::read_to_string(&path).with_context(|| missing(&path))?;
    ensure!(text == golden, "{} differs; if it should: MEMWATCH_BLESS=1\n{text}", path.display());
    Ok(())
}

fn missing(path: &Path) -> String {
    format!("no golden file {}: MEMWATCH_BLESS=1 writes it", path.display())
}
