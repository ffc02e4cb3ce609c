//! Why something that happened was not reported: one kernel counter a reason.

/// Index into the per-CPU array of loss counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum LossReason {
    /// The ring buffer was full for an event of a heap, mostly a collection: the collector is too slow.
    RingFull = 0,
    /// The map of threads was full: a collection on that thread is not seen.
    ThreadsFull = 1,
    /// A collection ended that we did not see begin: it was running when we attached.
    EndWithoutStart = 2,
    /// A collection began on a thread on which the last one had not ended.
    StartWithoutEnd = 3,
    /// A pair of start and end without any collector between: V8 gave up early; not a collection.
    NoCollector = 4,
    /// The limit's fields could not be read: the page was not resident.
    LimitUnreadable = 5,
    /// The location of V8's out-of-memory could not be read.
    LocationUnreadable = 6,
    /// The map of targets or of followed processes was full: a new process is not watched.
    TargetsFull = 7,
    /// The ring buffer was full for an exec, an exit or an OOM kill.
    ProcessRingFull = 8,
    /// What the isolate holds outside of its heap could not be read: a page was not resident.
    OutsideUnreadable = 9,
    /// The ring buffer or the map of stacks was full: what a sample stands for is not counted.
    StacksFull = 10,
    /// A walk of a stack got in the way of another on the same CPU: its sample is not counted.
    StackDisturbed = 11,
    /// The outer end of a stack could not be read: the sample is counted, with the frames inside of it.
    StackUnreadable = 12,
    /// The map of outstanding blocks was full: a block is not followed.
    BlocksFull = 13,
    /// The map of call sites was full: a block is not counted.
    CallSitesFull = 14,
    /// The ring buffer of sampled blocks was full.
    SamplesFull = 15,
    /// The map of threads inside of the allocator was full: a block is not followed.
    InFlightFull = 16,
    /// The header or the stack of a block could not be read.
    BlockUnreadable = 17,
    /// A change of a process's mappings was not seen: the ring buffer was full, or there are more than are kept.
    MappingsFull = 18,
    /// Native code that generated code called without an exit frame, and it is not known from where: the sample has no caller.
    NoExitFrame = 19,
    /// The same, but V8 notes from where: the sample has its caller. Counted by the collector.
    DirectCall = 20,
}

impl LossReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 21] = [
        Self::RingFull,
        Self::ThreadsFull,
        Self::EndWithoutStart,
        Self::StartWithoutEnd,
        Self::NoCollector,
        Self::LimitUnreadable,
        Self::LocationUnreadable,
        Self::TargetsFull,
        Self::ProcessRingFull,
        Self::OutsideUnreadable,
        Self::StacksFull,
        Self::StackDisturbed,
        Self::StackUnreadable,
        Self::BlocksFull,
        Self::CallSitesFull,
        Self::SamplesFull,
        Self::InFlightFull,
        Self::BlockUnreadable,
        Self::MappingsFull,
        Self::NoExitFrame,
        Self::DirectCall,
    ];

    /// The reason's name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring-full",
            Self::ThreadsFull => "threads-full",
            Self::EndWithoutStart => "end-without-start",
            Self::StartWithoutEnd => "start-without-end",
            Self::NoCollector => "no-collector",
            Self::LimitUnreadable => "limit-unreadable",
            Self::LocationUnreadable => "location-unreadable",
            Self::TargetsFull => "targets-full",
            Self::ProcessRingFull => "process-ring-full",
            Self::OutsideUnreadable => "outside-unreadable",
            Self::StacksFull => "stacks-full",
            Self::StackDisturbed => "stack-disturbed",
            Self::StackUnreadable => "stack-unreadable",
            Self::BlocksFull => "blocks-full",
            Self::CallSitesFull => "call-sites-full",
            Self::SamplesFull => "samples-full",
            Self::InFlightFull => "in-flight-full",
            Self::BlockUnreadable => "block-unreadable",
            Self::MappingsFull => "mappings-full",
            Self::NoExitFrame => "no-exit-frame",
            Self::DirectCall => "direct-call",
        }
    }

    /// What the loss means for a reader of the report.
    #[must_use]
    pub const fn class(self) -> LossClass {
        match self {
            Self::RingFull
            | Self::ThreadsFull
            | Self::TargetsFull
            | Self::ProcessRingFull
            | Self::StacksFull
            | Self::StackDisturbed
            | Self::BlocksFull
            | Self::CallSitesFull
            | Self::SamplesFull
            | Self::InFlightFull
            | Self::MappingsFull => LossClass::Lost,
            Self::EndWithoutStart | Self::StartWithoutEnd | Self::NoCollector => LossClass::Unmatched,
            Self::LimitUnreadable
            | Self::LocationUnreadable
            | Self::OutsideUnreadable
            | Self::StackUnreadable
            | Self::BlockUnreadable
            | Self::NoExitFrame => LossClass::Malformed,
            Self::DirectCall => LossClass::Mended,
        }
    }
}

/// What a loss means: see GLOSSARY.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossClass {
    /// It happened and is not in the report.
    Lost,
    /// Half of a pair, dropped on purpose.
    Unmatched,
    /// It is in the report, without a value that could not be read.
    Malformed,
    /// It would be without a value, which was found another way: nothing is missing.
    Mended,
}
