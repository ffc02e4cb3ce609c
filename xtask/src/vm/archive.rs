//! Debian's archive through an apt of its own below `.cache/vm/apt`: kernels of every release can be asked for, and
//! the system's apt never hears of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};

use crate::repo;
use crate::run::cmd;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where kernels come from: 5.10 from bullseye, 6.1 and 6.12 from bookworm, the newest from trixie's backports.
const SUITES: [&str; 5] = ["bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports"];
const SECURITY_SUITES: [&str; 3] = ["bullseye-security", "bookworm-security", "trixie-security"];

/// Lists older than this are fetched again: Debian removes a kernel from its archive when the next one is out.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// An apt with sources, lists and an (empty) set of installed packages of its own.
pub(crate) struct Archive {
    conf: PathBuf,
}

impl Archive {
    /// Makes it if need be, and refreshes its lists when they are a day old.
    pub(crate) fn open() -> Result<Self> {
        let dir = repo::cache().join("vm/apt");
        let archive = Self { conf: dir.join("apt.conf") };
        let stamp = dir.join("updated");
        if !is_fresh(&stamp) {
            create(&dir)?;
            cmd("apt-get").args(["-q", "update"]).env("APT_CONFIG", &archive.conf).run_quiet()?;
            fs::write(&stamp, "").with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(archive)
    }

    /// The names of the packages that match a regular expression.
    pub(super) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let found = self.cache().args(["search", "--names-only", pattern]).ask()?;
        Ok(found.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    }

    /// The packages that a package depends on, whatever the version.
    pub(super) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let found = self.cache().args(["depends", "--important", package]).ask()?;
        Ok(found
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .collect())
    }

    /// Fetches packages and unpacks them into a directory.
    pub(crate) fn unpack(&self, packages: &[String], to: &Path) -> Result<()> {
        let debs = to.join("debs");
        fs::create_dir_all(&debs).with_context(|| format!("cannot create {}", debs.display()))?;
        let download = cmd("apt-get").args(["-q", "download"]).args(packages);
        download.env("APT_CONFIG", &self.conf).dir(&debs).run_quiet()?;
        for deb in fs::read_dir(&debs).context("cannot list what was fetched")? {
            cmd("dpkg-deb").arg("-x").arg(deb?.path()).arg(to).ask()?;
        }
        fs::remove_dir_all(&debs).context("cannot remove what was unpacked")
    }

    fn cache(&self) -> crate::run::Cmd {
        cmd("apt-cache").env("APT_CONFIG", &self.conf)
    }
}

/// The mirror that the system's own apt uses, as (archive, security archive); never one of our choosing.
pub(super) fn mirrors() -> Result<(String, String)> {
    let targets =
        cmd("apt-get").args(["indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"]);
    let targets = targets.ask().context("kernels come from Debian's archive, by apt-get")?;
    pick_mirrors(&targets).context("apt's sources name no Debian archive with a security suite")
}

/// From lines of `site release`: the site of `X-security`, and that of `X`.
fn pick_mirrors(targets: &str) -> Option<(String, String)> {
    let mut lines = targets.lines().filter_map(|line| line.split_once(' '));
    let (security, release) =
        lines.find_map(|(site, suite)| Some((site, suite.strip_suffix("-security")?)))?;
    let main =
        targets.lines().filter_map(|line| line.split_once(' ')).find(|(_, suite)| *suite == release)?.0;
    Some((main.to_owned(), security.to_owned()))
}

/// One line of a sources list.
pub(super) fn source(mirror: &str, suite: &str) -> String {
    format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n")
}

fn create(dir: &Path) -> Result<()> {
    ensure!(Path::new(KEYRING).exists(), "no {KEYRING}; install debian-archive-keyring");
    let (main, security) = mirrors()?;
    let sources = SUITES.iter().map(|suite| source(&main, suite));
    let sources: String =
        sources.chain(SECURITY_SUITES.iter().map(|suite| source(&security, suite))).collect();
    for made in ["lists/partial", "cache/archives/partial", "empty"] {
        fs::create_dir_all(dir.join(made)).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    for (name, content) in [("sources.list", sources.as_str()), ("status", ""), ("apt.conf", &conf(dir))] {
        fs::write(dir.join(name), content)
            .with_context(|| format!("cannot write {name} in {}", dir.display()))?;
    }
    Ok(())
}

fn conf(dir: &Path) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    // The sandbox user cannot read a checkout in someone's home; signatures are checked all the same.
    format!(
        "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"{}\";\nDir::State::status \"{}\";\n\
         Dir::State::lists \"{}\";\nDir::Cache \"{}\";\nAcquire::Languages \"none\";\nAPT::Sandbox::User \"\";\n",
        at("sources.list"),
        at("empty"),
        at("status"),
        at("lists"),
        at("cache"),
    )
}

fn is_fresh(stamp: &Path) -> bool {
    let written = stamp.metadata().and_then(|meta| meta.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < FRESH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_those_of_the_system() {
        let targets = "http://other.example/apt tools\nhttp://m.example/debian bookworm-updates\n\
                       http://m.example/debian bookworm\nhttp://m.example/security bookworm-security\n";
        let mirrors = ("http://m.example/debian".to_owned(), "http://m.example/security".to_owned());
        assert_eq!(pick_mirrors(targets), Some(mirrors));
        assert_eq!(pick_mirrors("http://m.example/ubuntu noble\n"), None);
    }
}
