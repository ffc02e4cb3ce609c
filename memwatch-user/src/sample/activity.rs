//! Whether a process has done anything since it was last read: most processes of a host wait most of the time. Asking takes 3 µs
//! of an idle Node 24, reading its cheap parts 41 µs, and all of it 3 ms (measured).

use std::{fs::File, io::Read as _, os::fd::OwnedFd, time::Duration};

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::model::Mono;

/// A process that does nothing is read at least so often: what it may use up changes without it.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// A smaller change of the resident set is none: the kernel's count is off by what each processor has not handed in yet, 32 pages
/// and more (`percpu_counter_batch`, lib/percpu_counter.c).
const STILL_PAGES: u64 = 64;

/// What tells that a process has done something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// CPU time, in the kernel's ticks of 10 ms.
    ticks: u64,
    threads: u64,
    /// 0 before Linux 6.2, which does not count them.
    descriptors: u64,
    resident_pages: u64,
    is_stopped: bool,
}

/// Whether there is a reason to read a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It has done nothing since it was last read.
    Idle,
    /// Likewise, but that is a while ago: what it may use up can have changed.
    Overdue,
    /// It has done something, or that cannot be told.
    Active,
}

/// Whether one process does anything.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Its directory in /proc: a descriptor stands for one process, whatever its pid is used for later.
    directory: Option<OwnedFd>,
    /// As they were when it was last to be read, and when that was.
    last: Option<(Mono, Counters)>,
}

impl Activity {
    /// Of the process that has `pid` now.
    pub(crate) fn of(pid: u32) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty());
        Self { directory: directory.ok(), last: None }
    }

    /// Whether it has used 10 ms of CPU time since it was last to be read, or holds visibly more or less. If there is any reason
    /// to, it is to be read now.
    pub(crate) fn state(&mut self, now: Mono) -> State {
        let Some(counters) = self.directory.as_ref().and_then(counters) else { return State::Active };
        let state = match self.last {
            Some((at, last)) if counters.are_still(last) => {
                if now.since(at) < LONGEST_REST {
                    State::Idle
                } else {
                    State::Overdue
                }
            }
            _ => State::Active,
        };
        if state != State::Idle {
            self.last = Some((now, counters));
        }
        state
    }
}

impl Counters {
    fn are_still(self, last: Self) -> bool {
        let few = self.resident_pages.abs_diff(last.resident_pages) < STILL_PAGES;
        few && Self { resident_pages: last.resident_pages, ..self } == last
    }

    /// Of `/proc/PID/stat` (proc_pid_stat(5)). The name of the process is in parentheses and may hold any of them.
    fn parse(stat: &str, descriptors: u64) -> Option<Self> {
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The state is the third field of the file.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: number(14)?.saturating_add(number(15)?),
            threads: number(20)?,
            descriptors,
            resident_pages: number(24)?,
            is_stopped: matches!(*fields.first()?, "T" | "t"),
        })
    }
}

fn counters(directory: &OwnedFd) -> Option<Counters> {
    let stat = rustix::fs::openat(directory, "stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::with_capacity(512);
    File::from(stat).read_to_string(&mut text).ok()?;
    let descriptors = rustix::fs::statat(directory, "fd", AtFlags::empty()).ok()?.st_size;
    Counters::parse(&text, u64::try_from(descriptors).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::hint;

    use super::*;
    use crate::host::own;

    const STAT: &str = "7 (a) (b)) S 1 7 7 0 -1 4194560 900 0 0 0 25 5 0 0 20 0 11 0 100 1000000 4000 18446744073709551615 1 1";

    #[test]
    fn the_counters_in_a_file() {
        let counters =
            Counters { ticks: 30, threads: 11, descriptors: 20, resident_pages: 4000, is_stopped: false };
        assert_eq!(Counters::parse(STAT, 20), Some(counters));
        let stopped = STAT.replace(" S ", " T ");
        assert_eq!(Counters::parse(&stopped, 20), Some(Counters { is_stopped: true, ..counters }));
        for cut in ["", "7 (a) S", "7 (a", &STAT[..60]] {
            assert_eq!(Counters::parse(cut, 20), None, "{cut}");
        }
    }

    #[test]
    fn what_counts_as_doing_something() {
        let before =
            Counters { ticks: 30, threads: 11, descriptors: 20, resident_pages: 4000, is_stopped: false };
        let few = Counters { resident_pages: 4063, ..before };
        assert!(before.are_still(before) && few.are_still(before));
        let moved = [
            Counters { ticks: 31, ..before },
            Counters { threads: 10, ..before },
            Counters { descriptors: 21, ..before },
            Counters { resident_pages: 3936, ..before },
            Counters { is_stopped: true, ..before },
        ];
        assert!(moved.into_iter().all(|now| !now.are_still(before)));
    }

    #[test]
    fn we_do_something_and_nobody_knows_of_the_dead() {
        let mut activity = Activity::of(std::process::id());
        assert_eq!(activity.state(Mono(0)), State::Active);
        let until = own::cpu_seconds() + 0.03;
        while own::cpu_seconds() < until {
            hint::spin_loop();
        }
        assert_eq!(activity.state(Mono(1)), State::Active);
        let mut nobody = Activity::of(u32::MAX);
        assert_eq!([0, 1].map(|at| nobody.state(Mono(at))), [State::Active; 2]);
    }

    #[test]
    fn who_stands_still_is_read_after_a_while() -> Result<(), std::io::Error> {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn()?;
        // Until it sleeps: its loader moves.
        let mut activity = Activity::of(sleeper.id());
        let settled = (0..1000_u64).find(|n| {
            std::thread::sleep(Duration::from_millis(20));
            activity.state(Mono(*n)) == State::Idle
        });
        let second = 1_000_000_000;
        let later = [9, 10, 11, 20].map(|seconds| activity.state(Mono(seconds * second + 1000)));
        sleeper.kill()?;
        sleeper.wait()?;
        assert!(settled.is_some());
        assert_eq!(later, [State::Idle, State::Overdue, State::Idle, State::Overdue]);
        Ok(())
    }
}
