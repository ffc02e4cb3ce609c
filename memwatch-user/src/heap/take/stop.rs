//! A process that stands still, for as long as a value lives.
//!
//! By ptrace, as that ends with us: however we die, the kernel lets all threads go on. After SIGSTOP they would stay
//! stopped, and the parent would see it.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
};

use super::{TakeError, access, remote::pid_of, stacks::Registers};

/// How often it is looked whether a thread stands still: that takes a tenth of a millisecond where a CPU is free.
const LOOK: Duration = Duration::from_micros(50);
/// Rounds in which threads are looked for that were born while others were being stopped.
const ROUNDS: usize = 8;

/// A process all of whose threads stand still. It goes on when this is dropped.
#[derive(Debug)]
pub(super) struct Stopped {
    threads: Vec<Thread>,
}

/// A thread that stands still.
#[derive(Debug)]
struct Thread {
    tid: u32,
    /// What it was about to be sent when it stopped.
    signal: Option<Signal>,
}

impl Stopped {
    /// Stops `pid`, if it stands still before `deadline`: a thread that the kernel works for without interruption (a `vfork`,
    /// a read of a dead network drive) does not. To be dropped by the thread that calls this: for the kernel, threads are
    /// tracers.
    pub(super) fn stop(pid: u32, deadline: Instant) -> Result<Self, TakeError> {
        let mut stopped = Self { threads: Vec::new() };
        let mut known = BTreeSet::new();
        for _ in 0..ROUNDS {
            let born: Vec<u32> = threads(pid).into_iter().filter(|tid| known.insert(*tid)).collect();
            if born.is_empty() {
                break;
            }
            stopped.seize(pid, &born)?;
            stopped.wait(pid, &born, deadline)?;
        }
        if stopped.threads.is_empty() { Err(TakeError::Gone { pid }) } else { Ok(stopped) }
    }

    fn seize(&mut self, pid: u32, threads: &[u32]) -> Result<(), TakeError> {
        for &tid in threads {
            match ptrace::seize(pid_of(tid), Options::empty()).and_then(|()| ptrace::interrupt(pid_of(tid))) {
                Ok(()) => self.threads.push(Thread { tid, signal: None }),
                // It has ended meanwhile.
                Err(Errno::ESRCH) => {}
                Err(error) => return Err(refused(pid, error)),
            }
        }
        Ok(())
    }

    fn wait(&mut self, pid: u32, threads: &[u32], deadline: Instant) -> Result<(), TakeError> {
        for &tid in threads {
            match wait(tid, deadline) {
                Stop::At(signal) => self.note(tid, signal),
                Stop::Ended => self.threads.retain(|thread| thread.tid != tid),
                Stop::Busy => return Err(TakeError::NotStopping { pid, tid }),
            }
        }
        Ok(())
    }

    fn note(&mut self, tid: u32, signal: Option<Signal>) {
        if let Some(thread) = self.threads.iter_mut().find(|thread| thread.tid == tid) {
            thread.signal = signal;
        }
    }

    /// What each thread has in its registers.
    pub(super) fn registers(&self) -> Vec<Registers> {
        self.threads.iter().filter_map(|thread| registers(thread.tid)).collect()
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for thread in &self.threads {
            // It fails for a thread that does not stand still, which goes on when the tracer ends.
            let _gone = ptrace::detach(pid_of(thread.tid), thread.signal);
        }
    }
}

/// How it went with a thread.
enum Stop {
    /// It stands still, before a signal or before none.
    At(Option<Signal>),
    Ended,
    Busy,
}

fn wait(tid: u32, deadline: Instant) -> Stop {
    loop {
        match waitpid(pid_of(tid), Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Stopped(_, signal)) => return Stop::At(Some(signal)),
            Ok(WaitStatus::StillAlive) if Instant::now() > deadline => return Stop::Busy,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(LOOK),
            Ok(WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_)) => return Stop::At(None),
            Ok(_) | Err(_) => return Stop::Ended,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(tid: u32) -> Option<Registers> {
    let all = ptrace::getregs(pid_of(tid)).ok()?;
    let others = vec![
        all.rax, all.rbx, all.rcx, all.rdx, all.rsi, all.rdi, all.rbp, all.r8, all.r9, all.r10, all.r11,
        all.r12, all.r13, all.r14, all.r15,
    ];
    Some(Registers { thread: tid, stack_pointer: all.rsp, thread_pointer: Some(all.fs_base), others })
}

#[cfg(target_arch = "aarch64")]
fn registers(tid: u32) -> Option<Registers> {
    let all = ptrace::getregs(pid_of(tid)).ok()?;
    Some(Registers { thread: tid, stack_pointer: all.sp, thread_pointer: None, others: all.regs.to_vec() })
}

fn threads(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Why the kernel does not let us stop `pid`.
fn refused(pid: u32, error: Errno) -> TakeError {
    match (error, access::tracer(pid), access::can_be_read(pid)) {
        (_, _, Err(why)) => why,
        (Errno::EPERM, Some(tracer), _) => TakeError::Debugged { pid, tracer },
        (Errno::EPERM, None, _) => TakeError::Forbidden { pid },
        _ => TakeError::Gone { pid },
    }
}
