//! Why something that happened was not reported: a counter for each process and reason.

/// Key of the map of losses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LossKey {
    /// The process whose record is lost.
    pub tgid: u32,
    /// A [`LossReason`].
    pub reason: u32,
}
const _: () = assert!(size_of::<LossKey>() == 8);

/// Pairs of process and reason that are counted apart; what comes beyond is counted by reason only, and held against every
/// target. Each has a counter a CPU: half a megabyte of the kernel's memory with four CPUs.
pub const MAX_LOSSES: u32 = 4096;

/// Why something is not in the report, or not whole.
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
    /// The map of samplers was full: what a thread allocates is not sampled.
    SamplersFull = 21,
    /// The collector could not decode a record of a heap or a process.
    EventMalformed = 22,
    /// The collector could not decode a stack of JavaScript.
    StackMalformed = 23,
    /// The collector could not decode a sampled block.
    BlockMalformed = 24,
    /// The collector could not decode a change of mappings.
    MappingMalformed = 25,
    /// A process has more call sites of native memory than the collector keeps apart: a sample is not counted.
    SitesFull = 26,
    /// So much happened to a process while the collector found out what it is that some of it was dropped.
    ExaminedTooLong = 27,
    /// The collector failed in reading a process from outside.
    ScrapeFailed = 28,
    /// There was no room for an object that was to be followed: what is alive by place is too little by it.
    SurvivorsFull = 29,
    /// What became of an object that was followed could not be read, or was not looked at in time: the same.
    SurvivorLost = 30,
}

impl LossReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; Self::COUNT as usize] = [
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
        Self::SamplersFull,
        Self::EventMalformed,
        Self::StackMalformed,
        Self::BlockMalformed,
        Self::MappingMalformed,
        Self::SitesFull,
        Self::ExaminedTooLong,
        Self::ScrapeFailed,
        Self::SurvivorsFull,
        Self::SurvivorLost,
    ];

    /// How many there are.
    pub const COUNT: u32 = Self::SurvivorLost as u32 + 1;

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
            Self::SamplersFull => "samplers-full",
            Self::EventMalformed => "not-understood",
            Self::StackMalformed => "stack-not-understood",
            Self::BlockMalformed => "block-not-understood",
            Self::MappingMalformed => "mapping-not-understood",
            Self::SitesFull => "sites-full",
            Self::ExaminedTooLong => "examined-too-long",
            Self::ScrapeFailed => "scrape-failed",
            Self::SurvivorsFull => "survivors-full",
            Self::SurvivorLost => "survivor-lost",
        }
    }

    /// Whether it may have cost a collection its place in the report: verdicts on heaps rest on those.
    #[must_use]
    pub const fn may_be_a_collection(self) -> bool {
        matches!(self, Self::RingFull | Self::ThreadsFull | Self::EventMalformed | Self::ExaminedTooLong)
    }

    /// The reason with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
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
            | Self::MappingsFull
            | Self::SamplersFull
            | Self::SitesFull
            | Self::ExaminedTooLong
            | Self::ScrapeFailed
            | Self::SurvivorsFull
            | Self::SurvivorLost => LossClass::Lost,
            Self::EndWithoutStart | Self::StartWithoutEnd | Self::NoCollector => LossClass::Unmatched,
            Self::LimitUnreadable
            | Self::LocationUnreadable
            | Self::OutsideUnreadable
            | Self::StackUnreadable
            | Self::BlockUnreadable
            | Self::NoExitFrame
            | Self::EventMalformed
            | Self::StackMalformed
            | Self::BlockMalformed
            | Self::MappingMalformed => LossClass::Malformed,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_number_and_has_a_name_of_its_own() {
        for (number, reason) in (0..).zip(LossReason::ALL) {
            assert_eq!((reason as u32, LossReason::of(number)), (number, Some(reason)));
            assert_eq!(LossReason::ALL.iter().filter(|other| other.name() == reason.name()).count(), 1);
        }
        assert_eq!(LossReason::of(LossReason::COUNT), None);
    }
}
