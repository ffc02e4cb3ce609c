//! A reading and its budget as a record.

use std::time::Duration;

use crate::{
    model::{Descriptors, Limits, Reading},
    report::record::{self, Body},
    series::Budget,
};

/// Memory of the process: `budget` is what its resident set is made of, read `age` before.
pub(super) fn memory(reading: &Reading, budget: &Budget, age: Option<Duration>, isolates: u64) -> Body {
    Body::Memory(Box::new(record::Memory {
        rss: reading.rss,
        rss_anon: reading.rss_anon,
        swap: reading.swap,
        v8_heap: budget.v8_heap,
        array_buffers: budget.array_buffers,
        native_live: budget.native_live,
        native_before: None,
        allocator_slack: budget.allocator_slack,
        mapped_files: budget.mapped_files,
        stacks: budget.stacks,
        unexplained: budget.unexplained,
        parts_age_s: age.map(|age| age.as_secs_f64()),
        held: held(reading),
        fds: reading.descriptors.map(|open| open.total),
        fds_by_kind: reading.descriptors.and_then(fds_by_kind),
        fd_limit: reading.limits.descriptors,
        handles: None,
        threads: reading.threads,
        isolates,
        cgroup: cgroup(reading.limits),
        host_available: reading.limits.host_available,
        suspended: reading.suspended,
    }))
}

fn held(reading: &Reading) -> record::Held {
    record::Held {
        array_buffers: reading.outside.array_buffers,
        external: reading.outside.external,
        malloc_in_use: reading.malloc.map(|books| books.in_use),
        malloc_free: reading.malloc.map(|books| books.free),
    }
}

fn fds_by_kind(open: Descriptors) -> Option<record::FdsByKind> {
    let (sockets, files, pipes, other) = (open.sockets?, open.files?, open.pipes?, open.other?);
    Some(record::FdsByKind { sockets, files, pipes, other })
}

fn cgroup(limits: Limits) -> Option<record::Cgroup> {
    Some(record::Cgroup { current: limits.cgroup_current?, max: limits.cgroup_max })
}
