//! Who holds the bytes of `malloc`: one thread for all processes, which has a few of those that grow followed at once.
//!
//! ```text
//!  alarm ──► governor ──► window ──► samples ──► unwind ──► sites ──► what holds memory
//!  does it    how much     probes     blocks      whose      P(live)
//!  grow?      may it cost  come, go   and stacks             by age ◄── verify: looks at blocks from outside
//! ```
//!
//! [`Mode::Auto`] does that. [`Mode::Full`] follows every block from `malloc` to `free` instead. Beside either, [`direct`] follows
//! what is taken from the kernel past the allocator.

pub(crate) mod alarm;
mod callers;
mod chunk;
mod context;
pub mod direct;
mod error;
mod follow;
pub(crate) mod governor;
mod memory;
mod pool;
mod queue;
mod sampler;
pub mod sites;
mod symbols;
mod tables;
mod together;
mod tracker;
mod unwind;
mod verify;
mod watch;
pub mod window;

pub use self::{
    callers::Javascript,
    error::NativeError,
    symbols::Frame,
    together::{of_array_buffers, together},
    tracker::{MOST_FULL, Tracker, Trackers},
};
use crate::{
    bpf::losses::Counts,
    model::{self, Mono},
    vocabulary::TakenBy,
};

/// How much is to be known of native memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Off,
    /// Whether it grows: no probe at all.
    Growth,
    /// Every block, at any price.
    Full,
    /// Which call sites hold memory, within the budget.
    #[default]
    Auto,
}

impl Mode {
    /// Its name in records and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Growth => "growth",
            Self::Full => "full",
            Self::Auto => "auto",
        }
    }
}

/// What was decided about what may be spent.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Mono,
    /// What is being done: `growth`, `auto` or `full`.
    pub mode: &'static str,
    /// Traps a second.
    pub traps_per_s: f64,
    /// What they cost the target, percent of one CPU.
    pub cost_pct: f64,
    /// Share of allocations that is seen, 0 to 1.
    pub coverage: f64,
    /// Why.
    pub reason: String,
}

/// One place that memory is held by.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// How it was taken.
    pub by: TakenBy,
    /// Its share of what all places hold, 0 to 1.
    pub share: f64,
    /// Bytes that were handed out since we look and are still there; estimated unless every block is followed.
    pub bytes: u64,
    /// Blocks behind it.
    pub n: u64,
    /// 95 % interval of the share, where blocks are sampled.
    pub interval: Option<[f64; 2]>,
    /// The stack, innermost first: native code.
    pub frames: Vec<Frame>,
    /// The JavaScript before that, innermost first; none where that is not known.
    pub callers: Vec<model::Frame>,
}

/// What is known by now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Who holds memory, largest first.
    pub holders: Vec<Holder>,
    /// Bytes that were handed out since we look and not freed; only where every block is followed.
    pub outstanding: Option<Outstanding>,
    /// Losses, by reason.
    pub losses: Counts,
    /// Percent of one CPU that the target was charged since probes were first armed.
    pub cost_pct: f64,
    /// The same in CPU seconds, all together.
    pub cost_s: f64,
}

/// Blocks that were handed out since we look and not freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// How many.
    pub blocks: u64,
    /// Their usable bytes.
    pub bytes: u64,
    /// Frees of blocks from before we looked.
    pub unknown_frees: u64,
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::ffi::OsStrExt,
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    use super::memory::{self, Memory};
    use crate::sample::proc;

    /// Node cuts `process.title` to 15 bytes for the kernel, which may be in the middle of a character; and paths are bytes.
    #[test]
    fn names_need_not_be_utf8() {
        let directory = std::env::temp_dir().join(format!("memwatch-native-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let program = directory.join(OsStr::from_bytes(b"cat-\xe9\xff"));
        fs::copy("/bin/cat", &program).unwrap();
        let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let is_read = || {
            proc::text(pid, "status").and_then(|status| proc::bytes(&status, "RssAnon")).is_some()
                && Memory::program_break(pid).is_some()
                && !memory::private_ranges(pid).is_empty()
        };
        // Its first memory is mapped by the loader.
        let read = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            is_read()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(read);
    }
}
