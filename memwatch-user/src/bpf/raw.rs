//! The only unsafe code of the collector: plain old data out of bytes, and waiting for descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use aya::Pod;
use tokio::io::{Interest, unix::AsyncFd};

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

#[cfg(test)]
mod tests {
    use memwatch_common::event::{EventHeader, EventKind};

    use super::*;

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
