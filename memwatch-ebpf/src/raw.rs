//! The only module with unsafe code: helper calls and raw pointers behind safe functions.
#![expect(unsafe_code, reason = "helpers and map values are raw pointers; each block says why it holds")]

use core::{mem::MaybeUninit, ptr::NonNull};

use aya_ebpf::{
    EbpfContext,
    bindings::bpf_user_pt_regs_t,
    helpers::{
        bpf_get_attach_cookie, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_prandom_u32,
        bpf_ktime_get_ns, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_buf,
        bpf_probe_read_user_str_bytes,
    },
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, ProgramArray, RingBuf},
};
use memwatch_common::{
    collection::ThreadState,
    mapping::MappingChange,
    native::{Block, CallSite, Request, STACK_BYTES, StackCopy, TrapClock, Window},
    stack::{Sampler, StackCounts, StackEvent, StackLayout, StackVolume},
    survivors::{Followed, List, PageLayout, Slot, SlotKey},
    target::Target,
};

use crate::frames::{RawFrame, SharedFields};

/// The kernel refuses programs without a licence that allows its GPL helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Programs must not panic; the verifier would reject one that can reach this.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Types of which any bytes are a value: they may be read from memory that others write.
///
/// # Safety
/// `repr(C)` or a primitive, of integers only.
pub(crate) unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($type:ty),+ $(,)?) => {
        // SAFETY: integers, and structs and arrays of them (`repr(C)` where they are defined).
        $(unsafe impl Plain for $type {})+
    };
}

plain!(u16, u32, u64, [u64; 2], Target, ThreadState, Block, CallSite, Request, TrapClock, MappingChange);
plain!(Followed, PageLayout, Slot);
plain!(Window, RawFrame, SharedFields, Sampler, StackCounts, StackEvent, StackLayout, StackVolume);

/// The running thread. Only [`current`] makes one, so that what is kept under it is the running program's own.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thread(u64);

impl Thread {
    /// tgid in the upper half, pid in the lower.
    #[inline(always)]
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// Its process, the kernel's tgid.
    #[inline(always)]
    pub(crate) fn tgid(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The kernel's pid.
    #[inline(always)]
    pub(crate) fn tid(self) -> u32 {
        self.0 as u32
    }
}

/// A place for an object of the running thread's isolate.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct OwnSlot(SlotKey);

impl OwnSlot {
    #[inline(always)]
    pub(crate) fn new(thread: Thread, list: List, index: u32) -> Self {
        Self(SlotKey::new(thread.0, list, index))
    }
}

/// Keys that are the running thread's own.
///
/// # Safety
/// There is no way to make one but from the running [`Thread`].
pub(crate) unsafe trait OfThread {}

// SAFETY: `current` is the only way to make one.
unsafe impl OfThread for Thread {}
// SAFETY: `new` is the only way to make one, and takes a thread.
unsafe impl OfThread for OwnSlot {}

/// The running thread.
#[inline(always)]
pub(crate) fn current() -> Thread {
    Thread(bpf_get_current_pid_tgid())
}

/// `CLOCK_MONOTONIC`, nanoseconds.
#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: the helper takes no argument and has no precondition.
    unsafe { bpf_ktime_get_ns() }
}

/// The cookie of the attachment whose probe was hit. Exists from kernel 5.15: call only behind `HAS_COOKIES`, so that
/// older verifiers prune the call.
#[inline(always)]
pub(crate) fn attach_cookie<C: EbpfContext>(ctx: &C) -> u64 {
    // SAFETY: the context is the one the program was called with.
    unsafe { bpf_get_attach_cookie(ctx.as_ptr()) }
}

/// The running thread's `task_struct`, as an address.
#[inline(always)]
pub(crate) fn current_task() -> u64 {
    // SAFETY: the helper takes no argument and has no precondition.
    unsafe { bpf_get_current_task() }
}

/// Reads a word of the target's memory.
#[inline(always)]
pub(crate) fn read_user(addr: u64) -> Option<u64> {
    // SAFETY: the helper checks the address itself and fails on a bad one.
    unsafe { bpf_probe_read_user(addr as *const u64) }.ok()
}

/// Reads a value of the target's memory.
#[inline(always)]
pub(crate) fn read_user_value<T: Plain>(addr: u64) -> Option<T> {
    // SAFETY: the helper checks the address itself and fails on a bad one; any bytes are a value of a `Plain` type.
    unsafe { bpf_probe_read_user(addr as *const T) }.ok()
}

/// A random number.
#[inline(always)]
pub(crate) fn random() -> u32 {
    // SAFETY: the helper takes no argument and has no precondition.
    unsafe { bpf_get_prandom_u32() }
}

/// Reads a word of the kernel's memory.
#[inline(always)]
pub(crate) fn read_kernel(addr: u64) -> Option<u64> {
    // SAFETY: the helper checks the address itself and fails on a bad one.
    unsafe { bpf_probe_read_kernel(addr as *const u64) }.ok()
}

/// Reads half a word of the kernel's memory.
#[inline(always)]
pub(crate) fn read_kernel_u32(addr: u64) -> Option<u32> {
    // SAFETY: the helper checks the address itself and fails on a bad one.
    unsafe { bpf_probe_read_kernel(addr as *const u32) }.ok()
}

/// Copies a C string of the target, cut to `to`'s length. `false` if it could not be read.
#[inline(always)]
pub(crate) fn read_user_str(addr: u64, to: &mut [u8]) -> bool {
    // SAFETY: the helper checks the address itself and writes at most `to.len()` bytes.
    unsafe { bpf_probe_read_user_str_bytes(addr as *const u8, to) }.is_ok()
}

/// Goes on with the program at `index`, and does not come back; if there is none, it does nothing.
#[inline(always)]
pub(crate) fn go_on_with<C: EbpfContext>(programs: &ProgramArray, ctx: &C, index: u32) {
    // SAFETY: the context is the one the program was called with, and nothing that has to be given back is held here: no
    // program reserves a record across a call.
    unsafe { programs.tail_call(ctx, index) };
}

/// What the running thread has in `map`, to be changed in place.
#[inline(always)]
pub(crate) fn own<K: OfThread, V: Plain>(map: &HashMap<K, V>, key: K) -> Option<&'static mut V> {
    let value = map.get_ptr_mut(key)?;
    // SAFETY: the map returned it for this key, and its memory stays mapped until the program ends. Nobody else has it: the
    // key is the running thread's (`OfThread`), programs on one thread follow each other, only they insert their own keys, and
    // the collector only ever looks, and removes keys of threads whose isolate is gone; whatever is written to one then is a
    // value of another key, which is wrong by one object. A program holds two of them only of different keys.
    Some(unsafe { &mut *value })
}

/// A value that other CPUs or the collector may write meanwhile: it is read and written as a whole, never borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Shared<V>(NonNull<V>);

impl<V: Plain> Shared<V> {
    /// As it is now. Of more than a word it may be half of what somebody is writing, which is a value as well.
    #[inline(always)]
    pub(crate) fn get(self) -> V {
        // SAFETY: `shared` got it from a map: it is aligned and its memory stays mapped until the program ends, whoever has
        // removed the key meanwhile. Volatile, as others write to it; any bytes are a value of a `Plain` type.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// Makes it `value`. What another CPU wrote since [`Self::get`] is lost; and if the key was removed meanwhile it may be
    /// another key's memory by now: the values that are kept this way can be wrong by one count.
    #[inline(always)]
    pub(crate) fn set(self, value: V) {
        // SAFETY: as in `get`.
        unsafe { self.0.as_ptr().write_volatile(value) }
    }
}

/// The value of `key`.
#[inline(always)]
pub(crate) fn shared<K, V: Plain>(map: &HashMap<K, V>, key: K) -> Option<Shared<V>> {
    NonNull::new(map.get_ptr_mut(key)?).map(Shared)
}

/// The value of `key` in a map that no program writes to.
#[inline(always)]
pub(crate) fn written_by_collector<K, V: Plain>(map: &HashMap<K, V>, key: K) -> Option<&'static V> {
    let value = map.get_ptr(key)?;
    // SAFETY: the map returned it for this key, and its memory stays mapped until the program ends. The collector never
    // changes a value in place: the kernel puts a new one beside it. Once the key is removed its memory may become another
    // key's, whose bytes are a value as well; what a program then does with a wrong layout is read the target's memory, whose
    // addresses the helpers check.
    Some(unsafe { &*value })
}

/// The element of an array as it is now: the collector writes it in place. It has to be a word, or half of it may be of before.
#[inline(always)]
pub(crate) fn element<T: Plain>(array: &Array<T>, index: u32) -> Option<T> {
    const { assert!(size_of::<T>() <= 8) };
    let element = NonNull::new(array.get_ptr_mut(index)?)?;
    Some(Shared(element).get())
}

/// Whether there is a value of `key`.
#[inline(always)]
pub(crate) fn has<K, V>(map: &HashMap<K, V>, key: K) -> bool {
    map.get_ptr(key).is_some()
}

/// Copies `value` into the ring buffer.
#[inline(always)]
pub(crate) fn send<T: Plain>(ring: &RingBuf, value: &T) -> Result<(), i32> {
    ring.output::<T>(value, 0)
}

/// Removes `key`. That it was not there is no error.
#[inline(always)]
pub(crate) fn remove<K, V>(map: &HashMap<K, V>, key: K) {
    let _absent = map.remove(key);
}

/// Adds one to this CPU's counter at `index`. The compiler for eBPF offers no atomic addition, hence a counter for each CPU;
/// where the kernel preempts a program another one on this CPU may count in between, and one of the two counts is lost.
#[inline(always)]
pub(crate) fn increment(counters: &PerCpuArray<u64>, index: u32) {
    if let Some(counter) = counters.get_ptr_mut(index).and_then(NonNull::new) {
        add(Shared(counter));
    }
}

/// Likewise to that of `key`; `false` if there is none.
#[inline(always)]
pub(crate) fn add_one<K>(counters: &PerCpuHashMap<K, u64>, key: K) -> bool {
    let counter = counters.get_ptr_mut(key).and_then(NonNull::new);
    counter.map(Shared).map(add).is_some()
}

#[inline(always)]
fn add(counter: Shared<u64>) {
    counter.set(counter.get() + 1);
}

/// The registers that matter where a probe was hit.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    /// The next instruction; behind a return probe the one that the function returned to.
    pub(crate) ip: u64,
    /// The stack pointer.
    pub(crate) sp: u64,
    /// The frame pointer.
    pub(crate) bp: u64,
    /// Where a function's result is.
    pub(crate) result: u64,
}

/// The registers of a context.
#[inline(always)]
pub(crate) fn registers<C: EbpfContext>(ctx: &C) -> Registers {
    // SAFETY: the context is the one the program was called with, and a uprobe's is the user's registers.
    of_machine(unsafe { &*ctx.as_ptr().cast::<bpf_user_pt_regs_t>() })
}

/// What a thread that is in a system call has asked for.
#[derive(Clone, Copy)]
pub(crate) struct SystemCall {
    /// Where it goes on.
    pub(crate) registers: Registers,
    /// The first four arguments.
    pub(crate) arguments: [u64; 4],
}

/// The call of the kernel's function for it, at its entry or return: the only argument of such functions is the user's
/// registers.
#[inline(always)]
pub(crate) fn system_call<C: EbpfContext>(ctx: &C) -> SystemCall {
    // SAFETY: the context of a program on a function is its arguments, a word each.
    let registers = unsafe { ctx.as_ptr().cast::<*const bpf_user_pt_regs_t>().read() };
    // SAFETY: the verifier knows the type that the kernel's function has for it, and makes reads of it safe.
    of_call(unsafe { &*registers })
}

/// The call that has just been made where a probe was hit: the kernel leaves its arguments in their registers.
#[inline(always)]
pub(crate) fn made_call<C: EbpfContext>(ctx: &C) -> SystemCall {
    // SAFETY: the context is the one the program was called with, and a uprobe's is the user's registers.
    of_call(unsafe { &*ctx.as_ptr().cast::<bpf_user_pt_regs_t>() })
}

/// What the kernel's function for a system call returned. Not aya's way to ask, whose helper exists from 5.17.
#[inline(always)]
pub(crate) fn returned<C: EbpfContext>(ctx: &C) -> u64 {
    // SAFETY: at the return of a function the context is its arguments, of which there is one, and then its result.
    let [_, result] = unsafe { ctx.as_ptr().cast::<[u64; 2]>().read() };
    result
}

/// The register at `place` of the kernel's `pt_regs`. Read as the kernel's memory, as a context is only read at places that
/// the verifier knows.
#[inline(always)]
pub(crate) fn register<C: EbpfContext>(ctx: &C, place: u8) -> Option<u64> {
    read_kernel(ctx.as_ptr() as u64 + u64::from(place))
}

#[cfg(not(bpf_target_arch = "aarch64"))]
#[inline(always)]
fn of_machine(regs: &bpf_user_pt_regs_t) -> Registers {
    Registers { ip: regs.rip, sp: regs.rsp, bp: regs.rbp, result: regs.rax }
}

#[cfg(not(bpf_target_arch = "aarch64"))]
#[inline(always)]
fn of_call(regs: &bpf_user_pt_regs_t) -> SystemCall {
    SystemCall { registers: of_machine(regs), arguments: [regs.rdi, regs.rsi, regs.rdx, regs.r10] }
}

#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn of_machine(regs: &bpf_user_pt_regs_t) -> Registers {
    Registers { ip: regs.pc, sp: regs.sp, bp: regs.regs[29], result: regs.regs[0] }
}

#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn of_call(regs: &bpf_user_pt_regs_t) -> SystemCall {
    let [first, second, third, fourth, ..] = regs.regs;
    SystemCall { registers: of_machine(regs), arguments: [first, second, third, fourth] }
}

/// This CPU's value of `key`, to be changed in place. As of [`increment`]: users of it count what a hit changes by one.
#[inline(always)]
pub(crate) fn cpu_value<K, V: Plain>(map: &PerCpuHashMap<K, V>, key: K) -> Option<&'static mut V> {
    let value = map.get_ptr_mut(key)?;
    // SAFETY: the map returned it for this key and this CPU, programs do not migrate, and its memory stays mapped until the
    // program ends. The collector removes only keys of processes that it has stopped to follow; whatever is written to one
    // then is a value of another key, wrong by one.
    Some(unsafe { &mut *value })
}

/// This CPU's element of an array, to be changed in place. Another program can get hold of it if the kernel preempts this
/// one: users of it have to notice, or to count what a hit changes only by one.
#[inline(always)]
pub(crate) fn cpu_element<T: Plain>(array: &PerCpuArray<T>, index: u32) -> Option<&'static mut T> {
    let element = array.get_ptr_mut(index)?;
    // SAFETY: the map returned it for this index and this CPU, it is never freed while programs run, and any bytes are a
    // value of a `Plain` type.
    Some(unsafe { &mut *element })
}

/// Fills in a record that is `head` and a copy of the stack, in place: it is larger than a program's stack. `start` is the
/// copy's words up to its length; the second is the stack pointer. Returns whether any of the target's stack could be read:
/// the whole copy, or as much as fits before the stack's end.
#[inline(always)]
pub(crate) fn fill<T, const HEAD: usize>(
    place: &mut MaybeUninit<T>,
    head: [u64; HEAD],
    start: [u64; 6],
) -> bool {
    const { assert!(size_of::<T>() == HEAD * 8 + size_of::<StackCopy>()) };
    let words = place.as_mut_ptr().cast::<u64>();
    // SAFETY: a `StackCopy` is seven words and the stack (its size is asserted beside it), the record is its head and one
    // (asserted above), and the place is a whole one.
    let copy = unsafe { words.add(HEAD) };
    // SAFETY: as above.
    let stack = unsafe { copy.add(7) }.cast::<[u8; STACK_BYTES]>();
    // SAFETY: reserved memory of the ring buffer, any bytes of which are a stack, and nobody else's until it is submitted.
    let stack_len = copy_stack(start[1], unsafe { &mut *stack });
    let [ip, sp, bp, thread, hash, exit_fp] = start;
    // SAFETY: the words before the copy.
    unsafe { words.cast::<[u64; HEAD]>().write(head) };
    // SAFETY: the words of the copy before the stack, in the order of the fields.
    unsafe { copy.cast::<[u64; 7]>().write([ip, sp, bp, thread, hash, exit_fp, stack_len]) };
    stack_len > 0
}

/// Bytes that were copied. The helper copies all that it is asked for, or nothing.
#[inline(always)]
fn copy_stack(sp: u64, to: &mut [u8; STACK_BYTES]) -> u64 {
    for halvings in 0..4 {
        let len = STACK_BYTES >> halvings;
        // SAFETY: the helper checks the address itself and writes at most the slice, zeros where it fails.
        if unsafe { bpf_probe_read_user_buf(sp as *const u8, &mut to[..len]) }.is_ok() {
            return len as u64;
        }
    }
    0
}
