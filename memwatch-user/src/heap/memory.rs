//! Memory by address: of a process, or of a copy of it.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Memory that can be read by address. Reading is total: what is not there is `false` or `None`, whatever the address.
pub trait Memory {
    /// Fills `to` from `address`; `false` unless all of it is there. `to` may have been written partly.
    #[must_use]
    fn read(&self, address: u64, to: &mut [u8]) -> bool;

    /// Whether the time for reading has run out: nothing can be read from now on.
    fn is_over(&self) -> bool {
        false
    }

    /// The word at `address`.
    fn word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.read(address, &mut word).then(|| u64::from_le_bytes(word))
    }

    /// The half-word (32 bits) at `address`.
    fn half(&self, address: u64) -> Option<u32> {
        let mut half = [0; 4];
        self.read(address, &mut half).then(|| u32::from_le_bytes(half))
    }

    /// `N` words from `address`.
    fn words<const N: usize>(&self, address: u64) -> Option<[u64; N]>
    where
        Self: Sized,
    {
        let mut words = [0; N];
        for (word, offset) in words.iter_mut().zip((0..).step_by(8)) {
            *word = self.word(address.checked_add(offset)?)?;
        }
        Some(words)
    }
}

impl<M: Memory + ?Sized> Memory for &M {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        (**self).read(address, to)
    }

    fn is_over(&self) -> bool {
        (**self).is_over()
    }
}

/// The memory of a running process, through `/proc/PID/mem`.
#[derive(Debug)]
pub struct ProcessMemory(File);

impl ProcessMemory {
    /// Opens the memory of `pid`. It stays that process's: once it is gone or has executed another program, nothing can
    /// be read.
    pub fn open(pid: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/mem")).map(Self)
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        self.0.read_exact_at(to, address).is_ok()
    }
}
