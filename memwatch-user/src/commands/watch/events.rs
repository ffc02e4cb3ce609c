//! Everything that can happen while we watch, as one enum, and the waiting for it.

use std::{pin::Pin, time::Duration};

use anyhow::Result;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::yield_now,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep},
};

use super::{signals::Signals, stop::Stop};
use crate::{bpf::ring::Ring, engine::Finished};

/// Something that happened.
pub(super) enum Input {
    /// There may be records in the ring buffer.
    Records,
    /// There may be new stacks in theirs.
    Stacks,
    /// Something was done in the background, or waited for there.
    Finished(Box<Finished>),
    /// It is time to look at the targets from outside.
    Interval,
    /// Stop.
    Stop(Stop),
}

/// What we wait for.
pub(super) struct Events {
    pub(super) ring: Ring,
    /// Of stacks, if they are wanted.
    pub(super) stacks: Option<Ring>,
    finished: UnboundedReceiver<Finished>,
    signals: Signals,
    interval: Interval,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Records were left in the ring buffer, of which nobody will be told.
    more: bool,
}

impl Events {
    pub(super) fn new(
        ring: Ring,
        stacks: Option<Ring>,
        finished: UnboundedReceiver<Finished>,
        every: Duration,
    ) -> Result<Self> {
        let mut interval = interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signals = Signals::listen()?;
        Ok(Self { ring, stacks, finished, signals, interval, deadline: None, more: false })
    }

    /// It is over after `duration` from now.
    pub(super) fn end_after(&mut self, duration: Option<Duration>) {
        self.deadline = duration.map(|duration| Box::pin(sleep(duration)));
    }

    /// Waits for what is done in the background. Safe to cancel.
    pub(super) async fn finished(&mut self) -> Finished {
        match self.finished.recv().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// Whether records were left in the ring buffer when it was last looked at.
    pub(super) fn is_behind(&self) -> bool {
        self.more
    }

    /// Whether records were left in the ring buffer.
    pub(super) fn has_more(&mut self, more: bool) {
        self.more = more;
    }

    /// Waits for the next thing to happen. What ends the watch comes first, then the time: no storm of events may keep either
    /// waiting. The rest in random order, for the same reason.
    pub(super) async fn next(&mut self) -> Input {
        let Self { ring, stacks, finished, signals, interval, deadline, more } = self;
        tokio::select! {
            biased;
            () = signals.received() => Input::Stop(Stop::Interrupted),
            () = over(deadline) => Input::Stop(Stop::Duration),
            _ = interval.tick() => Input::Interval,
            input = async {
                tokio::select! {
                    () = records(ring, *more) => Input::Records,
                    () = readable(stacks) => Input::Stacks,
                    Some(finished) = finished.recv() => Input::Finished(Box::new(finished)),
                }
            } => input,
        }
    }
}

async fn over(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.await,
        None => std::future::pending().await,
    }
}

/// Where there are `more` already, the runtime looks at signals and timers first.
async fn records(ring: &mut Ring, more: bool) {
    if more {
        yield_now().await;
    } else if ring.readable().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn readable(stacks: &mut Option<Ring>) {
    let is_readable = match stacks {
        Some(ring) => ring.readable().await.is_ok(),
        None => false,
    };
    if !is_readable {
        std::future::pending::<()>().await;
    }
}
