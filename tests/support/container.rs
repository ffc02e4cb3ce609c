//! Containers without a runtime: a root directory with Node and its libraries, mount and pid namespaces, an overlay.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{node, scratch, workspace};

/// A root directory in which Node runs; unmounted when dropped.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    mounted: bool,
}

/// Where Node is in every root.
pub const NODE: &str = "/usr/bin/node";

impl Root {
    /// Copies `node`, what it is linked with, and the fixtures.
    pub fn copied(node: &Path) -> Result<Self> {
        let path = scratch::directory("root")?;
        let root = Self { path, mounted: false };
        root.copy(node, NODE)?;
        for library in libraries(node)? {
            root.copy(Path::new(&library), &library)?;
        }
        root.furnish()?;
        Ok(root)
    }

    /// An overlay on the root directory of a build that `cargo xtask setup` brings, with the fixtures.
    pub fn of_build(name: &str) -> Result<Self> {
        let path = workspace().join(".cache/builds").join(name);
        ensure!(path.exists(), "no {}: run `cargo xtask setup`", path.display());
        let root = Self { path, mounted: false }.overlay()?;
        root.furnish()?;
        Ok(root)
    }

    /// An overlay on it: the same files, until they are written to.
    pub fn overlay(&self) -> Result<Self> {
        let base = scratch::directory("overlay")?;
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| base.join(name));
        for directory in [&upper, &work, &merged] {
            fs::create_dir(directory)?;
        }
        let [lower, up, wk] = [&self.path, &upper, &work].map(|path| path.display());
        let options = format!("lowerdir={lower},upperdir={up},workdir={wk}");
        run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged))?;
        Ok(Self { path: merged, mounted: true })
    }

    /// The command that enters it with namespaces of its own and executes the command line appended to it.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let root = self.path.display();
        let unshare = ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child"];
        let mut words = unshare.map(str::to_owned).to_vec();
        words.extend([format!("--mount-proc={root}/proc"), "chroot".to_owned(), root.to_string()]);
        words
    }

    /// The command line of a fixture in it.
    #[must_use]
    pub fn node(&self, fixture: &str) -> node::Start {
        let wrapper = self.wrapper();
        let words = wrapper.iter().map(String::as_str).collect::<Vec<_>>();
        node::Start::new(NODE.into(), format!("/{fixture}.js").into()).under(&words)
    }

    fn furnish(&self) -> Result<()> {
        for fixture in fs::read_dir(node::fixture("x").parent().context("fixtures")?)? {
            let fixture = fixture?.path();
            self.bring(&fixture)?;
        }
        Ok(fs::create_dir_all(self.path.join("proc"))?)
    }

    /// Copies a file into it, under `/`.
    pub fn bring(&self, file: &Path) -> Result<()> {
        self.copy(file, &format!("/{}", file.file_name().context("a file")?.to_string_lossy()))
    }

    /// Puts `program` where its Node is.
    pub fn replace_node(&self, program: &Path) -> Result<()> {
        self.copy(program, NODE)
    }

    fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.path.join(to.trim_start_matches('/'));
        fs::create_dir_all(to.parent().context("a path in a root")?)?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        Ok(())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily, for a process in it may still be going.
            drop(Command::new("umount").arg("--lazy").arg(&self.path).status());
        }
    }
}

/// What `ldd` lists: libraries by path, and the interpreter.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output()?;
    ensure!(output.status.success(), "ldd {} failed", program.display());
    let text = String::from_utf8(output.stdout)?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(text.lines().filter_map(path).collect())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
