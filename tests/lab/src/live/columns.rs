//! A reading as a row of figures, in the order of [`NAMES`]. Sizes are in KiB there: the kernel counts pages.

use memwatch_user::model::{Descriptors, Limits, MallocBooks, Mono, OutsideHeap, Reading, Resident};

/// Of [`NAMES`], so many are sizes; the others are counts.
const SIZES: usize = 15;

/// What there is of a reading in a row. A trace names its columns, so that more can be added behind either sort.
pub(super) const NAMES: [&str; 22] = [
    "rss",
    "rss_anon",
    "swap",
    "v8_heap",
    "malloc",
    "files",
    "stacks",
    "other",
    "malloc_in_use",
    "malloc_free",
    "array_buffers",
    "external",
    "cgroup_current",
    "cgroup_max",
    "host_available",
    "fds",
    "fd_sockets",
    "fd_files",
    "fd_pipes",
    "fd_other",
    "fd_limit",
    "threads",
];

/// A figure of each column, bytes or a count; `None` is not known.
pub type Figures = [Option<u64>; NAMES.len()];

/// What is known of nothing.
pub const UNKNOWN: Figures = [None; NAMES.len()];

/// The figures of a reading.
pub(super) fn figures(r: &Reading) -> Figures {
    let resident = |part: fn(&Resident) -> u64| r.resident.as_ref().map(part);
    let fds = |part: fn(&Descriptors) -> Option<u64>| r.descriptors.as_ref().and_then(part);
    [
        r.rss,
        r.rss_anon,
        r.swap,
        resident(|r| r.v8_heap),
        resident(|r| r.malloc),
        resident(|r| r.files),
        resident(|r| r.stacks),
        resident(|r| r.other),
        r.malloc.map(|books| books.in_use),
        r.malloc.map(|books| books.free),
        r.outside.array_buffers,
        r.outside.external,
        r.limits.cgroup_current,
        r.limits.cgroup_max,
        r.limits.host_available,
        fds(|d| Some(d.total)),
        fds(|d| d.sockets),
        fds(|d| d.files),
        fds(|d| d.pipes),
        fds(|d| d.other),
        r.limits.descriptors,
        r.threads,
    ]
}

/// The reading of these figures.
#[must_use]
pub fn reading(at: Mono, f: &Figures) -> Reading {
    Reading {
        at,
        rss: f[0],
        rss_anon: f[1],
        swap: f[2],
        resident: resident(f),
        malloc: f[8].zip(f[9]).map(|(in_use, free)| MallocBooks {
            in_use,
            free,
            exact: true,
            ..MallocBooks::default()
        }),
        outside: OutsideHeap { array_buffers: f[10], external: f[11] },
        descriptors: f[15].map(|total| Descriptors {
            total,
            sockets: f[16],
            files: f[17],
            pipes: f[18],
            other: f[19],
        }),
        threads: f[21],
        limits: Limits {
            cgroup_current: f[12],
            cgroup_max: f[13],
            host_available: f[14],
            descriptors: f[20],
        },
        suspended: false,
    }
}

fn resident(f: &Figures) -> Option<Resident> {
    let [v8_heap, malloc, files, stacks, other] = [f[3]?, f[4]?, f[5]?, f[6]?, f[7]?];
    Some(Resident { v8_heap, malloc, files, stacks, other })
}

/// The column of that name.
#[must_use]
pub fn index(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// A column's figure as it is written.
pub(super) fn written(column: usize, figure: u64) -> u64 {
    if column < SIZES { figure.div_ceil(1024) } else { figure }
}

/// What is written as the column's figure.
pub(super) fn read(column: usize, written: u64) -> u64 {
    if column < SIZES { written * 1024 } else { written }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_lost_on_the_way() {
        let figures_in: Figures = std::array::from_fn(|column| Some(read(column, column as u64 + 1)));
        assert_eq!(figures(&reading(Mono(5), &figures_in)), figures_in);
        assert_eq!(figures(&reading(Mono(5), &UNKNOWN)), UNKNOWN);
    }
}
