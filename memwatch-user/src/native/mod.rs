//! Who holds the bytes of `malloc`: one tracker a process, in a thread of its own, as the kernel takes a third of a second
//! to take probes away.
//!
//! ```text
//!  alarm ──► governor ──► window ──► samples ──► unwind ──► sites ──► what holds memory
//!  does it    how much     probes     blocks      whose      P(live)
//!  grow?      may it cost  come, go   and stacks             by age ◄── verify: looks at blocks from outside
//! ```
//!
//! [`Mode::Auto`] does that. [`Mode::Full`] follows every block from `malloc` to `free` instead. Beside either, [`direct`] follows
//! what is taken from the kernel past the allocator.

pub mod alarm;
mod callers;
mod chunk;
pub mod direct;
mod error;
mod follow;
pub mod governor;
mod memory;
mod sampler;
pub mod sites;
mod symbols;
mod together;
mod unwind;
mod verify;
pub mod window;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use memwatch_common::{loss::LossReason, target::TaskLayout};

pub use self::{callers::Javascript, error::NativeError, symbols::Frame, together::together};
use crate::{
    host::{clock, features::Features},
    model::{self, Mono, ProcessId},
    plan::malloc::{self, MallocPlan},
    sample::proc,
    target::{maps, process},
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

/// How memory was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TakenBy {
    /// From the allocator: `malloc` and its kin.
    #[default]
    Malloc,
    /// From the kernel: `mmap` and `mremap`.
    Mmap,
}

impl TakenBy {
    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malloc => "malloc",
            Self::Mmap => "mmap",
        }
    }
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
    pub losses: BTreeMap<LossReason, u64>,
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

/// Follows the native memory of one process. Its probes go when it is dropped, or with our own process.
#[derive(Debug)]
pub struct Tracker {
    shared: Arc<Mutex<Shared>>,
    /// Dropped to stop the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    known: Known,
    decisions: Vec<Decision>,
    alarmed: bool,
}

/// A tracker's thread's view of it.
struct Desk {
    id: ProcessId,
    budget_pct: f64,
    /// Whether the kernel links many uprobes at once.
    multi: bool,
    /// `None` where JavaScript's callers are not to be known.
    javascript: Option<Javascript>,
    shared: Arc<Mutex<Shared>>,
    stop: Receiver<()>,
}

impl Tracker {
    /// Begins to follow `id` with what the kernel has. `javascript`: what it takes to say which JavaScript called.
    pub fn start(
        id: ProcessId,
        mode: Mode,
        budget_pct: f64,
        features: Features,
        javascript: Option<Javascript>,
    ) -> Result<Self, NativeError> {
        let plan = match mode {
            Mode::Off => return Err(NativeError::NotAskedFor),
            Mode::Growth => None,
            Mode::Full | Mode::Auto => Some(plan(id.pid, mode, features.attach_cookie)?),
        };
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (sender, stop) = mpsc::channel();
        let multi = features.uprobe_multi;
        let desk = Desk { id, budget_pct, multi, javascript, shared: Arc::clone(&shared), stop };
        let run = move || match (mode, plan) {
            (Mode::Full, Some(plan)) => follow::run(&desk, &plan),
            (_, plan) => sampler::run(&desk, plan.as_ref()),
        };
        let thread = thread::Builder::new().name("native".to_owned()).spawn(run);
        let thread = thread.map_err(NativeError::Thread)?;
        Ok(Self { shared, stop: Some(sender), thread: Some(thread) })
    }

    /// What is known by now.
    #[must_use]
    pub fn known(&self) -> Known {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).known.clone()
    }

    /// What was decided since this was asked last.
    pub fn decisions(&self) -> Vec<Decision> {
        std::mem::take(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner).decisions)
    }

    /// Whether the process grows, so that there is reason to look closer.
    #[must_use]
    pub fn is_alarmed(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).alarmed
    }

    /// Stops, and waits until the probes are gone.
    pub fn stop(self) {
        Self::stop_all(vec![self]);
    }

    /// Stops several side by side, and waits until their probes are gone.
    pub fn stop_all(mut trackers: Vec<Self>) {
        for tracker in &mut trackers {
            tracker.stop = None;
        }
        for thread in trackers.iter_mut().filter_map(|tracker| tracker.thread.take()) {
            let _panicked = thread.join();
        }
    }
}

/// Sampled blocks have to be told freed from live; where they are not, they can be followed only.
fn plan(pid: u32, mode: Mode, cookies: bool) -> Result<MallocPlan, NativeError> {
    if !cookies {
        return Err(NativeError::NoCookies);
    }
    let maps = maps::of(pid).map_err(NativeError::Mappings)?;
    let plan = malloc::prepare(pid, &maps)?;
    match plan.marks {
        Err(why) if mode == Mode::Auto => Err(NativeError::NoMarks { allocator: plan.allocator.name(), why }),
        _ => Ok(plan),
    }
}

impl Desk {
    /// Where the kernel keeps what leads to a thread's isolate.
    fn task(&self) -> TaskLayout {
        self.javascript.as_ref().map_or(TaskLayout::UNKNOWN, |javascript| javascript.task)
    }

    /// Waits until `until`; `false` once there is to be an end, or the process has gone.
    fn wait(&self, until: Mono) -> bool {
        let time = until.since(clock::now()).max(Duration::from_millis(1));
        self.stop.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
            && process::current(self.id.pid) == Some(self.id)
    }

    fn publish(&self, known: Known) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).known = known;
    }

    fn alarm(&self, alarmed: bool) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).alarmed = alarmed;
    }

    /// Says once that probes cannot be had.
    fn refuse(&self, error: &NativeError) {
        log::warn!("the native memory of process {} is not followed: {error}", self.id.pid);
        self.decide(Decision {
            at: clock::now(),
            mode: Mode::Growth.name(),
            traps_per_s: 0.0,
            cost_pct: 0.0,
            coverage: 0.0,
            reason: format!("who holds its native memory will not be known: {error}"),
        });
    }

    fn decide(&self, decision: Decision) {
        log::debug!("native memory of process {}: {decision:?}", self.id);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).decisions.push(decision);
    }
}

/// `RssAnon` of a process, bytes.
fn anonymous_bytes(pid: u32) -> Option<u64> {
    proc::bytes(&proc::text(pid, "status")?, "RssAnon")
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        fs,
        os::unix::ffi::OsStrExt,
        process::{Command, Stdio},
    };

    use super::{memory::Memory, *};

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
            anonymous_bytes(pid).is_some()
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
