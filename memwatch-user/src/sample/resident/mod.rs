//! The resident set by what the mappings are used for: V8's pages, the allocator's, files, stacks.
//!
//! /proc/PID/smaps says how much of a mapping is resident; what it is says its name, or what it holds ([`walk`]). Only
//! pages that are in memory are looked at, so that reading adds none. The kernel takes the lock on the process's mappings
//! for each page of text (some six mappings) and lets go of it in between: `mmap` waits for us that long at most.

mod glibc;
mod memory;
mod smaps;
mod stacks;
mod walk;

use std::{fs::File, io::BufReader};

pub(super) use self::stacks::Stacks;
use self::{memory::Memory, smaps::Mappings, walk::Walk};
use super::{proc, status::Status};
use crate::model::Resident;

/// What a mapping, or a part of one, is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    V8,
    Malloc,
    File,
    Stack,
    Other,
}

/// Reads it; `None` if the process is gone or not ours to read. Costs some 20 µs for each of V8's pages, of 256 KiB.
pub(super) fn read(pid: u32, stacks: &mut Stacks) -> Option<Resident> {
    let smaps = BufReader::new(File::open(proc::path(pid, "smaps")).ok()?);
    let memory = Memory::open(pid)?;
    let mut resident = Resident::default();
    let mut walk = Walk::new(&memory);
    stacks.look(pid);
    for mapping in Mappings::new(smaps).filter(|mapping| mapping.rss > 0) {
        let rest = if stacks.hold(&mapping) { Use::Stack } else { Use::Other };
        for (used_for, bytes) in walk.split(&mapping, rest) {
            add(&mut resident, used_for, bytes);
        }
    }
    stacks.forget();
    // The file of a process that ends meanwhile ends too, and what was added up is a part. It has no size then.
    Status::of(pid)?.rss.map(|_| resident)
}

fn add(resident: &mut Resident, used_for: Use, bytes: u64) {
    *match used_for {
        Use::V8 => &mut resident.v8_heap,
        Use::Malloc => &mut resident.malloc,
        Use::File => &mut resident.files,
        Use::Stack => &mut resident.stacks,
        Use::Other => &mut resident.other,
    } += bytes;
}
