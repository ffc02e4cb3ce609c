//! Counts what is not reported, by reason.

use memwatch_common::loss::LossReason;

use crate::{maps::LOSSES, raw};

/// Counts one loss.
#[inline(always)]
pub(crate) fn count(reason: LossReason) {
    raw::increment(&LOSSES, reason as u32);
}
