//! /proc/PID/status: sizes, threads and state in one small file.

use super::proc;

/// What it says; bytes unless named otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) rss: Option<u64>,
    pub(super) rss_anon: Option<u64>,
    pub(super) swap: Option<u64>,
    /// A count.
    pub(super) threads: Option<u64>,
    /// Stopped by a signal or by a debugger.
    pub(super) is_stopped: bool,
}

impl Status {
    /// Of a process; `None` if it is gone.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self::parse(&proc::text(pid, "status")?))
    }

    /// The process's name is on a line of its own, in which the kernel escapes newlines: it cannot pass for another line.
    fn parse(text: &str) -> Self {
        Self {
            rss: proc::bytes(text, "VmRSS"),
            rss_anon: proc::bytes(text, "RssAnon"),
            swap: proc::bytes(text, "VmSwap"),
            threads: proc::value(text, "Threads").and_then(|count| count.parse().ok()),
            is_stopped: proc::value(text, "State").is_some_and(|state| state.starts_with(['T', 't'])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tThreads: 9\\nVmRSS: 1 kB\nState:\tS (sleeping)\nVmRSS:\t   2048 kB\n\
        RssAnon:\t     512 kB\nVmSwap:\t       4 kB\nThreads:\t11\n";

    #[test]
    fn sizes_and_threads() {
        let expected = Status {
            rss: Some(2 << 20),
            rss_anon: Some(512 << 10),
            swap: Some(4 << 10),
            threads: Some(11),
            is_stopped: false,
        };
        assert_eq!(Status::parse(TEXT), expected);
        assert_eq!(Status::parse("Name:\tx\nState:\tZ (zombie)\nThr"), Status::default());
    }

    #[test]
    fn who_is_stopped() {
        for (state, stopped) in [("T (stopped)", true), ("t (tracing stop)", true), ("R (running)", false)] {
            assert_eq!(Status::parse(&format!("State:\t{state}\n")).is_stopped, stopped, "{state}");
        }
    }
}
