//! Which of all running processes are meant. Cheap: a program's file is read once, however many processes run it.

mod name;

use std::{
    collections::{HashMap, HashSet},
    fmt, fs,
    path::PathBuf,
};

use globset::GlobMatcher;

use super::{
    container,
    elf::Elf,
    image::{self, FileKey, NodeIn},
    process,
    text::printable,
};

/// Which processes are meant.
#[derive(Clone, Debug)]
pub enum Selector {
    /// These, whatever they are.
    Pids(Vec<u32>),
    /// Node processes of this name: see [`Matched`].
    Name(GlobMatcher),
    /// Every Node process.
    All,
    /// Node processes in a container whose id begins so.
    Container(String),
}

impl Selector {
    /// A selector by name: `glob` has `*`, `?`, `[…]` and `{a,b}`; `*` also matches `/`.
    pub fn name(glob: &str) -> Result<Self, globset::Error> {
        Ok(Self::Name(globset::Glob::new(glob)?.compile_matcher()))
    }
}

/// What made a process match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Its pid was given.
    Pid,
    /// It runs Node.
    Node,
    /// The name of its executable.
    Executable(String),
    /// The path or the name of its script.
    Script(String),
    /// The name in the `package.json` nearest to its script.
    Package(String),
    /// It runs in the container with this id.
    Container(String),
}

impl fmt::Display for Matched {
    /// `pid`, `node`, or which name it was, for example `script /srv/api.js`; free of control characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Pid => return f.write_str("pid"),
            Self::Node => return f.write_str("node"),
            Self::Executable(name) => ("executable", name),
            Self::Script(path) => ("script", path),
            Self::Package(name) => ("package", name),
            Self::Container(id) => ("container", id),
        };
        write!(f, "{what} {}", printable(name.as_bytes()))
    }
}

/// A process that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its pid.
    pub pid: u32,
    /// Why.
    pub matched: Matched,
}

/// Looks through processes, and remembers which program files hold Node.
#[derive(Debug, Default)]
pub struct Scanner {
    programs: HashMap<FileKey, bool>,
}

impl Scanner {
    /// All running processes that `selector` means, in the order of their pids. Those that end meanwhile, or that we may
    /// not look at, are left out; pids that were given are not looked at.
    pub fn scan(&mut self, selector: &Selector) -> Vec<Candidate> {
        match selector {
            Selector::Pids(pids) => {
                pids.iter().map(|&pid| Candidate { pid, matched: Matched::Pid }).collect()
            }
            _ => pids().into_iter().filter_map(|pid| self.consider(selector, pid)).collect(),
        }
    }

    /// Whether `selector` means `pid`, which has just executed a program.
    pub fn consider(&mut self, selector: &Selector, pid: u32) -> Option<Candidate> {
        if let Selector::Pids(pids) = selector {
            return pids.contains(&pid).then_some(Candidate { pid, matched: Matched::Pid });
        }
        if !self.runs_node(pid) {
            return None;
        }
        let matched = match selector {
            Selector::Pids(_) | Selector::All => Matched::Node,
            Selector::Name(glob) => name::matches(pid, glob)?,
            Selector::Container(prefix) => {
                Matched::Container(container::id(pid).filter(|id| id.starts_with(prefix.as_str()))?)
            }
        };
        Some(Candidate { pid, matched })
    }

    /// Whether the program of `pid` holds Node or needs its library.
    pub fn runs_node(&mut self, pid: u32) -> bool {
        let path = PathBuf::from(format!("/proc/{pid}/exe"));
        // Fails for kernel threads, and for what we may not look at.
        let Ok(metadata) = fs::metadata(&path) else { return false };
        *self.programs.entry(FileKey::from(&metadata)).or_insert_with(|| {
            Elf::open(&path)
                .ok()
                .and_then(|elf| image::node_in(&elf).ok())
                .is_some_and(|is| is != NodeIn::Nowhere)
        })
    }
}

/// The processes in `pids` and all that descend from them, in the order of their pids.
#[must_use]
pub fn with_descendants(roots: &[u32]) -> Vec<u32> {
    let parents: Vec<(u32, u32)> =
        pids().into_iter().filter_map(|pid| Some((pid, process::parent(pid)?))).collect();
    descend(roots, &parents)
}

/// A child's pid can be below its parent's (pids wrap around), so one pass does not do.
fn descend(roots: &[u32], parents: &[(u32, u32)]) -> Vec<u32> {
    let mut family: HashSet<u32> = roots.iter().copied().collect();
    loop {
        let before = family.len();
        for (pid, parent) in parents {
            if family.contains(parent) {
                family.insert(*pid);
            }
        }
        if family.len() == before {
            break;
        }
    }
    let mut family: Vec<u32> = family.into_iter().collect();
    family.sort_unstable();
    family
}

fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut pids: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_complete_also_where_pids_wrapped_around() {
        let parents = [(10, 1), (11, 10), (5, 11), (4, 5), (20, 1)];
        assert_eq!(descend(&[10], &parents), [4, 5, 10, 11]);
        assert_eq!(descend(&[20, 4], &parents), [4, 20]);
    }

    #[test]
    fn matches_say_which_name_it_was() {
        for (matched, expected) in [
            (Matched::Pid, "pid"),
            (Matched::Node, "node"),
            (Matched::Executable("node".into()), "executable node"),
            (Matched::Script("/srv/a\x1b[2J.js".into()), "script /srv/a\\u{1b}[2J.js"),
            (Matched::Package("@shop/api".into()), "package @shop/api"),
            (Matched::Container("3f2a".into()), "container 3f2a"),
        ] {
            assert_eq!(matched.to_string(), expected);
        }
    }

    #[test]
    fn we_are_running_but_are_not_node() {
        let us = std::process::id();
        assert!(pids().contains(&us));
        assert_eq!(Scanner::default().consider(&Selector::All, us), None);
        let given = Scanner::default().scan(&Selector::Pids(vec![us]));
        assert_eq!(given, [Candidate { pid: us, matched: Matched::Pid }]);
    }
}
