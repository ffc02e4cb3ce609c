//! Signals that end a watch.

use std::fs;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that end it: Ctrl-C, SIGTERM, SIGHUP.
pub(super) struct Signals([Option<Signal>; 3]);

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(listen);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Waits for one. Safe to cancel.
    pub(super) async fn received(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
            () = received(hangup) => {}
        }
    }
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
