//! Everything that can happen while we watch, as one enum, and the waiting for it.

use std::{os::fd::OwnedFd, time::Duration};

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
    model::ProcessId,
    target::process,
};

/// How long to wait for the dynamic loader before looking again: it takes a few milliseconds.
const LOAD_TIME: Duration = Duration::from_millis(20);
/// How often to look: a second on an idle machine, plenty in an emulated one.
pub(super) const LOOKS: u8 = 50;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// There may be records in the ring buffer.
    Records,
    /// A target has ended.
    Gone(u32),
    /// It is time to look at a process again that had not yet mapped what it runs; so many more times.
    LookAgain(u32, u8),
    /// It is time to read the targets' memory.
    Interval,
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
    interrupts: [Signal; 3],
    interval: Interval,
    deadline: Option<std::pin::Pin<Box<Sleep>>>,
    later: mpsc::UnboundedReceiver<Input>,
    later_sender: mpsc::UnboundedSender<Input>,
}

impl Events {
    pub(super) fn new(ring: Ring, every: Duration, duration: Option<Duration>) -> Result<Self> {
        let (later_sender, later) = mpsc::unbounded_channel();
        let on = |kind| signal(kind).context("cannot listen for signals");
        let mut interval = interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            ring,
            interrupts: [
                on(SignalKind::interrupt())?,
                on(SignalKind::terminate())?,
                on(SignalKind::hangup())?,
            ],
            interval,
            deadline: duration.map(|duration| Box::pin(sleep(duration))),
            later,
            later_sender,
        })
    }

    /// Says when a process has ended: `Input::Gone`, once. A descriptor stands for one process, however often its pid is
    /// used again; that it is the right one is checked once it is open.
    pub(super) fn wait_for_end(&self, id: ProcessId) {
        let (pid, sender) = (id.pid, self.later_sender.clone());
        let pidfd = open_pidfd(pid).filter(|_| process::current(pid) == Some(id));
        tokio::task::spawn_local(async move {
            if let Some(pidfd) = pidfd {
                let _readable = pidfd.readable().await;
            }
            // The receiver is dropped only when we stop.
            let _stopping = sender.send(Input::Gone(pid));
        });
    }

    /// Says when to look at `pid` again: `Input::LookAgain`, once.
    pub(super) fn look_again(&self, pid: u32, times: u8) {
        let sender = self.later_sender.clone();
        tokio::task::spawn_local(async move {
            sleep(LOAD_TIME).await;
            let _stopping = sender.send(Input::LookAgain(pid, times));
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
        // In random order: a storm of collections must not starve the rest.
        tokio::select! {
            _ = interrupt.recv() => Input::Stop(Stop::Interrupted),
            _ = terminate.recv() => Input::Stop(Stop::Interrupted),
            _ = hangup.recv() => Input::Stop(Stop::Interrupted),
            () = deadline => Input::Stop(Stop::Duration),
            _ = self.ring.readable() => Input::Records,
            Some(input) = self.later.recv() => input,
            _ = self.interval.tick() => Input::Interval,
        }
    }
}

/// `None` if the process has already ended.
fn open_pidfd(pid: u32) -> Option<AsyncFd<OwnedFd>> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    raw::readable(pidfd).ok()
}
