//! Whom we watch: those that run now, and those that execute a program later.

use anyhow::{Context, Result};

use crate::{
    cli::job::Whom,
    target::{
        Matched,
        select::{Scanner, Selector, with_descendants},
    },
};

/// Which processes are meant.
pub(crate) struct Roster {
    selector: Selector,
    scanner: Scanner,
    /// Also what they start.
    children: bool,
    /// The pids were named: a failure with one of them is the job's.
    named: bool,
}

impl Roster {
    /// What the command line meant.
    pub(crate) fn new(whom: &Whom, children: bool) -> Result<Self> {
        let selector = match whom {
            Whom::Pids(pids) => Selector::Pids(pids.clone()),
            Whom::Name(glob) => Selector::name(glob)
                .with_context(|| format!("--name {}: not a pattern", glob.escape_debug()))?,
            Whom::All => Selector::All,
            Whom::Container(id) => Selector::Container(id.clone()),
            Whom::Command(_) => Selector::Pids(Vec::new()),
        };
        let (named, launched) = (matches!(whom, Whom::Pids(_)), matches!(whom, Whom::Command(_)));
        Ok(Self { selector, scanner: Scanner::default(), children: children || launched, named })
    }

    /// Whether every process that executes a program later may be meant.
    pub(crate) fn follows_all(&self) -> bool {
        !matches!(self.selector, Selector::Pids(_))
    }

    /// Whether descendants of targets are meant too.
    pub(crate) fn follows_children(&self) -> bool {
        self.children
    }

    /// Whether a failure with one process is the job's.
    pub(crate) fn is_named(&self) -> bool {
        self.named
    }

    /// Those that run now and are meant, and their running descendants with `--children`.
    pub(crate) fn running(&mut self) -> Running {
        let chosen: Vec<u32> =
            self.scanner.scan(&self.selector).iter().map(|candidate| candidate.pid).collect();
        let family = if self.children { with_descendants(&chosen) } else { Vec::new() };
        let heirs =
            family.iter().copied().filter(|pid| !chosen.contains(pid) && self.scanner.runs_node(*pid));
        let meant = chosen.iter().copied().chain(heirs).collect();
        Running { meant, family }
    }

    /// Why a process is meant, in words; `None` where its pid was given, or it descends from one that is meant.
    pub(crate) fn reason(&mut self, pid: u32) -> Option<String> {
        let matched = self.scanner.consider(&self.selector, pid)?.matched;
        (matched != Matched::Pid).then(|| matched.to_string())
    }

    /// Whether a process that has just executed a program is meant. `descends`: from a process that is followed.
    pub(crate) fn means(&mut self, pid: u32, descends: bool) -> bool {
        let heir = self.children && descends && self.scanner.runs_node(pid);
        heir || self.follows_all() && self.scanner.consider(&self.selector, pid).is_some()
    }
}

/// Processes that run now.
pub(crate) struct Running {
    /// To be watched.
    pub(crate) meant: Vec<u32>,
    /// Whose descendants are to be followed.
    pub(crate) family: Vec<u32>,
}
