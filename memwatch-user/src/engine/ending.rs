//! How a target ended, pieced together from what was heard before it was gone.

use crate::host::exit::Ended;

/// How a target ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself or by a signal.
    Ended(Ended),
    /// The kernel's OOM killer killed it; the scope is whose memory was short.
    OomKill {
        /// `cgroup` or `host`.
        scope: Option<&'static str>,
    },
    /// V8 ran out of memory and aborted.
    V8OutOfMemory {
        /// Which isolate, if we knew it.
        isolate: Option<u32>,
        /// V8's words. Text of the target: untrusted.
        location: Option<String>,
    },
    /// It executed another program.
    Exec,
    /// It is gone, and how could not be learned.
    Unknown,
}

/// What was heard of a target's end so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    v8: Option<(Option<u32>, Option<String>)>,
    oom_killed: bool,
    status: Option<u32>,
}

impl Ending {
    /// V8 said that it is out of memory.
    pub(crate) fn v8_out_of_memory(&mut self, isolate: Option<u32>, location: Option<String>) {
        self.v8 = Some((isolate, location));
    }

    /// The kernel's OOM killer chose the process.
    pub(crate) fn oom_killed(&mut self) {
        self.oom_killed = true;
    }

    /// The main thread ended with this wait status, if it could be read.
    pub(crate) fn status(&mut self, status: Option<u32>) {
        self.status = status.or(self.status);
    }

    /// The account of it. `oom_scope` is asked only if the OOM killer killed it: whose memory was short.
    pub(crate) fn account(&self, oom_scope: impl FnOnce() -> Option<&'static str>) -> End {
        if self.oom_killed {
            return End::OomKill { scope: oom_scope() };
        }
        if let Some((isolate, location)) = &self.v8 {
            return End::V8OutOfMemory { isolate: *isolate, location: location.clone() };
        }
        self.status.map_or(End::Unknown, |status| End::Ended(Ended::from_wait_status(status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(change: impl FnOnce(&mut Ending), scope: Option<&'static str>) -> End {
        let mut ending = Ending::default();
        change(&mut ending);
        ending.account(|| scope)
    }

    #[test]
    fn each_ending_by_its_name() {
        let v8 = End::V8OutOfMemory { isolate: Some(1), location: Some("Reached heap limit".to_owned()) };
        assert_eq!(account(|_| (), None), End::Unknown);
        assert_eq!(account(|e| e.status(Some(7 << 8)), Some("host")), End::Ended(Ended::Exit(7)));
        assert_eq!(account(|e| e.status(Some(15)), Some("host")), End::Ended(Ended::Signal(15)));
        let oom = |e: &mut Ending| {
            e.oom_killed();
            e.status(Some(9));
        };
        assert_eq!(account(oom, Some("host")), End::OomKill { scope: Some("host") });
        assert_eq!(account(oom, None), End::OomKill { scope: None });
        let abort = |e: &mut Ending| {
            e.v8_out_of_memory(Some(1), Some("Reached heap limit".to_owned()));
            e.status(Some(6));
        };
        assert_eq!(account(abort, None), v8);
    }
}
