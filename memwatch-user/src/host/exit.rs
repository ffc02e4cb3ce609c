//! How a process ended, from the wait status that the kernel keeps in `task_struct::exit_code`.

use std::borrow::Cow;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It called `exit` with this code, 0 to 255.
    Exit(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Ended {
    /// Decodes a wait status: the signal in the low seven bits (bit 7 says whether it dumped core), else the exit code
    /// in the next eight.
    #[must_use]
    pub(crate) fn from_wait_status(status: u32) -> Self {
        let [low, code, ..] = status.to_le_bytes();
        match low & 0x7f {
            0 => Self::Exit(i32::from(code)),
            signal => Self::Signal(i32::from(signal)),
        }
    }
}

/// Names of the signals from 1 on x86-64 and arm64 (include/uapi/asm-generic/signal.h).
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The C library keeps the first two real-time signals for itself: its `SIGRTMIN` is 34.
const SIGRTMIN: i32 = 34;
const SIGRTMAX: i32 = 64;

/// A signal's name as `kill -l` prints it, for example `SIGKILL` or `SIGRTMIN+3`.
#[must_use]
pub(crate) fn signal_name(signal: i32) -> Cow<'static, str> {
    let index = usize::try_from(signal).ok().and_then(|number| number.checked_sub(1));
    if let Some(name) = index.and_then(|index| NAMES.get(index)) {
        return Cow::Borrowed(name);
    }
    match signal {
        SIGRTMIN => Cow::Borrowed("SIGRTMIN"),
        _ if (SIGRTMIN..=SIGRTMAX).contains(&signal) => Cow::Owned(format!("SIGRTMIN+{}", signal - SIGRTMIN)),
        _ => Cow::Owned(format!("signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Command};

    use super::*;

    #[test]
    fn wait_statuses() {
        let cases = [
            (0, Ended::Exit(0)),
            (134 << 8, Ended::Exit(134)),
            (0xff00, Ended::Exit(255)),
            (9, Ended::Signal(9)),
            (0x80 | 6, Ended::Signal(6)),
        ];
        for (status, ended) in cases {
            assert_eq!(Ended::from_wait_status(status), ended, "{status:#x}");
        }
    }

    #[test]
    fn as_the_kernel_reports_it() {
        for (script, ended) in [("exit 3", Ended::Exit(3)), ("kill -TERM $$", Ended::Signal(15))] {
            let status = Command::new("sh").args(["-c", script]).status().unwrap().into_raw();
            assert_eq!(Ended::from_wait_status(status.cast_unsigned()), ended);
        }
    }

    #[test]
    fn names() {
        let cases =
            [(1, "SIGHUP"), (6, "SIGABRT"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (31, "SIGSYS")];
        for (signal, name) in cases {
            assert_eq!(signal_name(signal), name);
        }
        for (signal, name) in
            [(0, "signal 0"), (33, "signal 33"), (34, "SIGRTMIN"), (64, "SIGRTMIN+30"), (-1, "signal -1")]
        {
            assert_eq!(signal_name(signal), name);
        }
    }
}
