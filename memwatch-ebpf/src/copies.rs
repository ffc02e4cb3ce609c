//! Copies of a thread's stack of native code, with the stack of JavaScript that called: the collector unwinds them.

use memwatch_common::{
    loss::LossReason,
    stack::{StackKey, StackVolume, stack_end},
};

use crate::{
    losses,
    maps::{EVENTS, STACK_LAYOUTS},
    raw::{self, Registers},
    walk,
};

/// Sends a record that is `head` and a copy of the running thread's stack; `full` is what is lost without. `bytes` were asked
/// for.
#[inline(always)]
pub(crate) fn send<T: 'static, const HEAD: usize>(
    head: [u64; HEAD],
    bytes: u64,
    registers: Registers,
    full: LossReason,
) {
    // Before the record: the collector has names for the caller by the time it learns of the call.
    let (caller, exit_fp) = caller(bytes, registers.sp).unwrap_or_default();
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        losses::count(full);
        return;
    };
    let (Registers { ip, sp, bp, .. }, StackKey { thread, hash }) = (registers, caller);
    if !raw::fill(&mut entry, head, [ip, sp, bp, thread, hash, exit_fp]) {
        losses::count(LossReason::BlockUnreadable);
    }
    entry.submit(0);
}

/// The stack of JavaScript that the running thread is in, and where that begins; `None` if there is none.
#[inline(always)]
fn caller(bytes: u64, sp: u64) -> Option<(StackKey, u64)> {
    let thread = raw::current();
    let layout = raw::written_by_collector(&STACK_LAYOUTS, thread.tgid())?;
    let stack = walk::walk(thread, sp, layout)?;
    walk::count(thread, layout, stack, StackVolume::sample(bytes));
    if stack.end == stack_end::NOWHERE {
        losses::count(LossReason::NoExitFrame);
    }
    let distance = stack.exit_fp.wrapping_sub(sp);
    (distance < walk::FARTHEST_FRAME).then_some((stack.key, stack.exit_fp))
}
