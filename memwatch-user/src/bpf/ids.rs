//! Ids of what the kernel has, of whomever, without opening any of it. A program array that is opened and closed again while the
//! kernel clears it is never freed (6.18: `prog_array_map_clear` of kernel/bpf/arraymap.c takes a reference for work that is queued
//! already), and to ask for an object's details is to open it.

use std::{collections::BTreeSet, io};

use super::raw;
pub use super::raw::Ids;

/// All ids of that kind.
pub fn all(of: Ids) -> io::Result<BTreeSet<u32>> {
    let (mut ids, mut last) = (BTreeSet::new(), 0);
    while let Some(next) = raw::next_id(of, last)? {
        ids.insert(next);
        last = next;
    }
    Ok(ids)
}
