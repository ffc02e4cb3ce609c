//! What we cost ourselves.

use std::{fs, time::Duration};

use rustix::{
    process::{Resource, getrlimit, setpriority_process, setrlimit},
    time::{ClockId, clock_gettime},
};

/// A thread this nice gets a thirtieth of what another gets that wants the same CPU. The nicest (19) gets a seventieth: on a host whose
/// CPUs were all taken several times over, a take of 100 ms was not done after a minute.
const GIVING_WAY: i32 = 15;

/// CPU time of all our threads since we started, seconds.
#[must_use]
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// CPU time of this thread since it started.
#[must_use]
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Our resident set size, bytes; `None` if `/proc` does not say.
#[must_use]
pub(crate) fn rss_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Raises our limit of open files to what we are allowed. A target takes some, and one whose native memory is looked at a hundred:
/// the usual limit of 1024 is that of a program that calls `select`.
pub(crate) fn open_more_files() {
    let limit = getrlimit(Resource::Nofile);
    // As it was is what we had.
    let _refused = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

/// Everybody else goes before this thread, from now on: not every user may take that back.
pub(crate) fn give_way() {
    // It is as it was, then.
    let _refused = setpriority_process(None, GIVING_WAY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_we_are_allowed() {
        open_more_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn cpu_time_rises_with_work() {
        let before = cpu_seconds();
        let sum = (0..2_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(cpu_seconds() > before);
    }

    #[test]
    fn rss_counts_what_we_touch() {
        let before = rss_bytes().unwrap();
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(rss_bytes().unwrap() > before + (32 << 20));
        drop(touched);
    }
}
