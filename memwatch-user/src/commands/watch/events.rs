//! Everything that can happen while we watch, as one enum, and the waiting for it.

use std::{collections::BTreeSet, fs, io, os::fd::OwnedFd, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep},
};

use crate::{
    bpf::{raw, ring::Ring},
    engine::scrape::{Look, Looked},
    model::ProcessId,
    target::process,
};

/// How long to wait for the dynamic loader before looking again: it takes a few milliseconds.
const LOAD_TIME: Duration = Duration::from_millis(20);
/// How often to look whether a process has ended that does not tell.
const LATE: Duration = Duration::from_secs(1);
/// How often to look: a second on an idle machine, plenty in an emulated one.
pub(super) const LOOKS: u8 = 50;

/// Something that happened.
pub(super) enum Input {
    /// There may be records in the ring buffer.
    Records,
    /// There may be new stacks in theirs.
    Stacks,
    /// A target has ended.
    Gone(ProcessId),
    /// It is time to look at a process again that had not yet mapped what it runs; so many more times.
    LookAgain(u32, u8),
    /// It is time to look at the targets from outside.
    Interval,
    /// A look that was asked for was taken.
    Looked(Box<Looked>),
    /// Stop.
    Stop(Stop),
}

/// Why we stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ctrl-C, SIGTERM, SIGHUP.
    Interrupted,
    /// `--duration` is over.
    Duration,
    /// Nobody is left.
    TargetsGone,
    /// `q`.
    Quit,
    /// The verdict that was waited for.
    Leak,
}

impl Stop {
    /// The reason's name in records.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Duration => "duration",
            Self::TargetsGone => "targets-gone",
            Self::Quit => "quit",
            Self::Leak => "leak",
        }
    }
}

/// What we wait for.
pub(super) struct Events {
    pub(super) ring: Ring,
    /// Of stacks, if they are wanted.
    pub(super) stacks: Option<Ring>,
    interrupts: [Option<Signal>; 3],
    interval: Interval,
    deadline: Option<std::pin::Pin<Box<Sleep>>>,
    /// Whose end is waited for.
    awaited: BTreeSet<ProcessId>,
    later: mpsc::UnboundedReceiver<Input>,
    later_sender: mpsc::UnboundedSender<Input>,
}

impl Events {
    pub(super) fn new(
        ring: Ring,
        stacks: Option<Ring>,
        every: Duration,
        duration: Option<Duration>,
    ) -> Result<Self> {
        let (later_sender, later) = mpsc::unbounded_channel();
        let mut interval = interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            ring,
            stacks,
            interrupts: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
            interval,
            deadline: duration.map(|duration| Box::pin(sleep(duration))),
            awaited: BTreeSet::new(),
            later,
            later_sender,
        })
    }

    /// Says when a process has ended: `Input::Gone`, once, however often it is asked. A descriptor stands for one process,
    /// whatever its pid is used for later; that it is the right one is checked once it is open.
    pub(super) fn wait_for_end(&mut self, id: ProcessId) {
        if !self.awaited.insert(id) {
            return;
        }
        let pidfd = match open_pidfd(id.pid) {
            // An older filter of system calls forbids it, or we have too many files open.
            Err(error) if process::current(id.pid) == Some(id) => {
                log::warn!("the end of process {id} will be noticed late: {error}");
                None
            }
            pidfd => pidfd.ok().filter(|_| process::current(id.pid) == Some(id)),
        };
        let sender = self.later_sender.clone();
        tokio::task::spawn_local(async move {
            if let Some(pidfd) = pidfd {
                let _readable = pidfd.readable().await;
            } else {
                while !process::has_ended(id) {
                    sleep(LATE).await;
                }
            }
            // The receiver is dropped only when we stop.
            let _stopping = sender.send(Input::Gone(id));
        });
    }

    /// The end of `id` has been dealt with.
    pub(super) fn has_ended(&mut self, id: ProcessId) {
        self.awaited.remove(&id);
    }

    /// Says when to look at `pid` again: `Input::LookAgain`, once.
    pub(super) fn look_again(&self, pid: u32, times: u8) {
        let sender = self.later_sender.clone();
        tokio::task::spawn_local(async move {
            sleep(LOAD_TIME).await;
            let _stopping = sender.send(Input::LookAgain(pid, times));
        });
    }

    /// Takes a look beside the loop: `Input::Looked`, once.
    pub(super) fn look(&self, look: Look) {
        let sender = self.later_sender.clone();
        tokio::task::spawn_blocking(move || {
            let _stopping = sender.send(Input::Looked(Box::new(look.take())));
        });
    }

    /// Waits for the next thing to happen.
    pub(super) async fn next(&mut self) -> Input {
        let [interrupt, terminate, hangup] = &mut self.interrupts;
        let deadline = async {
            match &mut self.deadline {
                Some(deadline) => deadline.await,
                None => std::future::pending().await,
            }
        };
        let stacks = async {
            let readable = match &mut self.stacks {
                Some(ring) => ring.readable().await.is_ok(),
                None => false,
            };
            if !readable {
                std::future::pending::<()>().await;
            }
        };
        // In random order: a storm of collections must not starve the rest.
        tokio::select! {
            () = received(interrupt) => Input::Stop(Stop::Interrupted),
            () = received(terminate) => Input::Stop(Stop::Interrupted),
            () = received(hangup) => Input::Stop(Stop::Interrupted),
            () = deadline => Input::Stop(Stop::Duration),
            _ = self.ring.readable() => Input::Records,
            () = stacks => Input::Stacks,
            Some(input) = self.later.recv() => input,
            _ = self.interval.tick() => Input::Interval,
        }
    }
}

fn open_pidfd(pid: u32) -> io::Result<AsyncFd<OwnedFd>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    raw::readable(pidfd_open(pid, PidfdFlags::empty())?)
}

/// A signal that we were started with ignored (`nohup`) stays ignored: then it never comes.
fn listen(kind: SignalKind) -> Result<Option<Signal>> {
    let ignored = ignored_signals() & (1 << (kind.as_raw_value() - 1)) != 0;
    if ignored { Ok(None) } else { Ok(Some(signal(kind).context("cannot listen for signals")?)) }
}

/// `SigIgn` of our own `/proc/self/status`: a bit a signal.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0)
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}
