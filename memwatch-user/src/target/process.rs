//! Which process: what /proc says of a pid, and one clear error for each way in which it is no process to watch.

use std::{fs, io, num::NonZeroU64, path::Path, thread, time::Duration};

use super::{
    error::{MAX_PID, TargetError},
    file,
    text::printable,
};
use crate::model::ProcessId;

/// Bytes that are read of what /proc has of a process; a command line can have 6 MB (`_STK_LIM / 4 * 3`, fs/exec.c).
const MAX_FILE: u64 = 64 << 10;
/// `PF_KTHREAD` of the kernel's `linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// How often a process is asked whether it has its program by now: once a millisecond, which is most of what it takes to
/// map Node's.
const SETTLING: u32 = 100;

/// A process, as /proc describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Pid and start, which together are unique.
    pub id: ProcessId,
    /// The kernel's name of its main thread, fit to be shown.
    pub comm: String,
    /// Its arguments; what is not UTF-8 is replaced. Not fit for a terminal until [`printable`] has seen it.
    pub cmdline: Vec<String>,
    /// Pid of its parent.
    pub parent: u32,
    /// When it started: milliseconds since 1970.
    pub start_unix_ms: i64,
    /// The program it runs; `None` while it is executing one, or if that cannot be told.
    pub program: Option<Program>,
}

/// One run of a program: no two that a process executes have their stack at the same address, as the kernel lays it out
/// at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    stack: NonZeroU64,
}

/// Reads a pid as typed.
pub fn parse_pid(text: &str) -> Result<u32, TargetError> {
    let pid = text.trim().parse::<u32>().ok().filter(|pid| (1..=MAX_PID).contains(pid));
    pid.ok_or_else(|| TargetError::NotAPid { text: printable(text.as_bytes()) })
}

/// Reads what /proc says of `pid`, if it is a process that can run a program.
pub fn identify(pid: u32) -> Result<Process, TargetError> {
    parse_pid(&pid.to_string())?;
    let status = read(pid, "status")?;
    let tgid = field(&status, "Tgid:").unwrap_or(pid);
    if tgid != pid {
        return Err(TargetError::Thread { tid: pid, pid: tgid });
    }
    let stat = Stat::parse(&read(pid, "stat")?).ok_or(TargetError::NoProcess { pid })?;
    let comm = printable(&stat.comm);
    if matches!(stat.state, b'Z' | b'X') {
        return Err(TargetError::Zombie { pid, comm, parent: stat.parent });
    }
    if stat.flags & KERNEL_THREAD != 0 {
        return Err(TargetError::KernelThread { pid, comm });
    }
    Ok(Process {
        id: ProcessId { pid, start_ticks: stat.start_ticks },
        comm,
        cmdline: arguments(&read(pid, "cmdline")?),
        parent: stat.parent,
        start_unix_ms: start_unix_ms(boot_unix_s()?, stat.start_ticks),
        program: stat.program,
    })
}

/// The same, once `pid` has the program that it is executing: the kernel lets go of who waits for an exec (and of
/// `/proc/PID/exe`) before it maps the program. After a tenth of a second it is taken as it is.
pub fn settled(pid: u32) -> Result<Process, TargetError> {
    for _ in 0..SETTLING {
        let process = identify(pid)?;
        if process.program.is_some() {
            return Ok(process);
        }
        thread::sleep(Duration::from_millis(1));
    }
    identify(pid)
}

/// The program that `pid` runs now.
#[must_use]
pub fn program(pid: u32) -> Option<Program> {
    Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)?.program
}

/// Start of the process that has `pid` now; `None` if there is none. To be compared with what was seen earlier.
#[must_use]
pub fn current(pid: u32) -> Option<ProcessId> {
    let stat = Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)?;
    Some(ProcessId { pid, start_ticks: stat.start_ticks })
}

/// Whether a process is known to have ended; its parent may not have heard of it yet.
#[must_use]
pub fn has_ended(id: ProcessId) -> bool {
    match read(id.pid, "stat") {
        Ok(stat) => Stat::parse(&stat)
            .is_some_and(|stat| stat.start_ticks != id.start_ticks || matches!(stat.state, b'Z' | b'X')),
        Err(error) => matches!(error, TargetError::NoProcess { .. }),
    }
}

/// Pid of the parent of `pid`, if both exist.
pub(super) fn parent(pid: u32) -> Option<u32> {
    Some(Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)?.parent)
}

fn read(pid: u32, name: &str) -> Result<Vec<u8>, TargetError> {
    let path = format!("/proc/{pid}/{name}");
    file::read_start(Path::new(&path), MAX_FILE).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TargetError::NoProcess { pid },
        // ESRCH: it ended between opening and reading.
        _ if source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            TargetError::NoProcess { pid }
        }
        _ => TargetError::Io { path, source },
    })
}

/// A number of /proc/PID/status.
fn field(status: &[u8], name: &str) -> Option<u32> {
    let status = String::from_utf8_lossy(status);
    status.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

fn arguments(cmdline: &[u8]) -> Vec<String> {
    // A process that sets its title fills what is left of its command line with NULs.
    let end = cmdline.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let cmdline = &cmdline[..end];
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
}

/// Fields of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    comm: Vec<u8>,
    state: u8,
    parent: u32,
    flags: u64,
    start_ticks: u64,
    program: Option<Program>,
}

impl Stat {
    /// The name is in parentheses and may hold any byte, parentheses included: the last one ends it.
    fn parse(stat: &[u8]) -> Option<Self> {
        let open = stat.iter().position(|byte| *byte == b'(')?;
        let close = stat.iter().rposition(|byte| *byte == b')')?;
        let comm = stat.get(open + 1..close)?.to_vec();
        let fields: Vec<&str> =
            std::str::from_utf8(&stat[close + 1..]).ok()?.split_ascii_whitespace().collect();
        // The first of these is field 3 of the manual page.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        // The start of the code is set with the stack's final place, last of all (load_elf_binary, fs/binfmt_elf.c).
        let is_mapped = number(26).is_some_and(|start_of_code| start_of_code != 0);
        let stack = number(28).and_then(NonZeroU64::new).filter(|_| is_mapped);
        Some(Self {
            comm,
            state: *fields.first()?.as_bytes().first()?,
            parent: u32::try_from(number(4)?).ok()?,
            flags: number(9)?,
            start_ticks: number(22)?,
            program: stack.map(|stack| Program { stack }),
        })
    }
}

fn boot_unix_s() -> Result<u64, TargetError> {
    let path = "/proc/stat";
    let io = |source| TargetError::Io { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(io)?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|time| time.trim().parse().ok())
        .ok_or_else(|| io(io::Error::new(io::ErrorKind::InvalidData, "no boot time (`btime`)")))
}

fn start_unix_ms(boot_s: u64, ticks: u64) -> i64 {
    let hz = rustix::param::clock_ticks_per_second().max(1);
    let ms = u128::from(boot_s) * 1000 + u128::from(ticks) * 1000 / u128::from(hz);
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_are_numbers_that_a_process_can_have() {
        assert_eq!(parse_pid("1234").unwrap(), 1234);
        for text in ["0", "-1", "4194304", "99999999999", "", "12a", "1.5", "\x1b[31m1"] {
            let error = parse_pid(text).unwrap_err();
            assert!(matches!(error, TargetError::NotAPid { .. }), "{text}");
            assert!(!error.to_string().contains('\x1b'));
        }
    }

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let text = "77 (a) b (c) S 1 77 77 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 11 0 8888 1 2 3";
        let running = Stat {
            comm: b"a) b (c".to_vec(),
            state: b'S',
            parent: 1,
            flags: 4_194_560,
            start_ticks: 8888,
            program: Some(Program { stack: NonZeroU64::new(140_726).unwrap() }),
        };
        let executing = Stat { program: None, ..running.clone() };
        assert_eq!(Stat::parse(text.as_bytes()), Some(executing.clone()));
        assert_eq!(Stat::parse(format!("{text} 0 0 140726").as_bytes()), Some(executing));
        assert_eq!(Stat::parse(format!("{text} 4096 8192 140726").as_bytes()), Some(running));
        for broken in [&b""[..], b"77", b"77 (x)", b"77 )x( S 1", b"77 (x) S 1 2 3"] {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn arguments_end_with_a_nul_each() {
        for (cmdline, expected) in [
            (&b"node\0a b\0"[..], vec!["node", "a b"]),
            (b"node\0\0x\0", vec!["node", "", "x"]),
            (b"a title without nul", vec!["a title without nul"]),
            (b"a title\0\0\0\0", vec!["a title"]),
            (b"", vec![]),
        ] {
            assert_eq!(arguments(cmdline), expected);
        }
    }

    #[test]
    fn we_are_a_process_and_our_start_does_not_change() {
        let pid = std::process::id();
        let us = identify(pid).unwrap();
        assert_eq!(us, identify(pid).unwrap());
        assert_eq!(current(pid), Some(us.id));
        assert!(us.program.is_some());
        assert_eq!(program(pid), us.program);
        assert_eq!(us.cmdline.len(), std::env::args_os().count());
    }

    #[test]
    fn an_end_is_known_before_the_parent_hears_of_it() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let id = current(child.id()).unwrap();
        assert!(!has_ended(id) && has_ended(ProcessId { start_ticks: 1, ..id }));
        child.kill().unwrap();
        while current(id.pid) == Some(id) && !has_ended(id) {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(current(id.pid), Some(id));
        child.wait().unwrap();
        assert!(has_ended(id));
    }

    #[test]
    fn threads_and_holes_are_told_apart() {
        let tid = thread::spawn(|| {
            let tid = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
            (tid, identify(tid))
        })
        .join()
        .unwrap();
        assert!(
            matches!(tid.1, Err(TargetError::Thread { tid: t, pid }) if t == tid.0 && pid == std::process::id())
        );
        assert!(matches!(identify(0), Err(TargetError::NotAPid { .. })));
        assert!(matches!(identify(MAX_PID), Err(TargetError::NoProcess { pid: MAX_PID })));
    }
}
