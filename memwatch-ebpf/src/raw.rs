//! The only module with unsafe code: helper calls and raw pointers behind safe functions.
#![expect(unsafe_code, reason = "helpers and map values are raw pointers; each block says why it holds")]

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext,
    bindings::bpf_user_pt_regs_t,
    helpers::{
        bpf_get_attach_cookie, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_prandom_u32,
        bpf_ktime_get_ns, bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_buf,
        bpf_probe_read_user_str_bytes,
    },
    maps::{HashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use memwatch_common::native::{STACK_BYTES, StackCopy};

/// The kernel refuses programs without a licence that allows its GPL helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Programs must not panic; the verifier would reject one that can reach this.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The running thread: tgid in the upper half, pid in the lower.
#[inline(always)]
pub(crate) fn current() -> u64 {
    bpf_get_current_pid_tgid()
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

/// Reads a value of the target's memory: only of types that any bytes make a value of.
#[inline(always)]
pub(crate) fn read_user_value<T: Copy>(addr: u64) -> Option<T> {
    // SAFETY: the helper checks the address itself and fails on a bad one; the types are integers and structs of them.
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

/// The value of `key`, to be changed in place.
///
/// Values of `THREADS` are changed only by programs that run on that very thread, and uprobes on one thread do not
/// nest; those of `TARGETS` are single words.
#[expect(
    clippy::mut_from_ref,
    reason = "a map is shared memory; who may write a value at a time is said above"
)]
#[inline(always)]
pub(crate) fn map_value<K, V>(map: &HashMap<K, V>, key: K) -> Option<&mut V> {
    let value = map.get_ptr_mut(key)?;
    // SAFETY: the map returned it for this key; it stays valid until the program ends (RCU), and it is not shared in a
    // way that matters (above).
    Some(unsafe { &mut *value })
}

/// Copies `value` into the ring buffer.
#[inline(always)]
pub(crate) fn send<T: 'static>(ring: &RingBuf, value: &T) -> Result<(), i32> {
    ring.output::<T>(value, 0)
}

/// Removes `key`. That it was not there is no error.
#[inline(always)]
pub(crate) fn remove<K, V>(map: &HashMap<K, V>, key: K) {
    let _absent = map.remove(key);
}

/// Adds one to this CPU's counter at `index`.
#[inline(always)]
pub(crate) fn increment(counters: &PerCpuArray<u64>, index: u32) {
    if let Some(counter) = counters.get_ptr_mut(index) {
        // SAFETY: the map returned it for this index, and no other program runs on this CPU meanwhile.
        unsafe { *counter += 1 };
    }
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

/// This CPU's value of `key`, to be changed in place. The compiler for eBPF offers no atomic addition, hence values for
/// each CPU.
#[inline(always)]
pub(crate) fn cpu_value<K, V>(map: &PerCpuHashMap<K, V>, key: K) -> Option<&'static mut V> {
    let value = map.get_ptr_mut(key)?;
    // SAFETY: the map returned it for this key and this CPU; programs do not migrate, and values are never removed.
    Some(unsafe { &mut *value })
}

/// This CPU's element of an array, to be changed in place. Another program can get hold of it if the kernel preempts this
/// one: users of it have to notice, or to count what a hit changes only by one.
#[inline(always)]
pub(crate) fn cpu_element<T>(array: &PerCpuArray<T>, index: u32) -> Option<&'static mut T> {
    let element = array.get_ptr_mut(index)?;
    // SAFETY: the map returned it for this index and this CPU, it is never freed while programs run, and any bytes are a
    // value.
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
