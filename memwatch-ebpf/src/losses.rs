//! Counts what is not reported, by process and reason: what one process loses is nothing to the others.

use memwatch_common::loss::{LossKey, LossReason};

use crate::{
    maps::{LOSSES, SHARED_LOSSES},
    raw,
};

/// `BPF_NOEXIST`.
const NO_EXIST: u64 = 1;

/// Counts one loss of the running process.
#[inline(always)]
pub(crate) fn count(reason: LossReason) {
    count_of(raw::current().tgid(), reason);
}

/// Counts one loss of a process.
#[inline(always)]
pub(crate) fn count_of(tgid: u32, reason: LossReason) {
    let key = LossKey { tgid, reason: reason as u32 };
    if raw::add_one(&LOSSES, key) {
        return;
    }
    // Another CPU may have made it meanwhile: its count stays.
    let _there = LOSSES.insert(key, 0, NO_EXIST);
    if !raw::add_one(&LOSSES, key) {
        count_shared(reason);
    }
}

/// Counts one loss that may be any process's.
#[inline(always)]
pub(crate) fn count_shared(reason: LossReason) {
    raw::increment(&SHARED_LOSSES, reason as u32);
}
