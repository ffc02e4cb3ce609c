//! Which JavaScript called a function that allocates: stacks that come with sampled blocks, with names.
//!
//! Names are read while the window is open: what a stack refers to is true for a moment. Each window begins anew, so that
//! addresses are never older than it.

use std::{
    collections::HashMap,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use memwatch_common::{
    loss::LossReason,
    native::{BlockSample, MAX_CALLERS},
    stack::{StackEvent, StackKey, StackLayout, stack_start},
    target::TaskLayout,
};

use super::error::NativeError;
use crate::{
    bpf::malloc::Tap,
    ingest,
    model::{Frame, FrameKind, Stack, origin},
    plan::StackPlan,
    symbols::js::{ProcessMemory, Resolver},
};

/// How often stacks are read, and looked whether it may go on.
const READING: Duration = Duration::from_millis(2);
/// Frames that are told.
const MOST_FRAMES: usize = 16;

/// What it takes to walk stacks of JavaScript in one process.
#[derive(Clone, Debug)]
pub struct Javascript {
    /// Of its binary.
    pub plan: StackPlan,
    /// Of the process.
    pub layout: StackLayout,
    /// Of the kernel.
    pub task: TaskLayout,
}

/// The callers of one process's sampled blocks.
#[derive(Default)]
pub(super) struct Callers {
    /// `None` if they are not to be known.
    resolver: Option<Resolver<ProcessMemory>>,
    known: HashMap<StackKey, Caller>,
    without_exit: WithoutExit,
    /// Stacks that could not be decoded.
    malformed: u64,
}

/// A stack with names.
struct Caller {
    stack: Stack,
    /// Whether it has no exit frame.
    is_direct: bool,
}

/// Samples in JavaScript without an exit frame, of which V8 notes where they are called from.
#[derive(Clone, Copy, Default)]
struct WithoutExit {
    /// Those whose caller is known.
    told: u64,
    /// Those of which only the frame is known.
    untold: u64,
}

impl Callers {
    /// Of the process `pid`; without `javascript` of nobody.
    pub(super) fn start(
        tap: &mut Tap,
        pid: u32,
        javascript: Option<&Javascript>,
    ) -> Result<Self, NativeError> {
        if let Some(javascript) = javascript {
            tap.walk(pid, javascript.layout)?;
        }
        Self::of_process(pid, javascript)
    }

    /// The same where somebody else sees to it that stacks are walked.
    pub(super) fn of_process(pid: u32, javascript: Option<&Javascript>) -> Result<Self, NativeError> {
        let Some(Javascript { plan, .. }) = javascript else { return Ok(Self::default()) };
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let resolver = Resolver::new(ProcessMemory::open(pid).map_err(NativeError::Memory)?, plan, root);
        Ok(Self { resolver: Some(resolver), ..Self::default() })
    }

    /// Lets `time` pass, in which stacks are read; less if it may not go on.
    pub(super) fn wait(&mut self, tap: &mut Tap, time: Duration, may_go_on: impl Fn(&Tap) -> bool) {
        let until = Instant::now() + time;
        loop {
            self.read(tap);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !may_go_on(tap) {
                return;
            }
            thread::sleep(left.min(READING));
        }
    }

    /// Reads the stacks that are there. The samples are fetched first: the caller of each was sent before it.
    pub(super) fn read(&mut self, tap: &mut Tap) {
        tap.fetch();
        tap.drain_stacks(|bytes| match ingest::stack(bytes) {
            Ok(event) => self.take(&event),
            Err(_) => self.malformed += 1,
        });
    }

    /// Reads the names of a stack.
    pub(super) fn take(&mut self, event: &StackEvent) {
        if let Some(resolver) = &mut self.resolver {
            let is_direct = event.start == stack_start::DIRECT;
            self.known.insert(event.key, Caller { stack: resolver.stack(event), is_direct });
        }
    }

    /// The functions that called, innermost first, if the innermost of the user's is known for sure.
    pub(super) fn of(&mut self, sample: &BlockSample) -> &[Frame] {
        self.by(sample.copy.caller)
    }

    /// Likewise of a stack.
    pub(super) fn by(&mut self, stack: StackKey) -> &[Frame] {
        let Some(caller) = self.known.get(&stack) else { return &[] };
        let told = told(&caller.stack);
        if caller.is_direct {
            self.without_exit.count(!told.is_empty());
        }
        told
    }

    /// What became of stacks that could not be decoded and of samples without an exit frame: to be added to what the kernel
    /// side counts.
    pub(super) fn losses(&self) -> [(LossReason, u64); 3] {
        let WithoutExit { told, untold } = self.without_exit;
        [
            (LossReason::DirectCall, told),
            (LossReason::NoExitFrame, untold),
            (LossReason::StackMalformed, self.malformed),
        ]
    }

    /// How many stacks are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are so many that they should be forgotten, for the kernel to have room for others.
    pub(super) fn are_many(&self) -> bool {
        self.known.len() > MAX_CALLERS as usize / 2
    }

    /// Forgets all stacks, and says which they were.
    pub(super) fn forgotten(&mut self) -> impl Iterator<Item = StackKey> {
        self.known.drain().map(|(key, _)| key)
    }

    /// Forgets all stacks: the next window's come with addresses that are true then.
    pub(super) fn forget(&mut self, tap: &mut Tap) {
        self.forgotten().for_each(|key| tap.forget_stack(key));
    }
}

impl WithoutExit {
    fn count(&mut self, is_told: bool) {
        *if is_told { &mut self.told } else { &mut self.untold } += 1;
    }
}

/// None of them where one that could not be read may be the one that matters.
fn told(stack: &Stack) -> &[Frame] {
    let inner = origin(&stack.frames) + 1;
    let is_sure = stack.frames.iter().take(inner).all(|frame| frame.kind != FrameKind::Unknown);
    let most = if is_sure { stack.frames.len().min(MOST_FRAMES.max(inner)) } else { 0 };
    &stack.frames[..most]
}
