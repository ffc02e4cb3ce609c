//! Whom we watch: those that run now, those that execute a program later, and those that are called so later.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    host::clock,
    model::Mono,
    target::{
        Matched,
        select::{Scanner, Selector, with_descendants},
    },
};

/// How soon a process of another name is looked at again, and how long that goes on, each time after twice as long: a program
/// sets its title, or listens on its port, once it has begun.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(64);

/// Which processes are meant.
pub(crate) struct TargetSelection {
    selector: Selector,
    scanner: Scanner,
    /// Also what they start.
    children: bool,
    /// The pids were named: a failure with one of them is the job's.
    named: bool,
    /// What was asked for, as it is shown.
    asked: String,
    /// Node processes of other names.
    others: BTreeMap<u32, Other>,
}

/// A Node process that is called something else so far.
#[derive(Clone, Copy)]
struct Other {
    /// When it was looked at.
    seen: Mono,
    /// How long after that it is looked at again.
    wait: Duration,
}

impl TargetSelection {
    /// Those that `selector` picks, and with `children` what they start. `named`: a failure with one of them is the job's.
    /// `asked`: what was asked for, fit to be shown.
    pub(crate) fn new(selector: Selector, children: bool, named: bool, asked: String) -> Self {
        Self { selector, scanner: Scanner::default(), children, named, asked, others: BTreeMap::new() }
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
        self.remember_others(&chosen);
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
        let is_meant = heir || self.follows_all() && self.scanner.consider(&self.selector, pid).is_some();
        if is_meant {
            self.others.remove(&pid);
        } else if matches!(self.selector, Selector::Name(_)) && self.scanner.runs_node(pid) {
            self.remember(pid);
        }
        is_meant
    }

    /// Node processes of another name that have the wanted one by now.
    pub(crate) fn renamed(&mut self, now: Mono) -> Vec<u32> {
        let is_due = |(_, other): &(&u32, &Other)| now.since(other.seen) >= other.wait;
        let due: Vec<u32> = self.others.iter().filter(is_due).map(|(pid, _)| *pid).collect();
        let (renamed, others): (Vec<u32>, Vec<u32>) =
            due.into_iter().partition(|pid| self.scanner.consider(&self.selector, *pid).is_some());
        self.others.retain(|pid, _| !renamed.contains(pid));
        for pid in others {
            match self.others.get_mut(&pid) {
                Some(other) if other.wait < LAST_LOOK => *other = Other { seen: now, wait: other.wait * 2 },
                _ => _ = self.others.remove(&pid),
            }
        }
        renamed
    }

    /// That nobody is meant, and who there is instead.
    pub(crate) fn nobody(&mut self) -> String {
        let asked = &self.asked;
        match self.scanner.scan(&Selector::All).len() {
            0 => format!("no process matches {asked}: there is no Node.js process here that we may examine"),
            1 => format!(
                "no process matches {asked}; `memwatch-bpf list` shows the one Node.js process that runs"
            ),
            some => format!(
                "no process matches {asked}; `memwatch-bpf list` shows the {some} Node.js processes that run"
            ),
        }
    }

    fn remember_others(&mut self, chosen: &[u32]) {
        if matches!(self.selector, Selector::Name(_)) {
            let all = self.scanner.scan(&Selector::All);
            all.iter().filter(|one| !chosen.contains(&one.pid)).for_each(|one| self.remember(one.pid));
        }
    }

    fn remember(&mut self, pid: u32) {
        let other = Other { seen: clock::now(), wait: FIRST_LOOK };
        self.others.entry(pid).or_insert(other);
    }
}

/// Processes that run now.
pub(crate) struct Running {
    /// To be watched.
    pub(crate) meant: Vec<u32>,
    /// Whose descendants are to be followed.
    pub(crate) family: Vec<u32>,
}
