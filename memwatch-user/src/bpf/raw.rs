//! The unsafe code of the collector that has to do with the kernel: plain old data out of bytes, waiting for descriptors,
//! and what aya does not ask of bpf(2).

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd},
    ptr,
};

use aya::Pod;
use aya_obj::generated::{
    BPF_F_UPROBE_MULTI_RETURN, PERF_FLAG_FD_CLOEXEC, bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn,
    bpf_prog_type, perf_event_attr,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Room for the verifier's reason and its statistics.
const LOG_BYTES: u32 = 64 << 10;
/// `BPF_LOG_STATS` of the kernel's `linux/bpf_verifier.h`: no trace of the instructions.
const LOG_STATS: u32 = 4;

/// `of`, to be waited for until it is readable. Needs a tokio runtime.
#[expect(unsafe_code, reason = "tokio cannot know that the descriptor stays open and the same")]
pub(crate) fn readable<T: AsFd + AsRawFd>(of: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: a type with `AsFd` owns its descriptor as long as it lives; those that come here (a pidfd, ring buffers)
    // return the same one from `as_raw_fd` each time, and `AsyncFd` lets go of it before it drops them.
    let registered = unsafe { AsyncFd::register_with_interest(of, Interest::READABLE) };
    registered.map_err(io::Error::from)
}

/// The first `size_of::<T>()` bytes as a `T`; `None` if there are fewer.
#[expect(unsafe_code, reason = "a typed read of bytes that the kernel side wrote")]
pub(crate) fn read<T: Pod>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: there are `size_of::<T>()` readable bytes, the read does not need alignment, and `Pod` says that every bit
    // pattern is a `T`.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Why the verifier refused a program.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: io::Error,
    /// In its own words.
    pub(crate) log: String,
}

/// How a program on uprobes is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attach {
    /// To one at a time, or to none: others go on with it.
    ToOne,
    /// By links of many.
    ToMany,
}

impl Attach {
    /// For programs on one uprobe the kernel wants none.
    const fn expected(self) -> u32 {
        match self {
            Self::ToOne => 0,
            Self::ToMany => bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32,
        }
    }
}

/// Loads a program for uprobes.
pub(crate) fn load(
    name: &str,
    code: &[bpf_insn],
    license: &CStr,
    attach: Attach,
) -> Result<OwnedFd, Refusal> {
    let mut log = vec![0_u8; LOG_BYTES as usize];
    let mut attr = no_attr();
    attr.__bindgen_anon_3.prog_type = bpf_prog_type::BPF_PROG_TYPE_KPROBE as u32;
    attr.__bindgen_anon_3.expected_attach_type = attach.expected();
    attr.__bindgen_anon_3.insn_cnt = u32::try_from(code.len()).unwrap_or(u32::MAX);
    attr.__bindgen_anon_3.insns = address(code.as_ptr());
    attr.__bindgen_anon_3.license = address(license.as_ptr());
    attr.__bindgen_anon_3.log_level = LOG_STATS;
    attr.__bindgen_anon_3.log_size = LOG_BYTES;
    attr.__bindgen_anon_3.log_buf = address(log.as_mut_ptr());
    // Fifteen characters and a zero.
    let mut shown = [0; 16];
    shown[..15].iter_mut().zip(name.bytes()).for_each(|(to, byte)| *to = byte.cast_signed());
    attr.__bindgen_anon_3.prog_name = shown;
    descriptor_of(bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr)).map_err(|error| {
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        Refusal { error, log: String::from_utf8_lossy(&log[..end]).into_owned() }
    })
}

/// Puts a program into a map of programs.
pub(crate) fn put(map: BorrowedFd<'_>, index: u32, program: BorrowedFd<'_>) -> io::Result<()> {
    let program = program.as_raw_fd();
    let mut attr = no_attr();
    attr.__bindgen_anon_2.map_fd = map.as_raw_fd().cast_unsigned();
    attr.__bindgen_anon_2.key = address(ptr::from_ref(&index));
    attr.__bindgen_anon_2.__bindgen_anon_1.value = address(ptr::from_ref(&program));
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
}

/// Links a program of [`load`] to many places of the file at `path`, each with its cookie, in the process `pid`.
pub(crate) fn link_multi(
    program: BorrowedFd<'_>,
    path: &CStr,
    (offsets, cookies): (&[u64], &[u64]),
    pid: u32,
    is_return: bool,
) -> io::Result<OwnedFd> {
    let count = offsets.len().min(cookies.len());
    let mut attr = no_attr();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd().cast_unsigned();
    attr.link_create.attach_type = bpf_attach_type::BPF_TRACE_UPROBE_MULTI as u32;
    attr.link_create.__bindgen_anon_3.uprobe_multi.path = address(path.as_ptr());
    attr.link_create.__bindgen_anon_3.uprobe_multi.offsets = address(offsets.as_ptr());
    attr.link_create.__bindgen_anon_3.uprobe_multi.cookies = address(cookies.as_ptr());
    attr.link_create.__bindgen_anon_3.uprobe_multi.cnt = u32::try_from(count).unwrap_or(u32::MAX);
    attr.link_create.__bindgen_anon_3.uprobe_multi.pid = pid;
    if is_return {
        attr.link_create.__bindgen_anon_3.uprobe_multi.flags = BPF_F_UPROBE_MULTI_RETURN;
    }
    descriptor_of(bpf(bpf_cmd::BPF_LINK_CREATE, &mut attr))
}

/// What has ids in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Programs.
    Programs,
    /// Links.
    Links,
    /// Maps.
    Maps,
}

impl Ids {
    const fn next(self) -> bpf_cmd {
        match self {
            Self::Programs => bpf_cmd::BPF_PROG_GET_NEXT_ID,
            Self::Links => bpf_cmd::BPF_LINK_GET_NEXT_ID,
            Self::Maps => bpf_cmd::BPF_MAP_GET_NEXT_ID,
        }
    }
}

/// The lowest id above `last`; `None` if there is none.
#[expect(unsafe_code, reason = "a field of a union")]
pub(crate) fn next_id(of: Ids, last: u32) -> io::Result<Option<u32>> {
    let mut attr = no_attr();
    attr.__bindgen_anon_6.__bindgen_anon_1.start_id = last;
    match bpf(of.next(), &mut attr) {
        // SAFETY: of every variant any bytes are a value, and this is the one that the command is about.
        Ok(_) => Ok(Some(unsafe { attr.__bindgen_anon_6.next_id })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a uprobe at `offset` of the file at `path`, for this process, without a program. `kind` is the number of the kernel's
/// PMU for uprobes.
#[expect(unsafe_code, reason = "aya opens probes together with a program only")]
pub(crate) fn open_uprobe(kind: u32, path: &CStr, offset: u64) -> io::Result<OwnedFd> {
    // SAFETY: every field is an integer, or a union or an array of integers, for which zero is a value.
    let mut attr: perf_event_attr = unsafe { mem::zeroed() };
    attr.type_ = kind;
    attr.size = u32::try_from(size_of::<perf_event_attr>()).unwrap_or_default();
    attr.set_disabled(1);
    attr.__bindgen_anon_3.uprobe_path = address(path.as_ptr());
    attr.__bindgen_anon_4.probe_offset = offset;
    let (ourselves, any_cpu, no_group) = (0, -1, -1);
    // SAFETY: `attr` is as long as it says, and the path in it is a string that outlives the call.
    let fd = unsafe {
        let attr = ptr::from_ref(&attr);
        libc::syscall(libc::SYS_perf_event_open, attr, ourselves, any_cpu, no_group, PERF_FLAG_FD_CLOEXEC)
    };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call returns a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[expect(unsafe_code, reason = "a union of integers")]
fn no_attr() -> bpf_attr {
    // SAFETY: every field of every variant is an integer or an array of integers, for which zero is a value.
    unsafe { mem::zeroed() }
}

fn address<T>(of: *const T) -> u64 {
    of.expose_provenance() as u64
}

/// bpf(2). What `attr` points to must live until this returns: the callers above borrow it.
#[expect(unsafe_code, reason = "aya has no way to say this to the kernel")]
fn bpf(cmd: bpf_cmd, attr: &mut bpf_attr) -> io::Result<RawFd> {
    // SAFETY: `attr` is as long as is said, and the addresses in it are of slices and strings that outlive the call with the
    // lengths that stand beside them, or of the key and the value of a map of words; the kernel writes to the log alone, which is
    // borrowed mutably, and to `attr`.
    let returned = unsafe {
        libc::syscall(libc::SYS_bpf, cmd as libc::c_long, ptr::from_mut(attr), size_of::<bpf_attr>())
    };
    i32::try_from(returned).ok().filter(|returned| *returned >= 0).ok_or_else(io::Error::last_os_error)
}

/// What a command returned that makes a descriptor: the callers above ask for no other.
#[expect(unsafe_code, reason = "the kernel returns a number")]
fn descriptor_of(returned: io::Result<RawFd>) -> io::Result<OwnedFd> {
    // SAFETY: it is a new descriptor, which nobody else has.
    returned.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Leaves a copy of this process behind that ends when this one has, and so is the last to close what this process has open by
/// now. Returns its pid.
#[expect(unsafe_code, reason = "no safe interface copies a process")]
pub(crate) fn end_in_a_copy() -> io::Result<i32> {
    let (ours, our_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: this process may have other threads, whose locks nobody opens in the copy. So the copy calls functions that are
    // async-signal-safe and nothing else, in `end_the_copy`, and never returns from there.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => end_the_copy(ours.as_raw_fd(), our_end.as_raw_fd()),
        copy => {
            // Open until we are gone, however that comes about.
            let _closed_by_our_end = our_end.into_raw_fd();
            Ok(copy)
        }
    }
}

/// The standard streams are closed first: whoever reads them must not wait for the rest. In a session of its own the copy is
/// out of reach of the terminal's keys and no part of a shell's job. It waits until nobody has `our_end` open.
#[expect(unsafe_code, reason = "what runs after a fork must be async-signal-safe")]
fn end_the_copy(ours: RawFd, our_end: RawFd) -> ! {
    for descriptor in [0, 1, 2, our_end] {
        // SAFETY: nothing in this copy uses these descriptors any more.
        unsafe { libc::close(descriptor) };
    }
    // SAFETY: takes no pointer and touches no memory.
    unsafe { libc::setsid() };
    let mut byte = 0_u8;
    // SAFETY: `byte` has room for the one byte that is asked for. Whatever it returns, the wait is over.
    unsafe { libc::read(ours, ptr::from_mut(&mut byte).cast(), 1) };
    // SAFETY: runs no destructor and no handler; the kernel closes all descriptors.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use memwatch_common::event::{EventHeader, EventKind};

    use super::*;

    /// A copy that ends first leaves it to us to close everything, which takes a second and a half.
    #[test]
    fn the_copy_stays_for_as_long_as_we_do() {
        let copy = end_in_a_copy().unwrap();
        // It is in a session of its own once it has closed its end of the pipe; then it either waits, or it has ended.
        let state = || std::fs::read_to_string(format!("/proc/{copy}/stat")).unwrap();
        let is_there = || {
            let stat = state();
            let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().collect();
            (fields[3] == copy.to_string(), fields[0].to_owned())
        };
        while !is_there().0 {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_ne!(is_there().1, "Z");
    }

    #[test]
    fn reads_at_any_alignment_and_never_beyond_the_end() {
        let mut bytes = vec![0xff];
        bytes.extend([EventKind::Exec as u32, 7, 8, 0].iter().flat_map(|word| word.to_ne_bytes()));
        bytes.extend(9u64.to_ne_bytes());
        let header: EventHeader = read(&bytes[1..]).unwrap();
        assert_eq!((header.kind, header.tgid, header.tid, header.time_ns), (5, 7, 8, 9));
        assert_eq!(read::<EventHeader>(&bytes[2..]), None);
    }
}
