//! The program that walks stacks. The verifier takes 35 to 55 ms to follow it (6.18), so it is loaded beside the watch, once the first
//! probes are live; those that want a stack go on with it from then on.

use std::os::fd::AsFd as _;

use aya::Ebpf;
use memwatch_common::names::{map, probe};

use super::{
    error::LoadError,
    raw::{self, Attach},
    relocated::{OpenMaps, Relocated},
};

/// What it takes to load it. Only while the kernel side is loaded it is of use.
#[derive(Debug)]
pub struct Walker(OpenMaps);

impl Walker {
    pub(super) fn of(ebpf: &Ebpf) -> Result<Self, LoadError> {
        OpenMaps::of(ebpf).map(Self)
    }

    /// Loads it: from now on stacks are walked.
    pub fn load(self) -> Result<(), LoadError> {
        let program = Relocated::over(self.0.all())?.load(probe::STACK, Attach::ToOne)?;
        let place = self.0.named(map::WALKER)?;
        raw::put(place.as_fd(), 0, program.as_fd())
            .map_err(|source| LoadError::GoOn { name: probe::STACK, source })
    }
}
