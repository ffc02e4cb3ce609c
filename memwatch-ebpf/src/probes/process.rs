//! Life of processes: exec, fork, exit, and the kernel's OOM killer. Raw tracepoints.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};
use memwatch_common::{
    event::{EventKind, ProcessEvent},
    loss::LossReason,
    target::{NO_OFFSET, Target, UNCLAIMED},
};

use crate::{
    emit, losses,
    maps::{FOLLOWED, TARGETS, TASK_LAYOUT},
    raw, scope, threads,
};

/// A process has executed a program: it is a new target, or no longer the one it was.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(_: RawTracePointContext) -> i32 {
    let thread = raw::current();
    let followed = scope::is_followed(thread);
    if !followed && !scope::is_target(thread) {
        return 0;
    }
    // A target at once, so that not even its first collection is missed; the collector looks at it and may drop it.
    let target = Target { attachment: UNCLAIMED };
    if followed && TARGETS.insert(thread.tgid(), target, 0).is_err() {
        losses::count_shared(LossReason::TargetsFull);
    }
    threads::forget(thread);
    emit::process_event(ProcessEvent { header: emit::header(EventKind::Exec), ..ProcessEvent::default() });
    0
}

/// A followed process has forked: its child is followed too. A new thread has its parent's tgid and is no child.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
fn process_fork(ctx: RawTracePointContext) -> i32 {
    let parent = raw::current().tgid();
    if !raw::has(&FOLLOWED, parent) {
        return 0;
    }
    let child: u64 = ctx.arg(1);
    match task_field(child, TASK_LAYOUT.load().tgid) {
        Some(tgid) if tgid != parent && FOLLOWED.insert(tgid, 0, 0).is_err() => {
            losses::count_shared(LossReason::TargetsFull);
        }
        _ => {}
    }
    0
}

/// A thread ends. With the main thread the process has ended, or is about to.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn process_exit(_: RawTracePointContext) -> i32 {
    let thread = raw::current();
    let tgid = thread.tgid();
    if thread.tid() == tgid {
        raw::remove(&FOLLOWED, tgid);
    }
    if !scope::is_target(thread) {
        return 0;
    }
    threads::forget(thread);
    if thread.tid() == tgid {
        let code = task_field(raw::current_task(), TASK_LAYOUT.load().exit_code);
        emit::process_event(ProcessEvent {
            header: emit::header(EventKind::Exit),
            code: code.unwrap_or(0),
            code_known: u32::from(code.is_some()),
        });
        // Also if the collector never hears of it: the map must not fill up with the dead.
        raw::remove(&TARGETS, tgid);
    }
    0
}

/// The kernel's OOM killer has chosen a process. The argument is its pid up to kernel 6.7 and its `task_struct` since
/// (include/trace/events/oom.h); an address never fits in 32 bits.
#[raw_tracepoint(tracepoint = "mark_victim")]
fn oom_victim(ctx: RawTracePointContext) -> i32 {
    let victim: u64 = ctx.arg(0);
    let tgid = match u32::try_from(victim) {
        Ok(pid) => Some(pid),
        Err(_) => task_field(victim, TASK_LAYOUT.load().tgid),
    };
    let Some(tgid) = tgid else { return 0 };
    if raw::has(&TARGETS, tgid) {
        let mut header = emit::header(EventKind::OomKill);
        header.tgid = tgid;
        header.tid = tgid;
        emit::process_event(ProcessEvent { header, ..ProcessEvent::default() });
    }
    0
}

#[inline(always)]
fn task_field(task: u64, offset: u32) -> Option<u32> {
    if offset == NO_OFFSET { None } else { raw::read_kernel_u32(task + u64::from(offset)) }
}
