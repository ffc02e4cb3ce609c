//! Records as they arrive: the ring buffer, woken by readiness, never polled.

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use aya_log::EbpfLogger;
use memwatch_common::names::map;
use tokio::io::unix::AsyncFd;

use super::{
    error::{LoadError, in_map},
    load::Kernel,
    raw,
};

/// The reading end of the ring buffer.
pub struct Ring(AsyncFd<RingBuf<MapData>>);

impl Ring {
    /// Opens the ring buffer of a loaded object; needs a tokio runtime. There is one reader: the second call fails.
    pub fn open(kernel: &mut Kernel) -> Result<Self, LoadError> {
        Self::of(&mut kernel.programs.ebpf, map::EVENTS)
    }

    /// Likewise the one of new stacks.
    pub fn open_stacks(kernel: &mut Kernel) -> Result<Self, LoadError> {
        Self::of(&mut kernel.programs.ebpf, map::STACK_EVENTS)
    }

    pub(super) fn of(ebpf: &mut Ebpf, name: &'static str) -> Result<Self, LoadError> {
        let map = ebpf.take_map(name).ok_or(LoadError::Missing(name))?;
        let ring = RingBuf::try_from(map).map_err(in_map(name))?;
        raw::readable(ring).map(Self).map_err(LoadError::Ring)
    }

    /// Waits until there may be records; [`Ring::drain`] must follow. Safe to cancel.
    pub async fn readable(&mut self) -> std::io::Result<()> {
        let mut guard = self.0.readable_mut().await?;
        guard.clear_ready();
        Ok(())
    }

    /// Hands every record that is there to `take`, oldest first.
    pub fn drain(&mut self, mut take: impl FnMut(&[u8])) {
        while self.drain_some(usize::MAX, &mut take) {}
    }

    /// Likewise, but no more than `most` of them: whoever sends as fast as we read would keep us for good. Whether there may be
    /// more, of which nobody will be told: this must follow soon.
    pub fn drain_some(&mut self, most: usize, mut take: impl FnMut(&[u8])) -> bool {
        let ring = self.0.get_mut();
        for _ in 0..most {
            let Some(record) = ring.next() else { return false };
            take(&record);
        }
        true
    }
}

/// Sends the kernel side's debug lines to the `log` crate for as long as the runtime lives.
pub fn forward_debug_lines(kernel: &mut Kernel) -> Result<(), LoadError> {
    let logger = EbpfLogger::init(&mut kernel.programs.ebpf)
        .map_err(|error| LoadError::DebugLines(error.to_string()))?;
    let mut logger = raw::readable(logger).map_err(LoadError::Ring)?;
    tokio::task::spawn_local(async move {
        while let Ok(mut guard) = logger.readable_mut().await {
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    });
    Ok(())
}
