//! `aya::Pod`: the collector may put these types into maps and globals, and read them from bytes.

use crate::{
    event::{EventHeader, GcEvent, HeapEvent, ProcessEvent, V8OutOfMemoryEvent},
    loss::LossKey,
    mapping::{MappingChange, MappingSample},
    native::{Block, BlockSample, CallSite, Request, TrapClock, Window},
    stack::{StackCounts, StackEvent, StackKey, StackLayout, StackVolume},
    survivors::{Followed, PageLayout, Slot, SlotKey},
    target::{HeapLayout, Target, TaskLayout},
};

macro_rules! pod {
    ($($type:ty),+ $(,)?) => {
        // SAFETY: `repr(C)`, integers only, no padding (the sizes are asserted beside the types): every bit pattern is
        // a value.
        $(unsafe impl aya::Pod for $type {})+
    };
}

pod!(Block, BlockSample, CallSite, Request, TrapClock, Window, MappingChange, MappingSample);
pod!(EventHeader, GcEvent, HeapEvent, ProcessEvent, V8OutOfMemoryEvent, HeapLayout, Target, TaskLayout);
pod!(Followed, PageLayout, Slot, SlotKey);
pod!(LossKey, StackCounts, StackEvent, StackKey, StackLayout, StackVolume);
