//! Which of all running processes are meant. Cheap: a program's file is read once, however many processes run it.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::PathBuf,
};

use globset::GlobMatcher;

use super::{
    container,
    elf::Elf,
    identity::{Identity, Matched},
    image::{self, FileKey, NodeIn},
    process,
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
            Selector::Name(glob) => Identity::of(pid)?.matches(glob)?,
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
pub(crate) fn with_descendants(roots: &[u32]) -> Vec<u32> {
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

/// How many processes run whose program we may not look at: those of other users, for who is not root.
#[must_use]
pub(crate) fn unseen() -> usize {
    let is_refused = |pid: &u32| {
        let program = fs::metadata(format!("/proc/{pid}/exe"));
        program.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    pids().iter().filter(|pid| is_refused(pid)).count()
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
    fn we_are_running_but_are_not_node() {
        let us = std::process::id();
        assert!(pids().contains(&us));
        assert_eq!(Scanner::default().consider(&Selector::All, us), None);
        let given = Scanner::default().scan(&Selector::Pids(vec![us]));
        assert_eq!(given, [Candidate { pid: us, matched: Matched::Pid }]);
    }
}
