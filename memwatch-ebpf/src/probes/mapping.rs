//! Memory that a process takes from the kernel itself: `mmap`, `munmap`, `mremap`. Two sets of programs for it: at the entry
//! and the return of the kernel's own functions, for all processes (whoever is no target pays for a look into a map, and only
//! when it maps); and in the C library's, in targets only, where the kernel lets nobody at its functions.
//!
//! What a call takes away counts from its entry and what it gives from its return: in between the kernel may give what was
//! taken to another thread, whose call can return first.

use aya_ebpf::{
    macros::{fentry, fexit, uprobe},
    programs::{FEntryContext, FExitContext, ProbeContext},
};
use memwatch_common::{
    loss::LossReason,
    mapping::{MappingChange, MappingSample, mapping_kind},
};

use crate::{
    copies, losses,
    maps::{EVENTS, UNMAPPING},
    raw::{self, SystemCall, Thread},
    scope,
};

/// Flags of `mmap`, linux/mman.h. Huge pages are from a pool of their own and are not resident memory of the process; a stack
/// is told by its thread.
const MAP_PRIVATE: u64 = 0x02;
const MAP_TYPE: u64 = 0x0f;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_STACK: u64 = 0x2_0000;
const MAP_HUGETLB: u64 = 0x4_0000;
/// Those that matter, and what they are for memory that is followed.
const KIND: u64 = MAP_TYPE | MAP_ANONYMOUS | MAP_STACK | MAP_HUGETLB;
const FOLLOWED: u64 = MAP_PRIVATE | MAP_ANONYMOUS;
/// A flag of `mremap`: the old place stays mapped.
const MREMAP_DONTUNMAP: u64 = 4;
/// Errors are the negative numbers down to this.
const MAX_ERRNO: u64 = 4095;

/// Entry of the kernel's `munmap(address, length)`.
#[fentry]
fn munmap_enter(_: FEntryContext) -> i32 {
    enter();
    0
}

/// Entry of the kernel's `mremap(address, length, new length, flags, new address)`.
#[fentry]
fn mremap_enter(_: FEntryContext) -> i32 {
    enter();
    0
}

/// Return of the kernel's `mmap(address, length, protection, flags, file, offset)`.
#[fexit]
fn mmap_exit(ctx: FExitContext) -> i32 {
    mapped(|| raw::system_call(&ctx), raw::returned(&ctx));
    0
}

/// Return of the kernel's `munmap`.
#[fexit]
fn munmap_exit(ctx: FExitContext) -> i32 {
    unmapped(|| raw::system_call(&ctx), raw::returned(&ctx));
    0
}

/// Return of the kernel's `mremap`.
#[fexit]
fn mremap_exit(ctx: FExitContext) -> i32 {
    remapped(|| raw::system_call(&ctx), raw::returned(&ctx));
    0
}

/// Entry of the C library's `munmap` or `mremap`.
#[uprobe]
fn unmap_before(_: ProbeContext) -> u32 {
    enter();
    0
}

/// Behind the system call in the C library's `mmap`: its arguments are where they were, and its result beside them.
#[uprobe]
fn mmap_after(ctx: ProbeContext) -> u32 {
    mapped(|| raw::made_call(&ctx), raw::registers(&ctx).result);
    0
}

/// Likewise in its `munmap`.
#[uprobe]
fn munmap_after(ctx: ProbeContext) -> u32 {
    unmapped(|| raw::made_call(&ctx), raw::registers(&ctx).result);
    0
}

/// Likewise in its `mremap`.
#[uprobe]
fn mremap_after(ctx: ProbeContext) -> u32 {
    remapped(|| raw::made_call(&ctx), raw::registers(&ctx).result);
    0
}

/// `mmap` has returned.
#[inline(always)]
fn mapped(call: impl FnOnce() -> SystemCall, address: u64) {
    let thread = raw::current();
    if !scope::is_target(thread) || is_error(address) {
        return;
    }
    let call = call();
    let [_, length, _, flags] = call.arguments;
    let now = raw::now_ns();
    let change = MappingChange {
        kind: mapping_kind::TAKEN,
        tgid: thread.tgid(),
        entered_ns: now,
        returned_ns: now,
        address,
        length,
        ..MappingChange::default()
    };
    if flags & KIND == FOLLOWED {
        send_sample(&change, &call);
    } else if flags & MAP_FIXED != 0 {
        // Elsewhere the kernel takes free addresses, where nothing is to be forgotten.
        send(&MappingChange { kind: mapping_kind::COVERED, ..change });
    }
}

/// `munmap` has returned.
#[inline(always)]
fn unmapped(call: impl FnOnce() -> SystemCall, result: u64) {
    let thread = raw::current();
    let Some([entered_ns, returned_ns]) = leave(thread) else { return };
    if result == 0 {
        let [address, length, ..] = call().arguments;
        send(&MappingChange {
            kind: mapping_kind::GIVEN_BACK,
            tgid: thread.tgid(),
            entered_ns,
            returned_ns,
            address,
            length,
            ..MappingChange::default()
        });
    }
}

/// `mremap` has returned.
#[inline(always)]
fn remapped(call: impl FnOnce() -> SystemCall, address: u64) {
    let thread = raw::current();
    let Some([entered_ns, returned_ns]) = leave(thread) else { return };
    if is_error(address) {
        return;
    }
    let call = call();
    let [old_address, old_length, length, flags] = call.arguments;
    let kind = match flags & MREMAP_DONTUNMAP {
        0 => mapping_kind::REMAPPED,
        _ => mapping_kind::LEFT_BEHIND,
    };
    let tgid = thread.tgid();
    let change =
        MappingChange { kind, tgid, entered_ns, returned_ns, address, length, old_address, old_length };
    send_sample(&change, &call);
}

/// A call that takes mappings away begins.
#[inline(always)]
fn enter() {
    let thread = raw::current();
    if scope::is_target(thread) {
        let _full = UNMAPPING.insert(thread, raw::now_ns(), 0);
    }
}

/// It ends: when it was entered, and now. `None` if it is nobody's that is followed.
#[inline(always)]
fn leave(thread: Thread) -> Option<[u64; 2]> {
    if !scope::is_target(thread) {
        return None;
    }
    let now = raw::now_ns();
    let entered = raw::own(&UNMAPPING, thread).map_or(now, |entered| *entered);
    raw::remove(&UNMAPPING, thread);
    Some([entered, now])
}

#[inline(always)]
fn is_error(result: u64) -> bool {
    result > u64::MAX - MAX_ERRNO
}

#[inline(always)]
fn send(change: &MappingChange) {
    if raw::send(&EVENTS, change).is_err() {
        losses::count(LossReason::MappingsFull);
    }
}

#[inline(always)]
fn send_sample(change: &MappingChange, call: &SystemCall) {
    copies::send::<MappingSample, 7>(change.words(), change.length, call.registers, LossReason::MappingsFull);
}
