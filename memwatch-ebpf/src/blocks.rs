//! The books of an allocator: which blocks are outstanding, and what each call site has taken and given back.
//!
//! Aggregated here, in place: in a busy server's million allocations a second nothing is sent for a block that is merely
//! followed.

use aya_ebpf::EbpfContext;
use memwatch_common::{
    loss::LossReason,
    native::{Block, BlockSample, CallSite, GAP_SHIFT, GAP_STEPS, NO_SIZE, NativeCount, Spot, Window},
};

use crate::{
    copies, losses,
    maps::{BLOCKS, CALL_SITES, HAS_CHUNKS, IN_FLIGHT, NATIVE_COUNTS, TRAP_CLOCK, WINDOW, WRAPPERS},
    raw::{self, Registers},
};

/// Flags in the size word of glibc's header, `malloc/malloc.c`: previous in use, mmapped, not of the main arena.
const CHUNK_FLAGS: u64 = 7;
/// `IS_MMAPPED`.
const CHUNK_IS_MMAPPED: u64 = 2;
/// `BPF_NOEXIST`.
const NO_EXIST: u64 = 1;
/// `operator new[]` calls `operator new`, which calls `malloc`.
const MOST_WRAPPERS: u32 = 2;

/// A block that was just handed out.
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    pub(crate) address: u64,
    pub(crate) block: Block,
    pub(crate) registers: Registers,
}

/// Counts something.
#[inline(always)]
pub(crate) fn count(what: NativeCount) {
    raw::increment(&NATIVE_COUNTS, what as u32);
}

/// Counts a trap, and the time since the thread's last one if nothing else came between.
#[inline(always)]
pub(crate) fn trap() {
    count(NativeCount::Traps);
    let Some(clock) = raw::cpu_element(&TRAP_CLOCK, 0) else { return };
    let (thread, now) = (raw::current().word(), raw::now_ns());
    if clock.thread == thread {
        let step = now.wrapping_sub(clock.time_ns) >> GAP_SHIFT;
        if let Some(gaps) = clock.gaps.get_mut(step.min(GAP_STEPS as u64 - 1) as usize) {
            *gaps += 1;
        }
    }
    clock.thread = thread;
    clock.time_ns = now;
}

/// The block that a probe inside of an allocating function finds where its cookie says; `None` on failure.
#[inline(always)]
pub(crate) fn at_point<C: EbpfContext>(ctx: &C) -> Option<Fresh> {
    let registers = raw::registers(ctx);
    let place = Spot::of(raw::attach_cookie(ctx));
    let address = match place.result {
        Some(at) => raw::register(ctx, at)?,
        None => registers.result,
    };
    let size = match place.asked {
        Some(at) => raw::register(ctx, at),
        None => size(address),
    };
    let slot = registers.sp + u64::from(place.frame) - 8;
    let Some(caller) = raw::read_user(slot) else {
        losses::count(LossReason::BlockUnreadable);
        return None;
    };
    fresh(address, size, registers, slot, caller)
}

/// The block that an allocating function returned; `None` on failure.
#[inline(always)]
pub(crate) fn at_return<C: EbpfContext>(ctx: &C) -> Option<Fresh> {
    let registers = raw::registers(ctx);
    of_caller(registers.result, registers)
}

/// The block at `address` that was handed out by the function that has just returned.
#[inline(always)]
pub(crate) fn of_caller(address: u64, registers: Registers) -> Option<Fresh> {
    fresh(address, size(address), registers, registers.sp - 8, registers.ip)
}

#[inline(always)]
fn fresh(address: u64, size: Option<u64>, registers: Registers, slot: u64, caller: u64) -> Option<Fresh> {
    if address == 0 {
        return None;
    }
    let call_site = beyond_wrappers(slot, caller)?;
    let Some(size) = size else {
        losses::count(LossReason::BlockUnreadable);
        return None;
    };
    Some(Fresh { address, block: Block { size, call_site }, registers })
}

/// Usable bytes by the header before the block, else what the thread has asked for.
#[inline(always)]
fn size(address: u64) -> Option<u64> {
    if HAS_CHUNKS.load() == 0 {
        return raw::own(&IN_FLIGHT, raw::current()).map(|request| request.size);
    }
    let word = raw::read_user(address.wrapping_sub(8))?;
    let overhead = if word & CHUNK_IS_MMAPPED == 0 { 8 } else { 16 };
    Some((word & !CHUNK_FLAGS).wrapping_sub(overhead))
}

/// The return address, at `slot` of the stack, of whoever allocates on behalf of nobody else; `None` if the block is seen
/// elsewhere.
#[inline(always)]
fn beyond_wrappers(mut slot: u64, mut caller: u64) -> Option<u64> {
    for _ in 0..MOST_WRAPPERS {
        let Some(frame) = raw::shared(&WRAPPERS, caller).map(raw::Shared::get) else { break };
        if frame == 0 {
            return None;
        }
        slot += frame;
        let Some(next) = raw::read_user(slot) else { break };
        caller = next;
    }
    Some(caller)
}

/// Counts a block, and samples it if its turn has come. Outside of a window it does neither.
#[inline(always)]
pub(crate) fn sample(fresh: &Fresh) {
    let Some(window) = raw::element(&WINDOW, 0).filter(|window| *window != Window::CLOSED) else { return };
    let Some(site) = call_site(fresh.block.call_site) else { return };
    if site.window > window.serial() {
        // The kernel has preempted this program since before a window that others have seen opened.
        return;
    }
    if site.window < window.serial() {
        let CallSite { window: before, allocated_blocks, mut strides, .. } = *site;
        strides.begin(window.serial(), window.samples(), before, allocated_blocks, raw::random());
        *site = CallSite { window: window.serial(), strides, ..CallSite::default() };
    }
    site.allocated_blocks += 1;
    site.allocated_bytes = site.allocated_bytes.wrapping_add(fresh.block.size);
    // A sampled block that is handed out again was freed. Afterwards nobody could tell: whoever has it now may keep it.
    if let Some(taken) = raw::shared(&BLOCKS, fresh.address) {
        taken.set(Block { size: NO_SIZE, ..taken.get() });
    }
    if let Some(stands_for) = site.strides.pass(window.samples(), site.taken, raw::random) {
        site.taken += 1;
        send(fresh, window, stands_for);
        let taken = Block { size: fresh.block.size, call_site: window.serial() };
        if BLOCKS.insert(fresh.address, taken, 0).is_err() {
            losses::count(LossReason::BlocksFull);
        }
    }
}

/// Samples a followed block for the sake of its stack, if it is its call site's turn.
#[inline(always)]
pub(crate) fn sample_stack(fresh: &Fresh) {
    if let Some(window) = raw::element(&WINDOW, 0)
        && let Some(site) = raw::cpu_value(&CALL_SITES, fresh.block.call_site)
    {
        if site.window != window.serial() {
            site.window = window.serial();
            site.strides.begin(window.serial(), window.samples(), 0, 0, raw::random());
        }
        if let Some(stands_for) = site.strides.pass(window.samples(), site.taken, raw::random) {
            site.taken += 1;
            send(fresh, window, stands_for);
        }
    }
}

/// Sends a block that stands for so many.
#[inline(always)]
fn send(fresh: &Fresh, window: Window, stands_for: u64) {
    let Fresh { address, block, registers } = *fresh;
    let head = [raw::now_ns(), address, block.size, block.call_site, window.serial(), stands_for];
    copies::send::<BlockSample, 6>(head, block.size, registers, LossReason::SamplesFull);
}

/// A block is outstanding from now on. One that was so already has been freed unseen.
#[inline(always)]
pub(crate) fn follow(address: u64, block: Block) {
    if remove(address).is_some() {
        count(NativeCount::Replaced);
    }
    let Some(site) = call_site(block.call_site) else { return };
    if BLOCKS.insert(address, block, 0).is_err() {
        losses::count(LossReason::BlocksFull);
        return;
    }
    site.allocated_blocks += 1;
    site.allocated_bytes = site.allocated_bytes.wrapping_add(block.size);
}

/// A block is no longer outstanding; `None` if it was not followed.
#[inline(always)]
pub(crate) fn remove(address: u64) -> Option<Block> {
    let block = raw::shared(&BLOCKS, address)?.get();
    raw::remove(&BLOCKS, address);
    give_back(block, 1, block.size);
    Some(block)
}

/// A block that was taken for freed is still there.
#[inline(always)]
pub(crate) fn restore(address: u64, block: Block) {
    if BLOCKS.insert(address, block, 0).is_err() {
        losses::count(LossReason::BlocksFull);
        return;
    }
    give_back(block, 1_u64.wrapping_neg(), block.size.wrapping_neg());
}

#[inline(always)]
fn give_back(block: Block, blocks: u64, bytes: u64) {
    if let Some(site) = raw::cpu_value(&CALL_SITES, block.call_site) {
        site.freed_blocks = site.freed_blocks.wrapping_add(blocks);
        site.freed_bytes = site.freed_bytes.wrapping_add(bytes);
    }
}

/// The books of a call site, made if there are none.
#[inline(always)]
fn call_site(key: u64) -> Option<&'static mut CallSite> {
    if let Some(site) = raw::cpu_value(&CALL_SITES, key) {
        return Some(site);
    }
    // Another thread may have made it meanwhile: its counts stay.
    let _there = CALL_SITES.insert(key, CallSite::default(), NO_EXIST);
    let site = raw::cpu_value(&CALL_SITES, key);
    if site.is_none() {
        losses::count(LossReason::CallSitesFull);
    }
    site
}
