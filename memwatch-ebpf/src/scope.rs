//! Is this thread ours? The first question of every program.

use aya_ebpf::EbpfContext;
use memwatch_common::target::{Target, UNCLAIMED};

use crate::{
    maps::{FOLLOW_ALL, FOLLOWED, HAS_COOKIES, TARGETS},
    raw::{self, Thread},
};

/// A hit of a probe that counts.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    /// The thread: key of `THREADS`.
    pub(crate) thread: Thread,
    /// The attachment: index of `HEAP_LAYOUTS`.
    pub(crate) attachment: u32,
}

/// The hit, if its process is a target and the probe belongs to the attachment that has claimed it.
///
/// One file can be attached under several names (an overlay a container, all with the same inode below); the first
/// attachment that is hit claims the process, the others are ignored for it.
#[inline(always)]
pub(crate) fn hit<C: EbpfContext>(ctx: &C) -> Option<Hit> {
    let thread = raw::current();
    let target = raw::shared(&TARGETS, thread.tgid())?;
    let Target { attachment } = target.get();
    if HAS_COOKIES.load() == 0 {
        return Some(Hit { thread, attachment });
    }
    let cookie = raw::attach_cookie(ctx) as u32;
    if attachment == UNCLAIMED {
        target.set(Target { attachment: cookie });
    }
    (attachment == UNCLAIMED || attachment == cookie).then_some(Hit { thread, attachment: cookie })
}

/// Whether the running process is a target.
#[inline(always)]
pub(crate) fn is_target(thread: Thread) -> bool {
    raw::has(&TARGETS, thread.tgid())
}

/// Whether the running process becomes a target when it executes a program.
#[inline(always)]
pub(crate) fn is_followed(thread: Thread) -> bool {
    FOLLOW_ALL.load() != 0 || raw::has(&FOLLOWED, thread.tgid())
}
